import { sql } from 'kysely'
import type { Database, Store } from './store-types.ts'

const expressions = {
  sqlite: sql<string>`strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`,
  postgres: sql<string>`to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
}

/**
 * The database's own time, for agreement between processes, whose clocks may differ.
 * @param db the store's, or the transaction in which the time applies
 */
export async function databaseTime(store: Pick<Store, 'engine'>, db: Database): Promise<Date> {
  const { now } = (await db.selectNoFrom(expressions[store.engine].as('now')).executeTakeFirstOrThrow()) as {
    now: string
  }
  return new Date(now)
}
