import { setTimeout as sleep } from 'node:timers/promises'
import type { AttachedDisk } from '@strongroom/contract'
import { notAllowed } from '../../../arm/refusals.ts'
import { fromDetail } from '../../../host/host-error.ts'
import type { Plane } from '../../../types/plane.ts'
import { hasContent, type StoredDiskInternal, type StoredDiskResource } from './stored/stored-disk.ts'
import { specOf } from './stored/sagas.ts'
import type { DataDisk, VmInternal } from '../vm/model/vm-model.ts'

/** A VM as operations name it. */
interface VmName {
  id: string
  vmId: string
}

/**
 * Makes the host attach exactly the data disks of a VM's model; empty ones and copies are created first. Idempotent.
 * Without such a VM at the host there is nothing to do: its creation comes here before it boots.
 * @throws ServiceError with the host's reason
 */
export async function placeDataDisks(plane: Plane, c: { params: VmName; signal: AbortSignal }): Promise<void> {
  const { id, vmId } = c.params
  const vm = await plane.resources.find<VmInternal>(id)
  if (vm === undefined || vm.internal.vmId !== vmId) return
  const wanted = vm.internal.model.dataDisks ?? []
  const had = wanted.length > 0 || vm.internal.hadDataDisks === true
  if (!had || (await plane.host.find(vmId)) === undefined) return
  const disks: AttachedDisk[] = []
  for (const disk of wanted) disks.push(await madeDisk(plane, disk, c.signal))
  await plane.host.setDataDisks(vmId, disks)
}

async function madeDisk(plane: Plane, disk: DataDisk, signal: AbortSignal): Promise<AttachedDisk> {
  const resource = await plane.resources.get<StoredDiskInternal>(disk.id ?? '')
  const { kept } = resource.internal
  if (kept === undefined) throw new TypeError(`the disk ${resource.id} was attached without a disk of the host's`)
  if (!hasContent(kept) || resource.body.properties['provisioningState'] === 'Creating')
    await make(plane, resource, signal)
  return {
    lun: disk.lun,
    disk: kept.id,
    sizeGiB: Number(resource.body.properties['diskSizeGB']),
    shown: {
      id: resource.id,
      name: resource.name,
      caching: disk.caching,
      storageAccountType: String(resource.body['sku'] ? (resource.body['sku'] as { name: string }).name : ''),
    },
  }
}

/** From then on a disk that the host has lost is an error, and is never recreated. */
async function make(plane: Plane, resource: StoredDiskResource, signal: AbortSignal): Promise<void> {
  const { kept } = resource.internal
  if (kept === undefined) return
  await plane.host.keepDisk(specOf(resource, kept))
  for (;;) {
    signal.throwIfAborted()
    const status = await plane.host.findDisk(kept.id)
    if (status === undefined) throw fromDetail({ code: 'DiskLost', message: 'The host has lost the disk.' })
    if (status.state === 'Failed')
      throw fromDetail(status.error ?? { code: 'DiskNotMade', message: 'The host could not create the disk.' })
    if (status.state === 'Succeeded') break
    await sleep(plane.pollMs, undefined, { signal })
  }
  await plane.resources.update<StoredDiskInternal>(resource.id, ({ internal, body }) => {
    if (internal.kept?.id !== kept.id) return
    internal.kept.made = true
    body.properties['provisioningState'] = 'Succeeded'
  })
}

/** The host's copy of a disk. Idempotent. */
export async function destroyDisk(plane: Plane, diskId: string): Promise<void> {
  const kept = (await plane.resources.find<StoredDiskInternal>(diskId))?.internal.kept
  if (kept !== undefined) await plane.host.removeDisk(kept.id)
}

/** A disk being written from outside, or incomplete, cannot be attached. @throws ServiceError OperationNotAllowed */
export function requireWhole(disk: StoredDiskResource): void {
  const { provisioningState, diskState } = disk.body.properties
  const given = ['ReadyToUpload', 'ActiveUpload', 'ActiveSAS'].includes(String(diskState))
  if (provisioningState === 'Succeeded' && !given) return
  throw notAllowed(
    given
      ? `Disk '${disk.name}' cannot be attached while access to it is granted or its upload has not ended.`
      : `Disk '${disk.name}' is not ready yet.`,
    {
      target: 'properties.storageProfile.dataDisks',
      expected: 'provisioningState Succeeded, diskState Unattached',
      found: `${String(provisioningState)}, ${String(diskState)}`,
      remedy: given ? 'Revoke access: az disk revoke-access.' : 'Wait until the disk is ready.',
    },
  )
}
