import type { Store } from '@strongroom/platform'
import { sql } from 'kysely'

/** Has SQLite overwrite the pages of what is deleted. On Postgres this is up to vacuum and the server's log. */
export async function eraseOnRemoval(store: Store): Promise<void> {
  if (store.engine === 'sqlite') await sql`pragma secure_delete = on`.execute(store.db)
}

/** Drives removed rows out of SQLite's write-ahead log, which still holds them. */
export async function forgetRemoved(store: Store): Promise<void> {
  if (store.engine === 'sqlite') await sql`pragma wal_checkpoint(truncate)`.execute(store.db)
}
