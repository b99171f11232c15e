import type { InsertQueryBuilder, InsertResult, Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** Inserts a row. @returns false if its key exists; that row stays unchanged */
export async function insertIfAbsent<Table extends keyof Tables>(
  query: InsertQueryBuilder<Tables, Table, InsertResult>,
): Promise<boolean> {
  const written = await query.onConflict((conflict) => conflict.doNothing()).executeTakeFirst()
  return Number(written.numInsertedOrUpdatedRows ?? 0) === 1
}

/** What the installation keeps under a name. */
export async function readSetting(db: Kysely<Tables>, name: string): Promise<string | undefined> {
  const row = await db.selectFrom('setting').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value
}

export async function writeSetting(db: Kysely<Tables>, name: string, value: string): Promise<void> {
  const query = db.insertInto('setting').values({ name, value })
  await query.onConflict((conflict) => conflict.column('name').doUpdateSet({ value })).execute()
}
