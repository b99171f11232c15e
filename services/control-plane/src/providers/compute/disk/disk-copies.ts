import { invalid } from '../../../arm/refusals.ts'
import { refuse, type Problem } from '../../../arm/fields.ts'
import type { ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../types/plane.ts'
import { diskType, type DataDisk } from '../vm/model/vm-model.ts'
import { resolveSource } from './stored/source.ts'
import { snapshotType, type StoredDisk } from './stored/stored-disk.ts'
import { storedOf } from './stored/write-stored.ts'

/** Disks that the host is to copy for new data disks, by LUN. */
export type DiskCopies = ReadonlyMap<number, StoredDisk>

/**
 * Sources of a VM's new data disks. The caller needs the same right at each source as for a separate copy.
 * @throws ServiceError LinkedAuthorizationFailed, InvalidParameter, OperationNotAllowed
 */
export async function resolveCopies(
  plane: Plane,
  request: ArmRequest,
  { dataDisks, location }: { dataDisks: DataDisk[]; location: string },
): Promise<DiskCopies> {
  const copies = new Map<number, StoredDisk>()
  const problems: Problem[] = []
  for (const { id, lun, createOption, source, sizeGiB } of dataDisks) {
    if (id !== undefined || source === undefined || createOption !== 'Copy') continue
    const types = [diskType, snapshotType]
    const found = await resolveSource(plane, request, { id: source, target, location, types })
    const kept = storedOf(plane, found)
    if (kept.osType !== undefined)
      problems.push(
        invalid(target, 'A data disk cannot be created from an OS disk.', {
          expected: 'a data disk, or a copy of one',
          found: found.id,
          remedy: 'Create a disk from it: az disk create --source.',
        }),
      )
    if (sizeGiB !== undefined && sizeGiB !== kept.sizeGiB)
      problems.push(
        invalid(sizeTarget, 'A disk that is made of another is as large as that one.', {
          expected: String(kept.sizeGiB),
          found: String(sizeGiB),
          remedy: 'Leave diskSizeGB out, or give that size.',
        }),
      )
    copies.set(lun, kept)
  }
  if (problems.length > 0) throw refuse(problems)
  return copies
}

const target = 'properties.storageProfile.dataDisks.sourceResource.id'
const sizeTarget = 'properties.storageProfile.dataDisks.diskSizeGB'
