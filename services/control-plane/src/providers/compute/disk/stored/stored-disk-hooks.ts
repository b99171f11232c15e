import type { ResourceType } from '../../../../types/resource-type.ts'
import type { StoredDiskInternal } from './stored-disk.ts'
import { destroyStored } from './sagas.ts'
import { removeStored } from './write-stored.ts'

/** How resources go that the host keeps a disk behind: by an operation, which also destroys the key of their guest state. */
export const storedHooks: Pick<ResourceType<StoredDiskInternal>, 'remove' | 'forget'> = {
  remove: removeStored,
  forget: async (plane, asker, { internal: { kept } }) => {
    if (kept !== undefined) await destroyStored(plane, asker, kept.id)
  },
}
