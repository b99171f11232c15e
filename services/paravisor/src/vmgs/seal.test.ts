import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { open, seal } from './aead.ts'
import { blockLength, headerLength } from './layout.ts'
import { openSeal, sealHeader, sectorLength, type Sealed } from './seal.ts'

const block = (byte: number): Buffer => Buffer.alloc(blockLength, byte)
const header = Buffer.alloc(headerLength, 9)
const over: Sealed = {
  metadataKey: Buffer.alloc(32, 1),
  other: block(2),
  table: block(3),
  clear: [block(4), block(5)],
}

describe('the seal of a header block', () => {
  it('follows the header: whether at rest, a MAC under a key of its own, and zeros', () => {
    const sealed = sealHeader(header, true, over)
    expect(sealed).toHaveLength(blockLength)
    expect(sealed.subarray(0, headerLength)).toEqual(header)
    expect(sealed.readUInt32LE(headerLength)).toBe(1)
    expect(sealed.subarray(headerLength + 36).every((byte) => byte === 0)).toBe(true)
    expect(headerLength + 36).toBeLessThan(sectorLength)
    const unsealed = Buffer.from(sealed).fill(0, headerLength + 4, headerLength + 36)
    const key = createHmac('sha256', over.metadataKey).update('strongroom: seal of a VMGS container').digest()
    const mac = createHmac('sha256', key)
    for (const part of [unsealed, over.other, over.table, ...over.clear]) mac.update(part)
    expect(sealed.subarray(headerLength + 4, headerLength + 36)).toEqual(mac.digest())
  })

  it.each([true, false])('opens with whether it is at rest: %s', (atRest) => {
    expect(openSeal(sealHeader(header, atRest, over), over)).toEqual({ atRest })
  })

  it.each<[what: string, Partial<Sealed>]>([
    ['under another key', { metadataKey: Buffer.alloc(32, 7) }],
    ['beside another header', { other: block(7) }],
    ['over another table', { table: block(7) }],
    ['over another file in clear', { clear: [block(4), block(7)] }],
    ['over one file less', { clear: [block(4)] }],
    ['over files in another order', { clear: [block(5), block(4)] }],
  ])('does not open %s', (_what, change) => {
    expect(openSeal(sealHeader(header, true, over), { ...over, ...change })).toBeUndefined()
  })

  it.each([0, headerLength, headerLength + 4, headerLength + 35, headerLength + 36, blockLength - 1])(
    'does not open with byte %i changed',
    (at) => {
      const sealed = sealHeader(header, true, over)
      sealed[at]! ^= 1
      expect(openSeal(sealed, over)).toBeUndefined()
    },
  )
})

describe('an encrypted file', () => {
  const key = Buffer.alloc(32, 1)

  it('opens with its key, and has the write’s number in its nonce', () => {
    const sealed = seal(key, Buffer.from('plain'), 0x0102)
    expect(sealed.nonce.subarray(4)).toEqual(Buffer.of(2, 1, 0, 0, 0, 0, 0, 0))
    expect([sealed.nonce.length, sealed.tag.length, sealed.bytes.length]).toEqual([12, 16, 5])
    expect(open(key, sealed)?.toString()).toBe('plain')
    const again = seal(key, Buffer.from('plain'), 0x0102)
    expect(again.nonce.subarray(0, 4).equals(sealed.nonce.subarray(0, 4))).toBe(false)
  })

  it('opens with no other key, and with no byte changed', () => {
    const sealed = seal(key, Buffer.from('plain'), 1)
    expect(open(Buffer.alloc(32, 2), sealed)).toBeUndefined()
    for (const part of ['nonce', 'tag', 'bytes'] as const) {
      const changed = { ...sealed, [part]: Buffer.from(sealed[part]) }
      changed[part][0]! ^= 1
      expect(open(key, changed)).toBeUndefined()
    }
    expect(() => open(key, { ...sealed, tag: sealed.tag.subarray(0, 12) })).toThrow(/tag length/)
  })
})
