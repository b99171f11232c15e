import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from './bytes.ts'

/**
 * Length of a SHA-256 hash, used throughout: 32 bytes.
 * @example
 * import { hashBytes, leafHash } from '@strongroom/transparency'
 *
 * leafHash(Uint8Array.of()).length === hashBytes // => true
 */
export const hashBytes = 32

/**
 * RFC 6962 section 2.1: hash of one entry.
 * @example
 * import { leafHash, toBase64 } from '@strongroom/transparency'
 *
 * toBase64(leafHash(new TextEncoder().encode('entry'))) // => '2cLWa1IsJSJyj1Of+fZ7hdQN7/8JX8ilKMmU9PNbs94='
 */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(0), entry))
}

/**
 * RFC 6962 section 2.1: hash of two neighbours.
 * @example
 * import { appended, emptyFrontier, leafHash, nodeHash, rootOf, sameBytes } from '@strongroom/transparency'
 *
 * const [left, right] = ['a', 'b'].map((text) => leafHash(new TextEncoder().encode(text)))
 * if (left === undefined || right === undefined) throw new Error()
 * const root = rootOf(appended(appended(emptyFrontier, left), right))
 * sameBytes(nodeHash(left, right), root) // => true
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right))
}

/**
 * Right edge of a tree: roots of its complete subtrees, the largest first, one for each bit set in `size`. Enough to
 * add entries and to know the root at any time.
 */
export interface Frontier {
  size: number
  hashes: Uint8Array[]
}

/**
 * The frontier of a log without entries.
 * @example
 * import { emptyFrontier, isFrontier } from '@strongroom/transparency'
 *
 * emptyFrontier // => { size: 0, hashes: [] }
 * isFrontier(emptyFrontier) // => true
 */
export const emptyFrontier: Frontier = { size: 0, hashes: [] }

/**
 * The frontier with one more entry. `completed` lists each subtree that the entry completes: its level (leaf is 0),
 * index and root.
 * @example
 * import { appended, emptyFrontier, leafHash } from '@strongroom/transparency'
 *
 * let log = emptyFrontier
 * for (const text of ['created', 'rotated', 'deleted']) log = appended(log, leafHash(new TextEncoder().encode(text)))
 * log.size // => 3
 * log.hashes.length // => 2
 */
export function appended(
  frontier: Frontier,
  leaf: Uint8Array,
  completed?: (level: number, index: number, hash: Uint8Array) => void,
): Frontier {
  const hashes = [...frontier.hashes]
  let hash = leaf
  let index = frontier.size
  let level = 0
  completed?.(level, index, hash)
  while (index % 2 === 1) {
    hash = nodeHash(hashes.pop()!, hash)
    index = (index - 1) / 2
    level++
    completed?.(level, index, hash)
  }
  hashes.push(hash)
  return { size: frontier.size + 1, hashes }
}

/**
 * Merkle tree hash of the whole tree. For an empty tree: SHA-256 of no bytes.
 * @example
 * import { appended, emptyFrontier, leafHash, rootOf, toBase64 } from '@strongroom/transparency'
 *
 * const entries = ['entry 0', 'entry 1'].map((text) => new TextEncoder().encode(text))
 * const log = entries.reduce((frontier, entry) => appended(frontier, leafHash(entry)), emptyFrontier)
 * toBase64(rootOf(log)) // => 'WkdmL9ijF9lgSaP59HxV3GfKZgUbqjaD27GbL+CaB7A='
 */
export function rootOf(frontier: Frontier): Uint8Array {
  return (
    frontier.hashes.reduceRight<Uint8Array | undefined>(
      (right, left) => (right === undefined ? left : nodeHash(left, right)),
      undefined,
    ) ?? sha256(new Uint8Array(0))
  )
}

/**
 * Whether the frontier has the right shape for its size; use it on values from a database.
 * @example
 * import { isFrontier } from '@strongroom/transparency'
 *
 * // Check a frontier from a database before appending to it.
 * isFrontier({ size: 3, hashes: [new Uint8Array(32), new Uint8Array(32)] }) // => true
 * isFrontier({ size: 3, hashes: [new Uint8Array(32)] }) // => false
 */
export function isFrontier(frontier: Frontier): boolean {
  let bits = 0
  for (let rest = frontier.size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2
  return (
    Number.isSafeInteger(frontier.size) &&
    frontier.size >= 0 &&
    frontier.hashes.length === bits &&
    frontier.hashes.every((hash) => hash.length === hashBytes)
  )
}
