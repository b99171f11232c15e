import type { BillingTables } from './billing-tables.ts'
import type { FleetTables } from './fleet-tables.ts'

/** Tables of the control plane. JSON is text, times are ISO text, so that both engines store the same. */
interface ResourceTable {
  /** The resource id in lower case: ids are compared without case. */
  key: string
  /** The id as its creator spelled it. */
  id: string
  /** Lower case, for example microsoft.compute/virtualmachines. */
  type: string
  /** Lower case; empty for the groups' own rows' parents. */
  resource_group: string
  name: string
  location: string
  /** ResourceBody as JSON. */
  body: string
  /** JSON that only the platform reads. */
  internal: string
  etag: string
  created_at: string
  updated_at: string
}

interface QuotaLimitTable {
  region: string
  name: string
  limit_value: number
}

interface QuotaCounterTable {
  region: string
  name: string
  used: number
}

interface QuotaReservationTable {
  /** Key of the VM. */
  owner: string
  region: string
  family: string
  cores: number
}

interface AddressTable {
  /** Key of a subnet, `public`, or `mac`. */
  pool: string
  address: string
  owner: string
}

export interface RoleAssignmentTable {
  /** Lower-case scope. */
  scope: string
  name: string
  display_scope: string
  principal_id: string
  principal_type: string
  role_id: string
  created_at: string
  created_by: string
  /** In Azure's format 2.0; without one the role is granted unconditionally. */
  condition?: string | null | undefined
  description?: string | null | undefined
}

interface ActivityTable {
  id: string
  at: string
  caller: string
  action: string
  resource_id: string
  /** The id in lower case. */
  resource_key: string
  status: number
  correlation_id: string
  /** The operation that continued after the answer; empty if none. */
  operation_id: string
  /** Failed requests of this caller that have no row, after this one and in the same hour. */
  left_out: number
}

interface OperationNoteTable {
  operation_id: string
  /** ArmOperationStep[] of the host, as JSON. */
  steps: string
  /** 1 if a failed operation kept what it had created. */
  kept: number
  created_at: string
}

export interface ManagementLockTable {
  /** Lower-case scope and name; the display members keep their case. */
  scope: string
  name: string
  display_scope: string
  display_name: string
  level: 'CanNotDelete' | 'ReadOnly'
  notes: string
  created_at: string
}

export interface RoleDefinitionTable {
  /** Lower-case GUID. */
  id: string
  role_name: string
  description: string
  /** Lists as JSON. */
  permissions: string
  assignable_scopes: string
  created_at: string
  updated_at: string
}

interface NamedValueTable {
  name: string
  value: string
}

interface SimulatedInstanceTable {
  vm_id: string
  /** InstanceStatus as JSON. */
  status: string
}

interface SimulatedDiskTable {
  id: string
  /** StoredDiskSpec and StoredDiskStatus as JSON. */
  spec: string
  status: string
}

export interface Tables extends BillingTables, FleetTables {
  resource: ResourceTable
  quota_limit: QuotaLimitTable
  quota_counter: QuotaCounterTable
  quota_reservation: QuotaReservationTable
  address: AddressTable
  role_assignment: RoleAssignmentTable
  activity: ActivityTable
  operation_note: OperationNoteTable
  management_lock: ManagementLockTable
  role_definition: RoleDefinitionTable
  subscription_tag: NamedValueTable
  simulated_instance: SimulatedInstanceTable
  simulated_disk: SimulatedDiskTable
}
