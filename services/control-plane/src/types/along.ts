import { ServiceError } from '@strongroom/platform'
import { covers } from '../arm/access.ts'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import type { Plane } from './plane.ts'

/** A resource that a request deletes or changes, though its path names another. */
export interface Along {
  /** ARM id. */
  id: string
  does: 'delete' | 'change'
  /** Right that it takes there. Without one, the right to the request's own resource covers it; no lock is covered. */
  action?: string
}

/** On whose behalf, and what for. */
export interface AlongRequest {
  asker: OnBehalfOf
  /** ARM id of the resource that is deleted or written. */
  path: string
  /** Scope whose deletion is asked for: the right to that covers what lies in it. */
  within?: string | undefined
}

/**
 * Before anything is changed: the caller may do to each what the request does to it, and no lock forbids it.
 * @throws ServiceError LinkedAuthorizationFailed, ScopeLocked
 */
export async function requireAlong(
  plane: Pick<Plane, 'access' | 'locks'>,
  { asker, path, within }: AlongRequest,
  along: readonly Along[],
): Promise<void> {
  const covered = (id: string): boolean => within !== undefined && covers(keyOf(within), keyOf(id))
  for (const { id, action, does } of along) {
    if (action === undefined || covered(id)) continue
    // An operation that names nobody has nobody's rights.
    await plane.access.requireLinked(asker ?? { objectId: '', appId: '' }, path, [{ id, action }], does)
  }
  if (along.length === 0) return
  const locks = await plane.locks.list()
  for (const { id, does } of along)
    await plane.locks.require({ method: does === 'delete' ? 'DELETE' : 'PUT', action: does, path: id }, locks)
}

/** Why each of them has to stay, by its id in lower case: rights and locks can change after a request was accepted. */
export async function refusedAlong(
  plane: Pick<Plane, 'access' | 'locks'>,
  request: AlongRequest,
  along: readonly Along[],
): Promise<Map<string, ServiceError>> {
  const refused = new Map<string, ServiceError>()
  for (const each of along)
    try {
      await requireAlong(plane, request, [each])
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status >= 500) throw error
      refused.set(keyOf(each.id), error)
    }
  return refused
}
