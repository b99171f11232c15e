import { setTimeout as sleep } from 'node:timers/promises'
import type { TestPlane } from './test-plane.ts'

const location = 'westeurope'

/** The same resource manager, with the group `name` in every request instead of the helpers' default. */
export function inGroup(plane: TestPlane, name: string): TestPlane {
  const moved = (text: string): string => text.replaceAll('/resourceGroups/rg1', `/resourceGroups/${name}`)
  const send: TestPlane['send'] = async (method, path, body, o) =>
    await plane.send(method, moved(path), body === undefined ? undefined : JSON.parse(moved(JSON.stringify(body))), o)
  return {
    ...plane,
    send,
    run: async (method, path, body) => {
      const reply = await send(method, path, body)
      return { reply, operation: await plane.follow(reply) }
    },
  }
}

/** The state of `name`'s group, without what differs between runs: ids, times, addresses. `name` occurs nowhere else. */
export async function stateOfGroup(plane: TestPlane, name: string): Promise<string[]> {
  const { db } = plane.store
  const inside = (text: unknown): boolean => String(text).toLowerCase().includes(`/resourcegroups/${name}`)
  const tables = ['resource', 'quota_reservation', 'address', 'role_assignment', 'management_lock'] as const
  const lines: string[] = []
  for (const table of tables) {
    const rows = (await db.selectFrom(table).selectAll().execute()) as Record<string, unknown>[]
    const relevant = rows.filter((row) => inside(row['key'] ?? row['owner'] ?? row['scope']))
    lines.push(...relevant.map((row) => `${table} ${JSON.stringify(plain(row))}`))
  }
  const instances = (await db.selectFrom('simulated_instance').selectAll().execute()) as { status: string }[]
  lines.push(...instances.filter(({ status }) => inside(status)).map(({ status }) => `instance ${status}`))
  const disks = (await db.selectFrom('simulated_disk').selectAll().execute()) as { id: string; status: string }[]
  const held = lines.join('\n')
  lines.push(...disks.filter(({ id }) => held.includes(id)).map(({ status }) => `disk ${status}`))
  const { wire } = plane
  for (const [kind, map] of Object.entries({
    identity: wire.identities,
    attestation: wire.providers,
    vault: wire.vaults.live,
    deleted: wire.vaults.deleted,
  }))
    for (const [key, value] of map)
      if (inside(JSON.stringify([key, value]))) lines.push(`${kind} ${JSON.stringify(value)}`)
  return lines.map((line) => normal(line, name)).toSorted()
}

const plain = (row: Record<string, unknown>): unknown =>
  canonical(
    Object.fromEntries(
      Object.entries(row)
        .filter(([column]) => !column.endsWith('_at') && column !== 'etag')
        .map(([column, value]) => [
          column,
          column === 'body' || column === 'internal' ? JSON.parse(String(value)) : value,
        ]),
    ),
  )

/** Members sorted; a deployment's resource outcomes sorted by id, because they finish in any order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(canonical)
    const idOf = (item: unknown): string | undefined => (item as { id?: string } | null)?.id
    if (!items.every((item) => idOf(item) !== undefined)) return items
    return items.toSorted((a, b) => (idOf(a)! < idOf(b)! ? -1 : 1))
  }
  if (typeof value !== 'object' || value === null) return value
  const pairs = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(pairs.map(([name, member]) => [name, canonical(member)]))
}

const normal = (line: string, name: string): string =>
  line
    .replaceAll(new RegExp(`${name}\\b`, 'gi'), 'GROUP')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, 'GUID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/(templateHash[\\"]+:[\\"]+)[0-9a-f]+/g, '$1HASH')
    // Created by this process, or found from an earlier one.
    .replaceAll('"statusCode":201', '"statusCode":200')
    // A restart that may have happened is repeated.
    .replaceAll(/"boots":\d+/g, '"boots":N')
    .replaceAll(/PT[\d.]+S/g, 'DURATION')
    .replaceAll(/\b\d+\.\d+\.\d+\.\d+\b/g, 'ADDRESS')
    .replaceAll(/([0-9a-f]{2}[:-]){5}[0-9a-f]{2}/gi, 'MAC')
    .replaceAll(/_[0-9a-f]{32}/gi, '_HEX')
    // Instances of scale sets.
    .replaceAll(/\b(web_|webNic-|instancepublicip-)[0-9a-f]{8}/gi, '$1SUFFIX')
    .replaceAll(/"web[0-9A-Z]{6}\b/g, '"webHOST')

/** Until no operation is in progress. */
export async function settled(plane: TestPlane): Promise<void> {
  for (;;) {
    const rows = await plane.store.db
      .selectFrom('strongroom_operation')
      .select('id')
      .where('ended_at', 'is', null)
      .execute()
    if (rows.length === 0) return
    await sleep(5)
  }
}

/** More than an installation's initial quotas. */
export async function raiseQuotas(plane: TestPlane): Promise<void> {
  for (const name of ['cores', 'standardDCASv5Family'])
    await plane.store.db
      .insertInto('quota_limit')
      .values({ region: location, name, limit_value: 1_000_000 })
      .onConflict((conflict) => conflict.columns(['region', 'name']).doUpdateSet({ limit_value: 1_000_000 }))
      .execute()
}

/** Reserved and counted cores agree, whatever died in between. */
export async function coresAgree(plane: TestPlane): Promise<[counted: number, reserved: number]> {
  const sum = (rows: Record<string, unknown>[], column: string): number =>
    rows.reduce((total, row) => total + Number(row[column]), 0)
  const counters = await plane.store.db.selectFrom('quota_counter').selectAll().where('name', '=', 'cores').execute()
  return [
    sum(counters, 'used'),
    sum(await plane.store.db.selectFrom('quota_reservation').selectAll().execute(), 'cores'),
  ]
}
