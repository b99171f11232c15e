import { ParseError } from '../core/errors.ts'

/** Limits of a cache. */
export interface CacheLimits {
  /** Parsed values; default 256. */
  maximumEntries?: number
  /** Bytes of the inputs they were parsed from; default 16 MiB. */
  maximumBytes?: number
}

interface Entry {
  kind: string
  /** Copy of the input that the value was parsed from; undefined for a text, which is its own key. */
  bytes: Uint8Array | undefined
  size: number
  value: object
  /** Used since eviction last examined it. */
  used: boolean
}

/**
 * Remembers what never changes: how exact bytes parse, and that a signature over them under an exact key is valid. What
 * depends on time, trust or policy (validity, next updates, revocation, pinned roots, levels) is checked at each
 * verification, so an entry can neither outlive a certificate nor carry trust from one caller's anchors to another's.
 * Refusals are not remembered.
 *
 * Bounded by number and by size; the oldest entries are evicted first, except those used since they were last examined.
 * Inputs are copied and compared byte for byte, so a caller who changes a buffer afterwards, or finds two inputs with
 * one hash, gains nothing.
 *
 * Pass one object to all verifications with the same `Primitives`.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { certificateOf, parsePem, VerificationCache } from '@strongroom/evidence'
 *
 * const cache = new VerificationCache({ maximumEntries: 100 })
 * const [ask] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined) throw new Error('no certificate')
 * // Read once, then remembered.
 * certificateOf(ask, { cache }) === certificateOf(ask, { cache }) // => true
 * cache.entries // => 1
 */
export class VerificationCache {
  readonly #maximumEntries: number
  readonly #maximumBytes: number
  readonly #entries = new Map<string, Entry>()
  /** Facts about values of this cache; collected with the value. */
  readonly #facts = new WeakMap<object, WeakMap<object, unknown>>()
  readonly #owned = new WeakSet()
  #bytes = 0

  constructor(limits: CacheLimits = {}) {
    this.#maximumEntries = limits.maximumEntries ?? 256
    this.#maximumBytes = limits.maximumBytes ?? 1 << 24
    for (const limit of [this.#maximumEntries, this.#maximumBytes]) {
      if (!Number.isSafeInteger(limit) || limit < 0) {
        throw new ParseError({
          code: 'InvalidValue',
          message: 'Limits of a cache are numbers from 0',
          found: `${limit}`,
        })
      }
    }
  }

  get entries(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  /** The parsed value of these bytes; `parse` gets a private copy. Not for use outside this package. */
  parsed<T extends object>(kind: string, bytes: Uint8Array, parse: (bytes: Uint8Array) => T): T {
    const key = `${kind} ${bytes.length} ${hash(bytes)}`
    const entry = this.#entries.get(key)
    if (entry?.bytes !== undefined && same(entry.bytes, bytes)) return use(entry) as T
    const copy = new Uint8Array(bytes)
    return this.#add(key, { kind, bytes: copy, size: copy.length }, parse(copy))
  }

  /** The parsed value of this text. Not for use outside this package. */
  parsedText<T extends object>(kind: string, text: string, parse: (text: string) => T): T {
    const entry = this.#entries.get(text)
    if (entry !== undefined && entry.bytes === undefined && entry.kind === kind) return use(entry) as T
    return this.#add(text, { kind, bytes: undefined, size: text.length }, parse(text))
  }

  /** A fact about two values of this cache, computed once; false and undefined are not remembered. Not for use outside this package. */
  async fact<T>(owner: object, about: object, find: () => T | Promise<T>): Promise<T> {
    const known = this.#facts.get(owner)?.get(about)
    if (known !== undefined) return known as T
    const found = await find()
    if (found !== false && this.#owned.has(owner) && this.#owned.has(about)) {
      const facts = this.#facts.get(owner) ?? new WeakMap<object, unknown>()
      this.#facts.set(owner, facts.set(about, found))
    }
    return found
  }

  /** Registers a part of a cached value, such as a certificate's key, as a value of this cache. */
  own(part: object): void {
    this.#owned.add(part)
  }

  #add<T extends object>(key: string, input: Omit<Entry, 'value' | 'used'>, value: T): T {
    const { size } = input
    if (size > this.#maximumBytes || this.#maximumEntries === 0) return value
    this.#remove(key)
    this.#makeRoom(size)
    this.#entries.set(key, { ...input, value, used: false })
    this.#bytes += size
    this.#owned.add(value)
    return value
  }

  #makeRoom(size: number): void {
    // Terminates: an entry moved to the back is no longer marked when its turn comes again.
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size < this.#maximumEntries && this.#bytes + size <= this.#maximumBytes) break
      this.#remove(oldest)
      if (!entry.used) continue
      this.#entries.set(oldest, { ...entry, used: false })
      this.#bytes += entry.size
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.size ?? 0
    this.#entries.delete(key)
  }
}

/**
 * Marked, not moved to the back: moving would replace the old, equal text with the caller's, and fill the old
 * generation with one text per request.
 */
function use(entry: Entry): object {
  entry.used = true
  return entry.value
}

/** FNV-1a over the end, where signed structures differ. Two inputs with one hash share a slot. */
function hash(bytes: Uint8Array): number {
  let state = 0x811c9dc5
  for (const byte of bytes.subarray(-64)) state = Math.imul(state ^ byte, 0x01000193)
  return state >>> 0
}

/** Of equal length, by their key. Public bytes: may stop at the first difference. */
function same(left: Uint8Array, right: Uint8Array): boolean {
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}
