import type { Store } from './store-types.ts'

/** Locks the selected rows until the transaction ends. SQLite's transaction already excludes every other writer. */
export function forUpdate<Q extends { forUpdate(): Q }>(store: Store, query: Q): Q {
  return store.engine === 'postgres' ? query.forUpdate() : query
}
