import { ServiceError, toErrorDetail, type Operation } from '@strongroom/platform'
import type { ErrorDetail } from '@strongroom/contract'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { operationError } from '../arm/operations.ts'
import { keyOf, parseResourceId } from '../arm/ids/resource-id.ts'
import type { Plane } from './plane.ts'
import type { Db, Resource } from '../store/resources.ts'
import { requireAlong, type Along } from './along.ts'
import { changedMeanwhile } from './conflicts.ts'

export interface Removed {
  /** Undefined if there was no such resource. */
  found?: Resource<unknown>
  /** Present if the resource is deleted by an operation; otherwise it is gone. */
  operation?: Operation
}

/**
 * Deletes a resource as its type defines; every deletion uses this. One deleted meanwhile by another request counts as
 * deleted; one moved meanwhile is left in its new place.
 * @param o.expected throws if the resource is not the one the caller means
 * @param o.within scope whose deletion is asked for, if it is not the resource's own
 * @throws ServiceError if something still uses it, or a lock or a missing right keeps what is deleted with it; Conflict if
 * it was moved or changed meanwhile
 */
export async function removeResource(
  plane: Plane,
  asker: OnBehalfOf,
  id: string,
  o: { expected?: (found: Resource<unknown> | undefined) => void; within?: string } = {},
): Promise<Removed> {
  const before = await plane.resources.find<unknown>(id)
  if (before !== undefined) {
    o.expected?.(before)
    await requireAlong(plane, { asker, path: before.id, within: o.within }, await alongWith(plane, before))
  }
  try {
    const expected = (found: Resource<unknown> | undefined): void => {
      if (found === undefined && before !== undefined) throw changedMeanwhile(before.id)
      o.expected?.(found)
    }
    return await removeFound(plane, asker, id, { expected, within: o.within })
  } catch (error) {
    const lost = before !== undefined && error instanceof ServiceError && error.code === 'Conflict'
    if (!lost || (await plane.resources.isAnywhere(before))) throw error
    return {}
  }
}

async function removeFound(
  plane: Plane,
  asker: OnBehalfOf,
  id: string,
  { expected, within }: { expected: (found: Resource<unknown> | undefined) => void; within: string | undefined },
): Promise<Removed> {
  const type = plane.types.of(parseResourceId(id)?.type ?? '')
  const locked = async (tx: Db): Promise<Resource<unknown> | undefined> => {
    await plane.resources.lockGroup(tx, id, { evenDeleting: true })
    // A referring resource locks it first, from any group: it is then either in use, or gone.
    const found = await plane.resources.lock<unknown>(tx, id)
    expected(found)
    if (found !== undefined) await type?.assertUnused?.(plane, tx, found)
    return found
  }
  const forgetsApart = type?.forget !== undefined && type.forgetsHeld !== true
  if (type?.remove !== undefined || forgetsApart) {
    const found = await plane.resources.transaction(async (tx) => {
      const current = await locked(tx)
      if (current !== undefined) await assertEmptied(plane, tx, current)
      return current
    })
    if (found === undefined) return {}
    const operation = await type?.remove?.(plane, asker, found, within)
    if (operation !== undefined) return { found, operation }
    // No transaction waits for another service. If it does not answer, the row stays and the deletion can be repeated.
    if (forgetsApart) await type?.forget?.(plane, asker, found)
  }
  return await plane.resources.transaction(async (tx) => {
    const found = await locked(tx)
    if (found === undefined) return {}
    const inside = await assertEmptied(plane, tx, found)
    await type?.released?.(plane, tx, found)
    if (type?.forgetsHeld === true) await type.forget?.(plane, asker, found)
    for (const each of [...inside, found]) await plane.resources.remove(tx, each.id)
    return { found }
  })
}

/** What the deletion of a resource deletes or changes beside it. */
const alongWith = async (plane: Plane, resource: Resource<unknown>): Promise<Along[]> =>
  (await plane.types.of(resource.type)?.along?.(plane, resource)) ?? []

/** What is deleted with a resource. @throws ServiceError if that must be deleted first */
async function assertEmptied(plane: Plane, tx: Db, resource: Resource<unknown>): Promise<Resource[]> {
  const inside = await rowsWithin(plane, tx, resource)
  if (plane.types.of(resource.type)?.emptiedFirst === true && inside.length > 0) throw notEmpty(resource, inside)
  return inside
}

/** Resources with ids below this one's. */
async function rowsWithin(plane: Plane, tx: Db, resource: Resource<unknown>): Promise<Resource[]> {
  if (!plane.types.hasRowsWithin(resource.type)) return []
  const all = await plane.resources.list({ groupId: resource.id }, tx)
  return all.filter(({ key }) => key.startsWith(`${resource.key}/`))
}

const notEmpty = (resource: Resource<unknown>, inside: Resource[]): ServiceError =>
  new ServiceError({
    code: 'CannotDeleteResource',
    message: 'Can not delete resource before nested resources are deleted.',
    target: resource.id,
    expected: 'nothing in it',
    found: inside
      .map(({ id }) => id)
      .join(', ')
      .slice(0, 400),
    remedy: 'Delete what is in it first.',
  })

/**
 * Before a group is deleted: what is deleted or changed in other groups with its resources. What is in it, its own deletion covers.
 * @throws ServiceError LinkedAuthorizationFailed, ScopeLocked
 */
export async function requireAlongGroup(plane: Plane, asker: OnBehalfOf, groupId: string): Promise<void> {
  for (const each of await plane.resources.list<unknown>({ groupId })) {
    const along = await alongWith(plane, each)
    await requireAlong(plane, { asker, path: groupId, within: groupId }, along)
  }
}

/**
 * Deletes all resources of a group, in a possible order; those of one type concurrently.
 * @returns what could not be deleted because something in another group uses it
 * @throws ServiceError with the error of a failed operation
 */
export async function removeAllIn(plane: Plane, asker: OnBehalfOf, groupId: string): Promise<ErrorDetail[]> {
  const all = await plane.resources.list({ groupId })
  const resources = plane.types.inDeletionOrder(all.filter(({ key }) => key !== keyOf(groupId)))
  const blocked: ErrorDetail[] = []
  const types = [...new Set(resources.map(({ type }) => type))]
  for (const type of types) {
    const operations: Operation[] = []
    for (const { id } of resources.filter((each) => each.type === type)) {
      try {
        const { operation } = await removeResource(plane, asker, id, { within: groupId })
        if (operation !== undefined) operations.push(operation)
      } catch (error) {
        if (!(error instanceof ServiceError) || error.status >= 500) throw error
        blocked.push({ ...toErrorDetail(error), target: id })
      }
    }
    for (const { id } of operations) await succeeded(plane, id)
  }
  return blocked
}

async function succeeded(plane: Plane, operationId: string): Promise<void> {
  const ended = await plane.runner.wait(operationId)
  if (ended.status !== 'Succeeded') throw operationError(ended)
}
