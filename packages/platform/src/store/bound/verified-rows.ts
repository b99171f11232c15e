import type { Share } from './store-seal.ts'

/** What is known of a row in one state. */
export interface VerifiedRow {
  /** In authenticated form. */
  text: string
  mac: string
  share: Share
}

/** Of one store: what its cache takes does not grow with its tables. */
const maximumCharacters = 4 * 1024 * 1024
/** Rows that are remembered by their key alone. */
const seenRows = 4096

/**
 * Rows of one store whose authentication code was computed, by table and key, in their latest state: the same code over the
 * same text needs no second computation. A row that differs in anything is computed again. Earlier states of a row that
 * changes often are not kept, because they would fill the old generation of V8's heap.
 */
export class VerifiedRows {
  readonly #rows = new Map<string, VerifiedRow>()
  /** Keys of rows verified once, each in a place that its code's first characters name. */
  readonly #seen: (string | undefined)[] = Array.from({ length: seenRows })
  readonly #limit: number
  #characters = 0

  /** @param limit characters kept; the oldest rows are evicted first */
  constructor(limit: number = maximumCharacters) {
    this.#limit = limit
  }

  /** @returns what was stored for the key, if it is this code over this text */
  find(key: string, mac: unknown, text: string): VerifiedRow | undefined {
    const row = this.#rows.get(key)
    return row !== undefined && row.mac === mac && row.text === text ? row : undefined
  }

  /** Keeps a row that was verified before: whoever reads all rows of a large table would otherwise evict every other. */
  setIfSeen(key: string, row: VerifiedRow): void {
    const place = (row.mac.charCodeAt(0) * 64 + row.mac.charCodeAt(1)) % seenRows
    if (this.#seen[place] === key) this.set(key, row)
    else this.#seen[place] = key
  }

  set(key: string, row: VerifiedRow): void {
    if (row.text.length > this.#limit) return
    this.#characters += row.text.length - (this.#rows.get(key)?.text.length ?? 0)
    this.#rows.set(key, row)
    if (this.#characters <= this.#limit) return
    for (const [oldest, { text }] of this.#rows) {
      this.#rows.delete(oldest)
      this.#characters -= text.length
      if (this.#characters <= this.#limit) return
    }
  }

  get characters(): number {
    return this.#characters
  }
}
