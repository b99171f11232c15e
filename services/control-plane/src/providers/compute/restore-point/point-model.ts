import type { Plane } from '../../../plane.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import { diskRestorePointType, type StoredDiskInternal, type StoredDiskResource } from '../disk/stored/stored-disk.ts'

export const collectionType = 'Microsoft.Compute/restorePointCollections'
export const pointType: string = `${collectionType}/restorePoints`

/** The VM whose restore points a collection holds. */
export interface CollectionInternal {
  /** ARM id. */
  vmResourceId: string
  /** Its id at the host: a VM created later under its name is another. */
  vmId: string
}

export type Collection = Resource<CollectionInternal>

export interface PointInternal extends CollectionInternal {
  /** ARM ids of the VM's disks that it excludes. */
  excluded: string[]
}

export type RestorePoint = Resource<PointInternal>

/** How restore points are nested: the disks' below a point's or a collection's id. */
export async function disksWithin(plane: Plane, above: Resource<unknown>, db?: Db): Promise<StoredDiskResource[]> {
  const all = await plane.resources.list<StoredDiskInternal>({ type: diskRestorePointType, groupId: above.id }, db)
  return all.filter(({ key }) => key.startsWith(`${above.key}/`))
}

/** The restore points of a collection, by name. */
export async function pointsOf(plane: Plane, collection: Resource<unknown>, db?: Db): Promise<RestorePoint[]> {
  const all = await plane.resources.list<PointInternal>({ type: pointType, groupId: collection.id }, db)
  return all.filter(({ key }) => key.startsWith(`${collection.key}/`))
}
