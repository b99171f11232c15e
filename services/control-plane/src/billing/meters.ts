import type { Json, ResourceBody } from '../store/resources.ts'

/** What is counted, each apart from the others (S27). */
export const meterKinds = [
  'compute',
  'os-disk',
  'os-disk-encrypted',
  'data-disk',
  'snapshot',
  'vmgs',
  'managed-hsm',
] as const
export type MeterKind = (typeof meterKinds)[number]

export interface Meter {
  meter: MeterKind
  /** ARM id of what is used. */
  resourceId: string
  /** ARM id of the VM that it belongs to; empty where it belongs to none. */
  vmId: string
  region: string
  /** Size of a VM, storage type of a disk, SKU of an HSM. */
  sku: string
  /** GiB of a disk, otherwise 1. */
  quantity: number
  tags: Record<string, string>
}

/** Whether what the meter counts is an amount of GiB over time; else it is there or not. */
export const countsGiB = (meter: MeterKind): boolean =>
  meter === 'os-disk' || meter === 'os-disk-encrypted' || meter === 'data-disk' || meter === 'snapshot'

interface Row {
  id: string
  type: string
  location: string
  body: ResourceBody
  internal: unknown
}

const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0)

const byType: Record<string, (row: Row) => Meter[]> = {
  'microsoft.compute/virtualmachines': ofVm,
  'microsoft.compute/disks': ofDisk,
  'microsoft.compute/snapshots': (row) => [
    { ...common(row), meter: 'snapshot', vmId: '', sku: text(row.body.sku?.['name']), quantity: gibOf(row) },
  ],
  'microsoft.keyvault/managedhsms': (row) => [
    { ...common(row), meter: 'managed-hsm', vmId: '', sku: text(row.body.sku?.['name']), quantity: 1 },
  ],
}

/** Lower-case types of resources that are metered. */
export const meteredTypes: ReadonlySet<string> = new Set(Object.keys(byType))

/** What a resource, as its row stands, is using: a pure function of the row, so that usage changes with the row alone. */
export function metersOf(row: Row | undefined): Meter[] {
  return row === undefined ? [] : (byType[row.type]?.(row) ?? [])
}

const common = (row: Row): Pick<Meter, 'resourceId' | 'region' | 'tags'> => ({
  resourceId: row.id,
  region: row.location,
  tags: row.body.tags ?? {},
})

const gibOf = (row: Row): number => count(row.body.properties['diskSizeGB'])

/**
 * Cores count from when the disk exists until they are given back: a stopped VM that keeps them counts, a deallocated
 * one does not, and a creation that failed never did. OS disk and guest state count as long as they exist.
 */
function ofVm(row: Row): Meter[] {
  const internal = object(row.internal)
  const model = object(internal['model'])
  if (internal['provisioned'] !== true) return []
  const osDisk = object(model['osDisk'])
  const encrypted = model['encryption'] === 'DiskWithVMGuestState'
  const diskId = `${row.id.split('/').slice(0, 5).join('/')}/providers/Microsoft.Compute/disks/${text(osDisk['name'])}`
  const ofDisk = {
    ...common(row),
    vmId: row.id,
    resourceId: diskId,
    sku: text(osDisk['storageAccountType']),
  }
  const meters: Meter[] = []
  if (internal['deallocated'] !== true)
    meters.push({ ...common(row), meter: 'compute', vmId: row.id, sku: text(model['vmSize']), quantity: 1 })
  meters.push({ ...ofDisk, meter: encrypted ? 'os-disk-encrypted' : 'os-disk', quantity: count(osDisk['sizeGiB']) })
  // A vTPM that is not kept has no guest state (S17).
  if (model['vTpm'] === true && model['encryption'] !== 'NonPersistedTPM')
    meters.push({ ...ofDisk, meter: 'vmgs', sku: 'VMGS', quantity: 1 })
  return meters
}

/** The OS disk of a VM counts with its VM: a disk that was never made has a row too. */
function ofDisk(row: Row): Meter[] {
  const vmId = text(object(row.internal)['managedBy'])
  const { properties } = row.body
  const system = properties['osType'] !== undefined && properties['osType'] !== null
  if (system && vmId !== '') return []
  const security = text(object(properties['securityProfile'])['securityType'])
  const disk = { ...common(row), vmId, sku: text(row.body.sku?.['name']) }
  const meter: MeterKind = !system
    ? 'data-disk'
    : security.startsWith('ConfidentialVM_DiskEncrypted')
      ? 'os-disk-encrypted'
      : 'os-disk'
  const meters: Meter[] = [{ ...disk, meter, quantity: gibOf(row) }]
  if (system && security !== '' && security !== 'ConfidentialVM_NonPersistedTPM')
    meters.push({ ...disk, meter: 'vmgs', sku: 'VMGS', quantity: 1 })
  return meters
}
