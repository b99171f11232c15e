import { sameBytes } from './bytes.ts'
import { nodeHash } from './merkle.ts'

/**
 * RFC 9162 section 2.1.3.2.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { leafHash, Prover, verifyInclusion } from '@strongroom/transparency'
 *
 * const prover = new Prover({ fetch: (path) => readFile(`log/${path}`), size: 300 })
 * const [root, proof] = await Promise.all([prover.range(0, 300), prover.inclusion(7)])
 * const leaf = leafHash(new TextEncoder().encode('entry 7'))
 * verifyInclusion({ index: 7, size: 300, leaf, proof, root }) // => true
 * verifyInclusion({ index: 8, size: 300, leaf, proof, root }) // => false
 */
export function verifyInclusion(o: {
  index: number
  size: number
  leaf: Uint8Array
  proof: Uint8Array[]
  root: Uint8Array
}): boolean {
  if (!isSize(o.size) || !isSize(o.index) || o.index >= o.size) return false
  let [place, last, hash] = [o.index, o.size - 1, o.leaf]
  for (const other of o.proof) {
    if (last === 0) return false
    if (place % 2 === 1 || place === last) {
      hash = nodeHash(other, hash)
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)]
    } else {
      hash = nodeHash(hash, other)
    }
    ;[place, last] = [half(place), half(last)]
  }
  return last === 0 && sameBytes(hash, o.root)
}

/**
 * RFC 9162 section 2.1.4.2; also for equal sizes, and from an empty tree, which every tree extends.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { Prover, verifyConsistency } from '@strongroom/transparency'
 *
 * const fetch = (path: string) => readFile(`log/${path}`)
 * const [now, then] = [new Prover({ fetch, size: 300 }), new Prover({ fetch, size: 256 })]
 * const [newRoot, oldRoot] = await Promise.all([now.range(0, 300), then.range(0, 256)])
 * const proof = await now.consistency(256)
 * verifyConsistency({ oldSize: 256, newSize: 300, oldRoot, newRoot, proof }) // => true
 * verifyConsistency({ oldSize: 256, newSize: 300, oldRoot: new Uint8Array(32), newRoot, proof }) // => false
 */
export function verifyConsistency(o: {
  oldSize: number
  newSize: number
  oldRoot: Uint8Array
  newRoot: Uint8Array
  proof: Uint8Array[]
}): boolean {
  if (!isSize(o.oldSize) || !isSize(o.newSize) || o.oldSize > o.newSize) return false
  if (o.oldSize === o.newSize) return o.proof.length === 0 && sameBytes(o.oldRoot, o.newRoot)
  if (o.oldSize === 0) return o.proof.length === 0
  const path = isPowerOfTwo(o.oldSize) ? [o.oldRoot, ...o.proof] : [...o.proof]
  const first = path.shift()
  if (first === undefined) return false
  let [place, last] = [o.oldSize - 1, o.newSize - 1]
  while (place % 2 === 1) [place, last] = [half(place), half(last)]
  let [oldHash, newHash] = [first, first]
  for (const other of path) {
    if (last === 0) return false
    if (place % 2 === 1 || place === last) {
      oldHash = nodeHash(other, oldHash)
      newHash = nodeHash(other, newHash)
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)]
    } else {
      newHash = nodeHash(newHash, other)
    }
    ;[place, last] = [half(place), half(last)]
  }
  return last === 0 && sameBytes(oldHash, o.oldRoot) && sameBytes(newHash, o.newRoot)
}

const half = (value: number): number => Math.floor(value / 2)
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

function isPowerOfTwo(value: number): boolean {
  let rest = value
  while (rest > 1 && rest % 2 === 0) rest /= 2
  return rest === 1
}
