import { ServiceError } from '../../errors/errors.ts'
import type { Sealer } from '../../sealing/sealer.ts'
import { Binding } from '../bound/binding.ts'
import { checkStore } from '../bound/check.ts'
import { busy } from '../busy.ts'
import { runMigrations } from './migrations.ts'
import { openPostgres } from '../postgres/open.ts'
import { openSqlite } from './sqlite.ts'
import type { DatabaseTransaction, Store } from '../store-types.ts'
import { watchStore } from '../bound/watch.ts'
import { TransactionGuard } from './transaction-guard.ts'

/** How long it takes to detect an older row put back in Postgres while the server runs. */
const checkSeconds = 60

export interface StoreOptions {
  url: string
  service: string
  /** The installation's: a derived key of this store binds its rows. */
  sealer: Sealer
  /** Binds the rows of an unsealed store as they are, instead of refusing them. */
  bindRows?: boolean
  /** Of this program; default: the present one. */
  step?: number
  /** Minimum time between two checks of all rows on Postgres, which does not report writers. */
  checkSeconds?: number
}

/**
 * `sqlite:/abs/dir` opens /abs/dir/{service}.db; `postgres://…` opens the schema strongroom_{service}. Rows that
 * anybody else has written, changed, removed or put back are refused, see docs/explanation/stores.md.
 * @throws ServiceError InvalidStoreUrl; RowAltered and StoreAltered, also at each later use
 */
export async function openStore(o: StoreOptions): Promise<Store> {
  if (!/^[a-z][a-z0-9_-]{0,40}$/.test(o.service)) throw new TypeError(`not a service name: ${o.service}`)
  const guard = new TransactionGuard()
  const engine = o.url.startsWith('sqlite:') ? 'sqlite' : 'postgres'
  if (engine === 'postgres' && !/^postgres(ql)?:\/\//.test(o.url)) {
    // The URL may contain a password, so it is not repeated.
    throw new ServiceError({
      code: 'InvalidStoreUrl',
      message: 'The store URL names an unknown engine.',
      expected: 'sqlite:/absolute/directory or postgres://user@host/database',
      remedy: 'Correct the file passed as --store-url-file.',
    })
  }
  const plugins = [guard.plugin()]
  const binding = new Binding({ service: o.service, engine, key: o.sealer.macKey(`rows of ${o.service}`) })
  const { db, revision } =
    engine === 'sqlite'
      ? openSqlite(o.url.slice('sqlite:'.length), o.service, plugins, binding)
      : { db: await openPostgres(o.url, o.service, plugins, binding), revision: () => undefined }
  let endWatch: (() => Promise<void>) | undefined
  const afterwards = new WeakMap<DatabaseTransaction, (() => void)[]>()
  const store: Store = {
    engine,
    url: o.url,
    service: o.service,
    db,
    migrate: (list, migrations) =>
      runMigrations({
        store,
        binding,
        bindRows: o.bindRows ?? false,
        list,
        migrations,
        ...(o.step !== undefined && { step: o.step }),
      }),
    transaction: async (work) => {
      guard.assertOutside()
      try {
        let inner: DatabaseTransaction | undefined
        const result = await db.transaction().execute((tx) => {
          const plain = (inner = tx.withoutPlugins())
          return guard.within(() => work(plain))
        })
        for (const each of (inner && afterwards.get(inner)) ?? []) each()
        return result
      } catch (error) {
        // Postgres resolved a deadlock.
        throw (error as { code?: unknown } | null)?.code === '40P01' ? busy(error) : error
      }
    },
    afterCommit: (tx, work) => {
      const works = afterwards.get(tx)
      if (works === undefined) afterwards.set(tx, [work])
      else works.push(work)
    },
    revision: (tables) => {
      guard.assertOutside()
      return revision(tables)
    },
    close: async () => {
      await endWatch?.()
      await db.destroy()
    },
  }
  try {
    await checkStore(store, binding)
  } catch (error) {
    await db.destroy()
    throw error
  }
  if (engine === 'postgres') endWatch = watchStore(store, binding, { everyMs: (o.checkSeconds ?? checkSeconds) * 1000 })
  return store
}
