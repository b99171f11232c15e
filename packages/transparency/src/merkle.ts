import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from './bytes.ts'

/** SHA-256, as all hashes here: 32 bytes. */
export const hashBytes = 32

/** RFC 6962 section 2.1: hash of one entry. */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(0), entry))
}

/** RFC 6962 section 2.1: hash of two neighbours. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right))
}

/**
 * Right edge of a tree: roots of the complete subtrees that its entries fall into, the largest first, one for each bit
 * that is set in `size`. Enough to add entries and to know the root at any time.
 */
export interface Frontier {
  size: number
  hashes: Uint8Array[]
}

export const emptyFrontier: Frontier = { size: 0, hashes: [] }

/** With one more entry. `completed` gives each subtree that it closed: its level (leaf is 0), place and root. */
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

/** Merkle tree hash of the whole. Of an empty tree: SHA-256 of nothing. */
export function rootOf(frontier: Frontier): Uint8Array {
  return (
    frontier.hashes.reduceRight<Uint8Array | undefined>(
      (right, left) => (right === undefined ? left : nodeHash(left, right)),
      undefined,
    ) ?? sha256(new Uint8Array(0))
  )
}

/** Whether the frontier has the shape that its size demands; what a database gave is checked with it. */
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
