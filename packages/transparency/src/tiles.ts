import { concat } from './bytes.ts'
import { TransparencyError } from './error.ts'
import { hashBytes } from './merkle.ts'

/**
 * Hashes in a full tile, entries in a full bundle.
 * @example
 * import { tileOf, tilePath, tileWidth } from '@strongroom/transparency'
 *
 * // The first full tile of a log.
 * tilePath(tileOf(0, 0, tileWidth)) // => 'tile/0/000'
 */
export const tileWidth = 256
/**
 * Levels of the tree that one tile spans.
 * @example
 * import { tileHeight, tileWidth } from '@strongroom/transparency'
 *
 * tileWidth === 2 ** tileHeight // => true
 */
export const tileHeight = 8
/** No tree whose size is a safe integer has tiles above it. */
const highestLevel = 6
const longestEntry = 65_535

export interface Tile {
  /** Level 0 holds leaf hashes, level L the roots of subtrees of 256^L entries; `entries` the entries themselves. */
  level: number | 'entries'
  index: number
  /** 1 to 256; below 256 the tile is partial. */
  width: number
}

/**
 * C2SP tlog-tiles: `tile/L/N[.p/W]`, N in groups of three digits, all but the last with an `x` before them.
 * @example
 * import { tilePath } from '@strongroom/transparency'
 *
 * tilePath({ level: 1, index: 1_234_067, width: 256 }) // => 'tile/1/x001/x234/067'
 */
export function tilePath(tile: Tile): string {
  const digits = String(tile.index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g)!
  const index = groups.map((group, place) => (place === groups.length - 1 ? group : `x${group}`)).join('/')
  return `tile/${tile.level}/${index}${tile.width === tileWidth ? '' : `.p/${tile.width}`}`
}

/**
 * Undefined if it is not the path of a tile in the form that tilePath returns.
 * @example
 * import { parseTilePath } from '@strongroom/transparency'
 *
 * parseTilePath('tile/0/001.p/44') // => { level: 0, index: 1, width: 44 }
 * parseTilePath('tile/0/../key') // => undefined
 */
export function parseTilePath(path: string): Tile | undefined {
  const match = /^tile\/(entries|\d)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path)
  if (!match) return undefined
  const tile: Tile = {
    level: match[1] === 'entries' ? 'entries' : Number(match[1]),
    index: Number(match[2]!.replaceAll(/[x/]/g, '')),
    width: match[3] === undefined ? tileWidth : Number(match[3]),
  }
  if (tile.level !== 'entries' && tile.level > highestLevel) return undefined
  return Number.isSafeInteger(tile.index) && tilePath(tile) === path ? tile : undefined
}

/**
 * How many hashes of a tile level a tree of `size` entries has.
 * @example
 * import { hashesAtLevel } from '@strongroom/transparency'
 *
 * hashesAtLevel(70_000, 1) // => 273
 */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / tileWidth ** level)
}

/**
 * The tile that contains a hash (or entry) of a level, with its width in a tree of `size` entries.
 * @example
 * import { tileOf, tilePath } from '@strongroom/transparency'
 *
 * // The tile of entry 260 in a log of 300.
 * tilePath(tileOf('entries', 260, 300)) // => 'tile/entries/001.p/44'
 */
export function tileOf(level: Tile['level'], position: number, size: number): Tile {
  const index = Math.floor(position / tileWidth)
  const count = level === 'entries' ? size : hashesAtLevel(size, level)
  return { level, index, width: Math.min(tileWidth, count - index * tileWidth) }
}

/**
 * @throws TransparencyError Malformed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { leafHash, parseHashTile, sameBytes } from '@strongroom/transparency'
 *
 * const hashes = parseHashTile(await readFile('log/tile/0/000'), 256)
 * sameBytes(hashes[0] ?? new Uint8Array(), leafHash(new TextEncoder().encode('entry 0'))) // => true
 */
export function parseHashTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * hashBytes) {
    throw new TransparencyError({
      code: 'Malformed',
      message: 'A tile has the wrong length.',
      expected: `${width * hashBytes} bytes`,
      found: `${bytes.length} bytes`,
    })
  }
  return Array.from({ length: width }, (_, place) => bytes.subarray(place * hashBytes, (place + 1) * hashBytes))
}

/**
 * Concatenated entries, each preceded by its length (two bytes, big-endian).
 * @example
 * import { formatBundle } from '@strongroom/transparency'
 *
 * const bundle = formatBundle([Uint8Array.of(1, 2), Uint8Array.of(3)])
 * Array.from(bundle) // => [0, 2, 1, 2, 0, 1, 3]
 */
export function formatBundle(entries: Uint8Array[]): Uint8Array {
  return concat(
    ...entries.flatMap((entry) => {
      if (entry.length > longestEntry) throw new RangeError(`an entry has at most ${longestEntry} bytes`)
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]
    }),
  )
}

/**
 * @throws TransparencyError Malformed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseBundle, tileOf, tilePath } from '@strongroom/transparency'
 *
 * const tile = tileOf('entries', 260, 300) // the second bundle, with 44 entries
 * const entries = parseBundle(await readFile(`log/${tilePath(tile)}`), tile.width)
 * new TextDecoder().decode(entries[4]) // => 'entry 260'
 */
export function parseBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  let offset = 0
  while (offset < bytes.length && entries.length < width) {
    const length = (bytes[offset]! << 8) | (bytes[offset + 1] ?? 0)
    const end = offset + 2 + length
    if (offset + 2 > bytes.length || end > bytes.length) break
    entries.push(bytes.subarray(offset + 2, end))
    offset = end
  }
  if (entries.length === width && offset === bytes.length) return entries
  throw new TransparencyError({
    code: 'Malformed',
    message: 'A bundle of entries is incomplete.',
    expected: `${width} entries and nothing after them`,
    found: `${entries.length} entries, ${bytes.length - offset} bytes left`,
  })
}
