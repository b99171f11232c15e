import { keyOf, parseResourceId } from '../arm/ids/resource-id.ts'
import type { Plane } from '../types/plane.ts'
import type { Db, Resource } from '../store/resources.ts'
import { movedId, withMovedIds } from './move-rules.ts'

/**
 * Gives resources their ids in another group, within one transaction that locks both groups: their rows and nested
 * rows, references to them, their addresses and locks. Roles assigned at them end, as on Azure: the new group decides
 * who may use a resource.
 * @param moves the old ids' keys, and the new ids
 * @returns the moved resources
 */
export async function moveRows(plane: Plane, tx: Db, moves: ReadonlyMap<string, string>): Promise<Resource[]> {
  const moved: Resource[] = []
  for (const row of await plane.resources.list({}, tx)) {
    // A deployment's record is history: it names the old location.
    if (row.type.startsWith('microsoft.resources/')) continue
    const after = withMovedIds({ id: row.id, body: row.body, internal: row.internal }, moves) as Pick<
      Resource,
      'id' | 'body' | 'internal'
    >
    if (after.id === row.id) {
      const [before, now] = [JSON.stringify([row.body, row.internal]), JSON.stringify([after.body, after.internal])]
      if (before === now) continue
      await plane.resources.change(tx, row.id, (resource) => Object.assign(resource, after))
      continue
    }
    const whole = await plane.resources.rename(tx, row, {
      ...row,
      ...after,
      key: keyOf(after.id),
      resourceGroup: (parseResourceId(after.id)?.resourceGroup ?? '').toLowerCase(),
    })
    if (moves.has(row.key)) moved.push(whole)
  }
  await moveAddresses(tx, moves)
  await moveLocks(tx, moves)
  return moved
}

/** Private addresses belong to the subnet and are held by interfaces, both identified by key. */
async function moveAddresses(tx: Db, moves: ReadonlyMap<string, string>): Promise<void> {
  for (const row of await tx.selectFrom('address').selectAll().execute()) {
    const [pool, owner] = [movedId(row.pool, moves), movedId(row.owner, moves)]
    if (pool === row.pool && owner === row.owner) continue
    await tx
      .updateTable('address')
      .set({ pool, owner })
      .where('pool', '=', row.pool)
      .where('address', '=', row.address)
      .execute()
  }
}

/** A lock on the resource itself moves with it: a move cannot remove it. */
async function moveLocks(tx: Db, moves: ReadonlyMap<string, string>): Promise<void> {
  for (const row of await tx.selectFrom('management_lock').selectAll().execute()) {
    const scope = movedId(row.scope, moves)
    if (scope === row.scope) continue
    await tx
      .updateTable('management_lock')
      .set({ scope, display_scope: movedId(row.display_scope, moves) })
      .where('scope', '=', row.scope)
      .where('name', '=', row.name)
      .execute()
  }
}
