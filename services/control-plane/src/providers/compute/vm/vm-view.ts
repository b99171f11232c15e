import type { InstanceStatus, InstanceViewStatus, PowerState } from '@strongroom/contract'
import { toErrorDetail } from '@strongroom/platform'
import { resourceView } from '../../../arm/resource-view.ts'
import type { PlacedViews } from '../../../fleet/placement-views.ts'
import { ownHostDomains } from '../../../fleet/placements.ts'
import type { Plane } from '../../../types/plane.ts'
import { guestStatuses } from './guest-statuses.ts'
import { maintenanceStatus, type MaintenanceStatus } from './planned-maintenance.ts'
import { stateOf, vmType, type Vm } from './model/vm-model.ts'

const powerCodes: Record<PowerState, [code: string, displayStatus: string]> = {
  Stopped: ['PowerState/stopped', 'VM stopped'],
  Starting: ['PowerState/starting', 'VM starting'],
  Booting: ['PowerState/starting', 'VM starting'],
  Ready: ['PowerState/running', 'VM running'],
  Stopping: ['PowerState/stopping', 'VM stopping'],
  Failed: ['PowerState/stopped', 'VM stopped'],
}

export interface InstanceView {
  computerName: string
  hyperVGeneration: 'V2'
  /** In its availability set; absent without one, and while it has no host. */
  platformFaultDomain?: number
  platformUpdateDomain?: number
  /** While the VM is to be moved off its host. */
  maintenanceRedeployStatus?: MaintenanceStatus
  statuses: InstanceViewStatus[]
  /** Plain sentences from the host and the resource manager. */
  notices: string[]
}

/** The host's status of a VM, or why it gave none. */
type Asked = { status: InstanceStatus | undefined } | { error: unknown }

/** Provisioning, power and notices of a VM, from the host's current state. */
export async function instanceView(plane: Plane, vm: Vm): Promise<InstanceView> {
  const asked = await plane.host.find(vm.internal.vmId).then(
    (status) => ({ status }),
    (error: unknown) => ({ error }),
  )
  return await withPlacement(plane.fleet.compute?.views.one, vm, viewOf(vm, asked))
}

/** @param placed absent in an installation without hosts */
async function withPlacement(placed: PlacedViews | undefined, vm: Vm, view: InstanceView): Promise<InstanceView> {
  const { vmId, model } = vm.internal
  const move = await placed?.move(vmId)
  const domains =
    model.availabilitySet === undefined ? undefined : placed === undefined ? ownHostDomains : await placed.domains(vmId)
  return {
    ...(domains !== undefined && {
      platformFaultDomain: domains.faultDomain,
      platformUpdateDomain: domains.updateDomain,
    }),
    ...view,
    ...(move !== undefined && { maintenanceRedeployStatus: maintenanceStatus(move) }),
  }
}

/** Instance views of a list, from one host request and one query of each table. */
export function instanceViews(plane: Plane): (vm: Vm) => Promise<InstanceView> {
  const all = plane.host.list().then(
    (list) => new Map(list.map((status) => [status.vmId.toLowerCase(), status])),
    (error: unknown) => ({ error }),
  )
  const placed = plane.fleet.compute?.views.ofList()
  return async (vm) => {
    const known = await all
    const asked = known instanceof Map ? { status: known.get(vm.internal.vmId.toLowerCase()) } : known
    return await withPlacement(placed, vm, viewOf(vm, asked))
  }
}

function viewOf(vm: Vm, asked: Asked): InstanceView {
  const notices = 'status' in asked ? (asked.status?.notices ?? []) : []
  const all = [...ownNotices(vm), ...notices]
  return {
    computerName: vm.internal.model.osProfile.computerName,
    hyperVGeneration: 'V2',
    statuses: [
      provisioningStatus(vm, 'status' in asked ? asked.status : undefined),
      'status' in asked ? powerStatus(vm, asked.status) : unknownPower(asked.error),
      ...('status' in asked && asked.status !== undefined ? guestStatuses(asked.status) : []),
      ...(vm.internal.generalized === true ? [generalized] : []),
      ...all.map((message, index): InstanceViewStatus => ({
        code: `Notice/${index + 1}`,
        level: 'Info',
        displayStatus: 'Notice',
        message,
      })),
    ],
    notices: all,
  }
}

const generalized: InstanceViewStatus = {
  code: 'OSState/generalized',
  level: 'Info',
  displayStatus: 'VM generalized',
}

const passwordNotice =
  'The account has a password: the resource manager saw it in clear, and the host saw a hash of it. Anyone on ' +
  'that path could have it; use SSH keys instead.'

const agentNotice =
  'There is no VM agent and there are no extensions: provisionVMAgent and allowExtensionOperations are stored as ' +
  'sent, and no operator’s code runs in the guest.'

function ownNotices(vm: Vm): string[] {
  const { encryption, encryptionAtHost, osProfile } = vm.internal.model
  const named = [
    ...(vm.internal.notice === undefined ? [] : [vm.internal.notice]),
    ...(osProfile.provisionVMAgent === true || osProfile.allowExtensionOperations === true ? [agentNotice] : []),
    ...(encryption !== undefined && osProfile.password !== undefined ? [passwordNotice] : []),
  ]
  if (!encryptionAtHost || encryption !== 'DiskWithVMGuestState') return named
  return [
    ...named,
    'The OS disk is encrypted twice (encryptionAtHost and DiskWithVMGuestState): this may cost disk performance.',
  ]
}

const provisioningWords: Record<string, string> = {
  Succeeded: 'Provisioning succeeded',
  Failed: 'Provisioning failed',
  Creating: 'Creating',
  Updating: 'Updating',
  Deleting: 'Deleting',
}

function provisioningStatus(vm: Vm, status: InstanceStatus | undefined): InstanceViewStatus {
  const state = stateOf(vm)
  const failed = state === 'Failed'
  const error = status?.provisioning.error ?? status?.power.error
  const code =
    failed && error !== undefined
      ? `ProvisioningState/failed/${error.code}`
      : `ProvisioningState/${state.toLowerCase()}`
  return {
    code,
    level: failed ? 'Error' : 'Info',
    displayStatus: provisioningWords[state] ?? state,
    ...(failed && error !== undefined && { message: error.message }),
    time: vm.updatedAt,
  }
}

function powerStatus(vm: Vm, status: InstanceStatus | undefined): InstanceViewStatus {
  if (status === undefined) return { code: 'PowerState/deallocated', level: 'Info', displayStatus: 'VM deallocated' }
  const { state, since, error } = status.power
  const off = state === 'Stopped' || state === 'Failed'
  const [code, displayStatus] =
    vm.internal.deallocated && off ? (['PowerState/deallocated', 'VM deallocated'] as const) : powerCodes[state]
  const message = error === undefined ? undefined : [error.message, error.innererror?.remedy].filter(Boolean).join(' ')
  return {
    code,
    level: state === 'Failed' ? 'Error' : 'Info',
    displayStatus,
    ...(message !== undefined && { message }),
    time: since,
  }
}

function unknownPower(error: unknown): InstanceViewStatus {
  return {
    code: 'PowerState/unknown',
    level: 'Warning',
    displayStatus: 'VM power state unknown',
    message: `The host does not answer: ${toErrorDetail(error).message}`,
  }
}

export function vmView(vm: Vm, view?: InstanceView): Record<string, unknown> {
  const shown = resourceView(vm, vmType)
  return view === undefined ? shown : { ...shown, properties: { ...vm.body.properties, instanceView: view } }
}
