import { appended, emptyFrontier, leafHash, type Frontier } from './merkle.ts'
import type { Fetch } from './proofs.ts'
import { concat } from './bytes.ts'
import { formatBundle, parseTilePath, tileHeight, tileWidth } from './tiles.ts'

/** Distinct entries. */
export function entriesOf(size: number): Uint8Array[] {
  return Array.from({ length: size }, (_, index) => new TextEncoder().encode(`entry ${index}`))
}

/** Hashes of all tile levels of a tree. */
export function treeOf(entries: Uint8Array[]): { frontier: Frontier; levels: Uint8Array[][] } {
  const levels: Uint8Array[][] = []
  let frontier = emptyFrontier
  for (const entry of entries) {
    frontier = appended(frontier, leafHash(entry), (level, _index, hash) => {
      if (level % tileHeight === 0) (levels[level / tileHeight] ??= []).push(hash)
    })
  }
  return { frontier, levels }
}

/** Serves the tiles of a log that holds these entries. */
export function fetchOf(entries: Uint8Array[]): Fetch {
  const { levels } = treeOf(entries)
  return (path) => {
    const tile = parseTilePath(path)
    if (!tile) return Promise.reject(new Error(`no tile: ${path}`))
    const [start, end] = [tile.index * tileWidth, tile.index * tileWidth + tile.width]
    const items = tile.level === 'entries' ? entries : (levels[tile.level] ?? [])
    if (items.length < end) return Promise.reject(new Error(`beyond the log: ${path}`))
    return Promise.resolve(
      tile.level === 'entries' ? formatBundle(items.slice(start, end)) : concat(...items.slice(start, end)),
    )
  }
}
