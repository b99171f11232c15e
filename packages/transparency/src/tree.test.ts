import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appended, emptyFrontier, isFrontier, leafHash, nodeHash, rootOf, type Frontier } from './merkle.ts'
import { verifyConsistency, verifyInclusion } from './proof.ts'
import { Prover } from './proofs.ts'
import { entriesOf, fetchOf, treeOf } from './testing.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** RFC 6962 section 2.1, word for word. */
function treeHash(entries: Uint8Array[]): Uint8Array {
  if (entries.length === 0) return createHash('sha256').digest()
  if (entries.length === 1) return leafHash(entries[0]!)
  let split = 1
  while (split * 2 < entries.length) split *= 2
  return nodeHash(treeHash(entries.slice(0, split)), treeHash(entries.slice(split)))
}

const frontierOf = (entries: Uint8Array[]): Frontier =>
  entries.reduce((frontier, entry) => appended(frontier, leafHash(entry)), emptyFrontier)

describe('the tree', () => {
  it('has the roots of the Certificate Transparency reference vectors', () => {
    const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]
    roots.forEach((root, size) => {
      const some = entries.slice(0, size).map((entry) => Uint8Array.from(Buffer.from(entry, 'hex')))
      expect(hex(rootOf(frontierOf(some)))).toBe(root)
    })
  })

  it('has the root that RFC 6962 defines, at every size', () => {
    const entries = entriesOf(300)
    let frontier = emptyFrontier
    for (let size = 0; size <= entries.length; size++) {
      expect(hex(rootOf(frontier))).toBe(hex(treeHash(entries.slice(0, size))))
      expect(isFrontier(frontier)).toBe(true)
      if (size < entries.length) frontier = appended(frontier, leafHash(entries[size]!))
    }
  })

  it('knows a frontier that lost or gained a hash', () => {
    const frontier = frontierOf(entriesOf(7))
    expect(isFrontier({ ...frontier, hashes: frontier.hashes.slice(1) })).toBe(false)
    expect(isFrontier({ ...frontier, size: 8 })).toBe(false)
    expect(isFrontier({ size: -1, hashes: [] })).toBe(false)
  })
})

describe('proofs from tiles', () => {
  it('show each entry of trees of all shapes to be in them, and no other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1500 }), fc.nat(), async (size, pick) => {
        const entries = entriesOf(size)
        const tree = treeOf(entries)
        const index = pick % size
        const proof = await new Prover({ fetch: fetchOf(entries), size }).inclusion(index)
        const root = rootOf(tree.frontier)
        const leaf = leafHash(entries[index]!)
        expect(verifyInclusion({ index, size, leaf, proof, root })).toBe(true)
        expect(verifyInclusion({ index, size, leaf: leafHash(Buffer.from('other')), proof, root })).toBe(false)
        if (size > 1) expect(verifyInclusion({ index: (index + 1) % size, size, leaf, proof, root })).toBe(false)
        expect(verifyInclusion({ index, size, leaf, proof: [...proof, leaf], root })).toBe(false)
        expect(verifyInclusion({ index: size, size, leaf, proof, root })).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('show a longer tree to continue a shorter one, and not another shorter one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1500 }), fc.nat(), async (newSize, pick) => {
        const entries = entriesOf(newSize)
        const oldSize = pick % (newSize + 1)
        const proof = await new Prover({ fetch: fetchOf(entries), size: newSize }).consistency(oldSize)
        const [oldRoot, newRoot] = [rootOf(frontierOf(entries.slice(0, oldSize))), rootOf(frontierOf(entries))]
        expect(verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof })).toBe(true)
        if (oldSize === 0) return
        const other = leafHash(Buffer.from('fork'))
        expect(verifyConsistency({ oldSize, newSize, oldRoot: other, newRoot, proof })).toBe(false)
        expect(verifyConsistency({ oldSize, newSize, oldRoot, newRoot: other, proof })).toBe(false)
        expect(verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof: [...proof, other] })).toBe(false)
        expect(verifyConsistency({ oldSize: newSize + 1, newSize, oldRoot, newRoot, proof })).toBe(false)
      }),
      { numRuns: 60 },
    )
  })
})
