import type { Caller } from '@strongroom/platform'

/**
 * Whether a right that was given to `objectId` is the caller's: by its own id, or by a group that its token names. The
 * key service asks nobody when it decides, so who leaves a group keeps what the group has until the token ends.
 */
export function isHeldBy(objectId: string, caller: Caller): boolean {
  if (objectId === caller.objectId.toLowerCase()) return true
  const { groups } = caller.claims
  return Array.isArray(groups) && groups.includes(objectId)
}
