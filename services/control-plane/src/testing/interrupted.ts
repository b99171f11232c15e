import { AsyncLocalStorage } from 'node:async_hooks'
import type { Store } from '@strongroom/platform'

/** A store that runs something else between two steps of a request: just before the request's n-th transaction. */
export function interrupted(inner: Store): {
  store: Store
  during: <T>(o: { n: number; work: () => Promise<void> }, request: () => Promise<T>) => Promise<T>
} {
  // Transactions of operations that the request began, and of `work` itself, do not count.
  const current = new AsyncLocalStorage<{ left: number; work: () => Promise<void> } | undefined>()
  const store: Store = {
    ...inner,
    close: async () => {},
    transaction: async (body) => {
      const request = current.getStore()
      if (request !== undefined && --request.left === 0) await current.run(undefined, request.work)
      return await inner.transaction(body)
    },
  }
  return { store, during: async ({ n, work }, request) => await current.run({ left: n, work }, request) }
}
