import type { Caller } from '@strongroom/platform'

/**
 * Whether a right granted to `objectId` is the caller's: by its own id, or by a group in its token. The key service
 * does not look groups up, so someone who leaves a group keeps its rights until the token expires.
 */
export function isHeldBy(objectId: string, caller: Caller): boolean {
  if (objectId === caller.objectId.toLowerCase()) return true
  const { groups } = caller.claims
  return Array.isArray(groups) && groups.includes(objectId)
}
