import type { KeyObject } from 'node:crypto'
import { equalBytes } from './digest-info.ts'

interface Opened {
  material: Uint8Array
  key: KeyObject
  until: number
}

/**
 * Recently used private keys, kept open: opening one costs about as much as a signature, and OpenSSL prepares a key at
 * its first use. Keys are handles to OpenSSL's memory, not buffers of ours. Bounded in number and time.
 */
export class OpenedKeys {
  readonly #limit: number
  readonly #keepMs: number
  readonly #now: () => number
  readonly #opened = new Map<string, Opened>()

  constructor(o: { limit: number; keepMs: number; now?: () => number }) {
    this.#limit = o.limit
    this.#keepMs = o.keepMs
    this.#now = o.now ?? ((): number => performance.now())
  }

  /** Only for the exact material and place it was opened from. */
  get(place: string, material: Uint8Array): KeyObject | undefined {
    const found = this.#opened.get(place)
    if (found && this.#now() < found.until && equalBytes(found.material, material)) return found.key
    this.#opened.delete(place)
    return undefined
  }

  keep(place: string, material: Uint8Array, key: KeyObject): void {
    const now = this.#now()
    for (const [name, { until }] of this.#opened) {
      if (until > now && this.#opened.size < this.#limit) break
      this.#opened.delete(name)
    }
    this.#opened.set(place, { material, key, until: now + this.#keepMs })
  }
}
