import type { Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { LogEntry } from '../log/entry.ts'
import type { LogTables } from '../log/tables.ts'

/** Entries of a vault's operation log, in order. */
export async function loggedIn(store: Store, vault = 'platform'): Promise<(LogEntry & { at: string })[]> {
  const rows = await (store.db as Kysely<LogTables>)
    .selectFrom('log_entry')
    .select('entry')
    .where('vault', '=', vault)
    .orderBy('position')
    .execute()
  return rows.map((row) => JSON.parse(row.entry) as LogEntry & { at: string })
}
