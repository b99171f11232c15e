import { releaseStep, stepsFit } from '@strongroom/contract'
import { sql } from 'kysely'
import { ServiceError } from '../../errors/errors.ts'
import { storeUnbound } from '../bound/altered.ts'
import type { Binding } from '../bound/binding.ts'
import { runOn } from '../bound/run.ts'
import type { Database, Migration, Store } from '../store-types.ts'

interface Applied {
  list: string
  name: string
  applied_at: string
}

/**
 * Applies the migrations of `list` that the database lacks, by name order, in one transaction: a crash leaves all of
 * them or none. On Postgres an advisory lock prevents concurrent starts from applying them twice. The result is bound.
 * A database of the next release may have migrations that are unknown here: they leave what this release uses in place
 * (test/boundaries/schema).
 * @param o.bindRows binds the rows of an unsealed database as they are
 * @param o.step of this program
 * @throws ServiceError DatabaseTooNew if the database has an unknown migration that is not of the next release;
 *   StoreUnbound, RowAltered, StoreAltered
 */
export async function runMigrations(o: {
  store: Store
  binding: Binding
  bindRows: boolean
  list: string
  migrations: Record<string, Migration>
  step?: number
}): Promise<void> {
  const { store, binding, list, migrations, step = releaseStep } = o
  const names = Object.keys(migrations).toSorted()
  await binding.unbound(() =>
    store.transaction(async (tx) => {
      if (store.engine === 'postgres') {
        await sql`select pg_advisory_xact_lock(hashtext(${`strongroom migrations ${store.service}`}))`.execute(tx)
      }
      const run = runOn(store.engine, tx)
      const isSealed = await binding.isSealed(run)
      if (!isSealed && !o.bindRows && (await binding.hasRows(run))) throw storeUnbound(store.service)
      await makeMigrationTable(tx)
      const applied = (await tx
        .selectFrom('strongroom_migration')
        .selectAll()
        .where('list', '=', list)
        .execute()) as Applied[]
      const newest = await newestStep(tx)
      const unknown = applied.find((row) => !names.includes(row.name))
      if (unknown && (newest <= step || !stepsFit(newest, step)))
        throw tooNew(store.service, names.at(-1), unknown.name)
      const done = new Set(applied.map((row) => row.name))
      const missing = names.filter((name) => !done.has(name))
      if (isSealed && missing.length === 0 && newest >= step) return await binding.load(run)
      // The seal is held from here on, so that nobody commits between the check and the new codes.
      if (isSealed) await binding.check(run, await binding.readSeal(run))
      for (const name of missing) {
        await migrations[name]!.up(tx)
        const row: Applied = { list, name, applied_at: new Date().toISOString() }
        await tx.insertInto('strongroom_migration').values(row).execute()
      }
      if (newest < step) {
        const row: Applied = { list: stepList, name: String(step), applied_at: new Date().toISOString() }
        await tx.insertInto('strongroom_migration').values(row).execute()
      }
      await binding.bindAll(run)
    }),
  )
}

/** Rows of this list name the releases that have migrated the database. */
const stepList = 'release'

/** 0 before releases were recorded. */
async function newestStep(tx: Database): Promise<number> {
  const rows = (await tx
    .selectFrom('strongroom_migration')
    .selectAll()
    .where('list', '=', stepList)
    .execute()) as Applied[]
  return Math.max(0, ...rows.map(({ name }) => Number(name)))
}

const makeMigrationTable = (tx: Database): Promise<void> =>
  tx.schema
    .createTable('strongroom_migration')
    .ifNotExists()
    .addColumn('list', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('applied_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('strongroom_migration_key', ['list', 'name'])
    .execute()

const tooNew = (service: string, last: string | undefined, found: string): ServiceError =>
  new ServiceError({
    code: 'DatabaseTooNew',
    message: `The database of ${service} was written by a newer Strongroom.`,
    expected: `only migrations up to ${last ?? 'none'}`,
    found,
    remedy: 'Start the newer version, or restore the backup from before the upgrade.',
  })
