import {
  appended,
  emptyFrontier,
  leafHash,
  rootOf,
  sameBytes,
  tileHeight,
  TransparencyError,
} from '@strongroom/transparency'
import type { Kysely } from 'kysely'
import { assertReached, openHead, type Reached } from './head.ts'
import type { LogKey } from './log-key.ts'
import type { LogTables } from './tables.ts'

export interface LogVerdict {
  /** Number of valid entries. */
  entries: number
  /** Size and root of the valid log. */
  reached?: Reached
  broken?: {
    vault: string
    /** First altered or missing entry, from 0; absent if only the whole does not match its signature. */
    index?: number
    reason: string
  }
}

const pageSize = 512

/**
 * Recomputes the tree of a vault's log from its entries and compares everything stored with it.
 * @param reached its earlier size and root
 */
export async function verifyTree(
  db: Kysely<LogTables>,
  key: LogKey,
  vault: string,
  reached?: Reached,
): Promise<LogVerdict> {
  // The last entry is read before the head: writes in between move both, the head further.
  const last = await db
    .selectFrom('log_entry')
    .select('position')
    .where('vault', '=', vault)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  const head = await db.selectFrom('log_head').selectAll().where('vault', '=', vault).executeTakeFirst()
  const broken = (entries: number, reason: string, index?: number): LogVerdict => ({
    entries,
    broken: { vault, reason, ...(index !== undefined && { index }) },
  })
  if (!head) return broken(0, 'the head of the log is missing', 0)
  if (last && last.position >= head.size) return broken(0, 'there are entries that no signature covers', head.size)
  let frontier = emptyFrontier
  while (frontier.size < head.size) {
    const rows = await db
      .selectFrom('log_entry')
      .selectAll()
      .where('vault', '=', vault)
      .where('position', '>=', frontier.size)
      .where('position', '<', head.size)
      .orderBy('position')
      .limit(pageSize)
      .execute()
    if (rows.length === 0) return broken(frontier.size, 'an entry is missing', frontier.size)
    const nodes = new Map<string, string>()
    const first = frontier.size
    for (const row of rows) {
      const leaf = leafHash(Buffer.from(row.entry, 'utf8'))
      if (row.position !== frontier.size) return broken(frontier.size, 'an entry is missing', frontier.size)
      if (row.leaf_hash !== hex(leaf)) return broken(frontier.size, 'an entry was edited', frontier.size)
      frontier = appended(frontier, leaf, (level, position, hash) => {
        if (level > 0 && level % tileHeight === 0) nodes.set(`${level / tileHeight}/${position}`, hex(hash))
      })
    }
    if (!(await sameNodes(db, vault, nodes))) return broken(first, 'a hash of the tree was edited', first)
  }
  try {
    assertReached(head, reached)
    const signed = await openHead(key, head)
    if (sameBytes(rootOf(signed), rootOf(frontier)))
      return { entries: frontier.size, reached: { size: head.size, checkpoint: head.checkpoint } }
    return broken(0, 'the entries are not the signed ones')
  } catch (error) {
    if (error instanceof TransparencyError) return broken(0, error.message)
    throw error
  }
}

async function sameNodes(db: Kysely<LogTables>, vault: string, nodes: Map<string, string>): Promise<boolean> {
  for (const [place, hash] of nodes) {
    const [level, position] = place.split('/').map(Number) as [number, number]
    const row = await db
      .selectFrom('log_node')
      .select('hash')
      .where('vault', '=', vault)
      .where('level', '=', level)
      .where('position', '=', position)
      .executeTakeFirst()
    if (row?.hash !== hash) return false
  }
  return true
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
