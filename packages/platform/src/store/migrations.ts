import { sql } from 'kysely'
import { ServiceError } from '../errors.ts'
import type { Database, Store } from './store.ts'

export interface Migration {
  up(db: Database): Promise<void>
}

interface Applied {
  list: string
  name: string
  applied_at: string
}

/**
 * Applies the migrations of `list` that the database lacks, in the order of their names, in one transaction: a crash
 * leaves all of them or none. On Postgres an advisory lock keeps processes that start at once from doing it twice.
 * @throws ServiceError DatabaseTooNew where the database has a migration that this program does not know
 */
export async function runMigrations(store: Store, list: string, migrations: Record<string, Migration>): Promise<void> {
  const names = Object.keys(migrations).toSorted()
  await store.transaction(async (tx) => {
    if (store.engine === 'postgres') {
      await sql`select pg_advisory_xact_lock(hashtext(${`strongroom migrations ${store.service}`}))`.execute(tx)
    }
    await tx.schema
      .createTable('strongroom_migration')
      .ifNotExists()
      .addColumn('list', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('applied_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('strongroom_migration_key', ['list', 'name'])
      .execute()
    const applied = (await tx
      .selectFrom('strongroom_migration')
      .selectAll()
      .where('list', '=', list)
      .execute()) as Applied[]
    const unknown = applied.find((row) => !names.includes(row.name))
    if (unknown) {
      throw new ServiceError({
        code: 'DatabaseTooNew',
        status: 500,
        message: `The database of ${store.service} was written by a newer Strongroom.`,
        expected: `only migrations up to ${names.at(-1) ?? 'none'}`,
        found: unknown.name,
        remedy: 'Start the newer version, or restore the backup that was made before the upgrade.',
      })
    }
    const done = new Set(applied.map((row) => row.name))
    for (const name of names) {
      if (done.has(name)) continue
      await migrations[name]!.up(tx)
      const row: Applied = { list, name, applied_at: new Date().toISOString() }
      await tx.insertInto('strongroom_migration').values(row).execute()
    }
  })
}
