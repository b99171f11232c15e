import { nodeHash } from './merkle.ts'
import { hashesAtLevel, parseHashTile, tileHeight, tileOf, tilePath, tileWidth } from './tiles.ts'

/** Fetches a resource of a log, relative to its prefix: `checkpoint`, `tile/…`. */
export type Fetch = (path: string) => Promise<Uint8Array>

/**
 * Creates proofs from the hash tiles of a log with `size` entries. The tiles need not be trusted: a proof from wrong
 * tiles does not verify.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { Prover } from '@strongroom/transparency'
 *
 * const fetch = (path: string) => readFile(`log/${path}`)
 * const prover = new Prover({ fetch, size: 300 })
 * // From one of 300 entries to the root, and from the log with 200 entries to the one with 300.
 * const [inclusion, consistency] = await Promise.all([prover.inclusion(7), prover.consistency(200)])
 * inclusion.length // => 9
 * consistency.length // => 7
 */
export class Prover {
  readonly #fetch: Fetch
  readonly #size: number
  readonly #tiles = new Map<string, Promise<Uint8Array[]>>()

  constructor(o: { fetch: Fetch; size: number }) {
    this.#fetch = o.fetch
    this.#size = o.size
  }

  /** RFC 9162 section 2.1.3.1. */
  inclusion(index: number): Promise<Uint8Array[]> {
    return this.#path(index, 0, this.#size)
  }

  /** RFC 9162 section 2.1.4.1: from `oldSize` to the size of the log. */
  async consistency(oldSize: number): Promise<Uint8Array[]> {
    if (oldSize === 0 || oldSize === this.#size) return []
    return this.#subproof(oldSize, 0, this.#size, true)
  }

  /** Root of the entries from `start` to `end`, which is a complete subtree or the tree's right edge. */
  async range(start: number, end: number): Promise<Uint8Array> {
    const count = end - start
    const level = Math.log2(count)
    if (Number.isInteger(level) && start % count === 0) return this.#complete(level, start / count)
    const split = splitOf(count)
    const [left, right] = await Promise.all([this.range(start, start + split), this.range(start + split, end)])
    return nodeHash(left, right)
  }

  async #path(index: number, start: number, end: number): Promise<Uint8Array[]> {
    if (end - start <= 1) return []
    const middle = start + splitOf(end - start)
    return index < middle
      ? [...(await this.#path(index, start, middle)), await this.range(middle, end)]
      : [...(await this.#path(index, middle, end)), await this.range(start, middle)]
  }

  async #subproof(oldSize: number, start: number, end: number, whole: boolean): Promise<Uint8Array[]> {
    if (oldSize === end - start) return whole ? [] : [await this.range(start, end)]
    const split = splitOf(end - start)
    return oldSize <= split
      ? [...(await this.#subproof(oldSize, start, start + split, whole)), await this.range(start + split, end)]
      : [...(await this.#subproof(oldSize - split, start + split, end, false)), await this.range(start, start + split)]
  }

  /** A node of the tree, from the tile whose hashes are at or just below its level. */
  async #complete(level: number, index: number): Promise<Uint8Array> {
    const tileLevel = Math.floor(level / tileHeight)
    const below = level - tileLevel * tileHeight
    const first = index * 2 ** below
    const tile = tileOf(tileLevel, first, this.#size)
    const hashes = await this.#tile(tileLevel, first)
    const offset = first - tile.index * tileWidth
    let row = hashes.slice(offset, offset + 2 ** below)
    while (row.length > 1) row = pairs(row)
    return row[0]!
  }

  #tile(level: number, position: number): Promise<Uint8Array[]> {
    const tile = tileOf(level, position, this.#size)
    if (position >= hashesAtLevel(this.#size, level)) throw new RangeError('beyond the tree')
    const path = tilePath(tile)
    const known = this.#tiles.get(path)
    if (known) return known
    const fetched = this.#fetch(path).then((bytes) => parseHashTile(bytes, tile.width))
    this.#tiles.set(path, fetched)
    return fetched
  }
}

function pairs(row: Uint8Array[]): Uint8Array[] {
  return Array.from({ length: row.length / 2 }, (_, place) => nodeHash(row[2 * place]!, row[2 * place + 1]!))
}

/** Largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}
