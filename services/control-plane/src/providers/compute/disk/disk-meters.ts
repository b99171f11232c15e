import type { MeterKind } from '@strongroom/contract'
import { count, object, text, type Meter, type MeteredRow } from '../../../types/meter.ts'

const common = (row: MeteredRow): Pick<Meter, 'resourceId' | 'region' | 'tags'> => ({
  resourceId: row.id,
  region: row.location,
  tags: row.body.tags ?? {},
})

export const gibOf = (row: MeteredRow): number => count(row.body.properties['diskSizeGB'])

/**
 * Cores count from the disk's creation until they are released: a stopped VM that keeps them counts, a deallocated one
 * does not, and a failed creation never did. OS disk and guest state count while they exist.
 */
export function metersOfVm(row: MeteredRow): Meter[] {
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
  // A vTPM that is not stored has no guest state (S17).
  if (model['vTpm'] === true && model['encryption'] !== 'NonPersistedTPM')
    meters.push({ ...ofDisk, meter: 'vmgs', sku: 'VMGS', quantity: 1 })
  return meters
}

/** A VM's OS disk is metered with the VM: a disk that was never created has a row too. */
export function metersOfDisk(row: MeteredRow): Meter[] {
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
