import type { ResourceType } from '../../../../types/resource-type.ts'
import type { KeptInternal } from './kept.ts'
import { destroyKept } from './sagas.ts'
import { removeKept } from './write-kept.ts'

/** How resources go that the machine keeps a disk behind: by an operation, which also destroys the key of their guest state. */
export const keptHooks: Pick<ResourceType<KeptInternal>, 'remove' | 'forget'> = {
  remove: removeKept,
  forget: async (plane, asker, { internal: { kept } }) => {
    if (kept !== undefined) await destroyKept(plane, asker, kept.id)
  },
}
