import type { ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../plane.ts'
import { resolveSource } from '../disk/stored/source.ts'
import type { StoredDisk } from '../disk/stored/stored-disk.ts'
import { storedOf } from '../disk/stored/write-stored.ts'
import { diskType, type Vm } from '../vm/vm-model.ts'
import type { TakenDisk } from './point-request.ts'

/** A disk to be copied, and what the host will store of it. */
export interface PointSource extends TakenDisk {
  kept: StoredDisk
  /** `uniqueId` of the disk. */
  uniqueId: unknown
}

/**
 * Requirements for every disk, as for a separate copy: the right to its content, and the VM at rest.
 * @throws ServiceError LinkedAuthorizationFailed; OperationNotAllowed while the VM is on
 */
export async function takeSources(
  plane: Plane,
  request: ArmRequest,
  vm: Vm,
  taken: TakenDisk[],
): Promise<PointSource[]> {
  const sources: PointSource[] = []
  for (const disk of taken) {
    const target = 'properties.sourceMetadata.storageProfile'
    const source = await resolveSource(plane, request, { id: disk.id, target, location: vm.location, types: [diskType] }) // prettier-ignore
    const uniqueId = (await plane.resources.get(disk.id)).body.properties['uniqueId']
    sources.push({ ...disk, kept: storedOf(plane, source), uniqueId })
  }
  return sources
}
