import type { Store } from './store-types.ts'

interface Kept<V> {
  value: V
  revision: string
}

/**
 * Caches reads of a few tables, needed by every request, until anybody writes to these tables in this or another
 * process: a cached value equals what a read would return. If the store cannot tell (Postgres) it always reads. Values
 * are shared, so they are frozen at the top level, and nobody may change their contents.
 */
export class RowCache<V extends object> {
  readonly #store: Store
  readonly #tables: readonly string[]
  readonly #limit: number
  readonly #kept = new Map<string, Kept<V>>()

  /** @param o.tables all tables that the reads use */
  constructor(o: { store: Store; tables: readonly string[]; limit: number }) {
    this.#store = o.store
    this.#tables = o.tables
    this.#limit = o.limit
  }

  /** Missing values are looked up each time, so that made-up names take no space. */
  async get<Found extends V | undefined>(key: string, read: () => Promise<Found>): Promise<Found> {
    // Before the read: a write during it makes the value stale at once.
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
