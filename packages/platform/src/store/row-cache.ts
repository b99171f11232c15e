import type { Store } from './store-types.ts'

interface Kept<V> {
  value: V
  revision: string
}

/**
 * What was read from a few tables and asked for by every request, for as long as nobody has written these tables, in this
 * process or another: whoever gets it gets what a read would have given. Where the store cannot tell (Postgres) it is read.
 * Values are shared, so they are frozen at the top, and nobody may change what they hold.
 */
export class RowCache<V extends object> {
  readonly #store: Store
  readonly #tables: readonly string[]
  readonly #limit: number
  readonly #kept = new Map<string, Kept<V>>()

  /** @param o.tables all that the reads look at */
  constructor(o: { store: Store; tables: readonly string[]; limit: number }) {
    this.#store = o.store
    this.#tables = o.tables
    this.#limit = o.limit
  }

  /** What is not there is looked for each time, so that made-up names take no room. */
  async get<Found extends V | undefined>(key: string, read: () => Promise<Found>): Promise<Found> {
    // Before the read: what is written while it runs makes it old at once.
    const revision = this.#store.revision(this.#tables)
    if (revision === undefined) return read()
    const kept = this.#kept.get(key)
    if (kept?.revision === revision) return kept.value as Found
    const value = await read()
    this.#kept.delete(key)
    if (value === undefined) return value
    this.#kept.set(key, { value: Object.freeze(value), revision })
    if (this.#kept.size > this.#limit) this.#kept.delete(this.#kept.keys().next().value!)
    return value
  }
}
