import { AsyncLocalStorage } from 'node:async_hooks'
import type { KyselyPlugin } from 'kysely'

/**
 * Finds uses of the store's own connection inside a transaction, which would hang on SQLite and read outside the
 * transaction on Postgres.
 */
export class TransactionGuard {
  readonly #current = new AsyncLocalStorage<{ open: boolean }>()

  /** Work that outlives its transaction inherits the context, so the mark is cleared at the end. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const mark = { open: true }
    try {
      return await this.#current.run(mark, work)
    } finally {
      mark.open = false
    }
  }

  assertOutside(): void {
    if (this.#current.getStore()?.open)
      throw new TypeError('inside store.transaction only its tx may be used, not store.db')
  }

  /** For the store's own connection, not the transaction's. Refuses before waiting for a connection. */
  plugin(): KyselyPlugin {
    return {
      transformQuery: ({ node }) => {
        this.assertOutside()
        return node
      },
      transformResult: ({ result }) => Promise.resolve(result),
    }
  }
}
