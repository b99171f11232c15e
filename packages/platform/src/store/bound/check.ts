import type { Store } from '../store-types.ts'
import type { Binding } from './binding.ts'
import { runOn } from './run.ts'

/**
 * Reads every row of a sealed store. On Postgres as of one moment, while other processes continue.
 * @throws ServiceError RowAltered, StoreAltered
 */
export function checkStore(store: Pick<Store, 'db' | 'engine'>, binding: Binding): Promise<void> {
  const transaction = store.db.transaction()
  const consistent = store.engine === 'postgres' ? transaction.setIsolationLevel('repeatable read') : transaction
  const before = binding.revision
  return binding.unbound(() =>
    consistent.execute(async (tx) => {
      const run = runOn(store.engine, tx)
      if (await binding.isSealed(run)) await binding.check(run, await binding.readSeal(run, { before }))
    }),
  )
}
