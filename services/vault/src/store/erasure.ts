import type { Store } from '@strongroom/platform'
import { sql } from 'kysely'

/** Makes SQLite overwrite deleted pages. On Postgres this is up to vacuum and the server's log. */
export async function eraseOnRemoval(store: Store): Promise<void> {
  if (store.engine === 'sqlite') await sql`pragma secure_delete = on`.execute(store.db)
}

/** Removes deleted rows from SQLite's write-ahead log, which still contains them. */
export async function forgetRemoved(store: Store): Promise<void> {
  if (store.engine === 'sqlite') await sql`pragma wal_checkpoint(truncate)`.execute(store.db)
}
