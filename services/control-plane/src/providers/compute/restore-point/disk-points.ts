import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../plane.ts'
import type { Json, ResourceBody } from '../../../store/resources.ts'
import { meterOf } from '../../../types/meter.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { gibOf } from '../disk/disk-meters.ts'
import { accessActions } from '../disk/stored/disk-access.ts'
import { diskBody } from '../disk/stored/disk-body.ts'
import { storedHooks } from '../disk/stored/sagas.ts'
import { diskRestorePointType, type StoredDisk, type StoredDiskInternal } from '../disk/stored/stored-disk.ts'

/** One disk of a VM at a past time: created and deleted with its restore point, read and restored separately. */
export const diskRestorePoints: ResourceType<StoredDiskInternal> = {
  ...storedHooks,
  spelling: diskRestorePointType,
  actions: accessActions,
  view: (_plane, point) => resourceView({ ...point, location: '' }, diskRestorePointType),
  meters: (row) => [meterOf(row, 'snapshot', gibOf(row))],
}

/** @param source the original disk */
export function diskPointBody(
  plane: Plane,
  kept: StoredDisk,
  source: { id: string; uniqueId: unknown; location: string },
): ResourceBody {
  // What a disk restore point shows beyond a disk; its restore point shows how it was created.
  const more: Json = {
    sourceResourceId: source.id,
    sourceUniqueId: source.uniqueId,
    sourceResourceLocation: source.location,
    familyId: source.uniqueId,
    completionPercent: 100,
  }
  const body = diskBody(plane, { kept, sku: 'Standard_LRS', tags: undefined, creationData: {}, more })
  const { creationData: _, ...properties } = body.properties
  return { ...body, properties }
}
