import { keyOf } from '../arm/ids/resource-id.ts'
import type { Plane } from '../types/plane.ts'
import type { Tables } from '../store/tables.ts'

/** Tables that are empty in a new resource manager. Roles, prices and the meter's clock stay. */
const emptied: (keyof Tables)[] = [
  'resource',
  'quota_limit',
  'quota_counter',
  'quota_reservation',
  'quota_request',
  'address',
  'management_lock',
  'subscription_tag',
  'usage_interval',
  'operation_note',
  'activity',
]

/**
 * Resets the subscription to empty: first other services' parts of its resources, including what deletion leaves there
 * (soft-deleted vaults and HSMs are purged if allowed), then every row. Running work is cancelled first. Roles at the
 * subscription stay; those below it are removed.
 * @returns how many resources there were
 */
export async function resetPlane(plane: Plane): Promise<number> {
  for (const runner of [plane.outer, plane.runner]) {
    const unfinished = await runner.listUnfinished()
    for (const { id } of unfinished) await runner.cancel(id)
    for (const { id } of unfinished) await runner.wait(id)
  }
  const resources = await plane.resources.list({})
  for (const resource of plane.types.inDeletionOrder(resources))
    await plane.types.of(resource.type)?.forget?.(plane, undefined, resource)
  for (const type of plane.types.all) await type.purge?.(plane)
  await plane.resources.transaction(async (tx) => {
    for (const table of emptied) await tx.deleteFrom(table).execute()
    await tx
      .deleteFrom('role_assignment')
      .where('scope', '!=', keyOf(`/subscriptions/${plane.subscriptionId}`))
      .where('scope', '!=', '/')
      .execute()
  })
  return resources.length
}
