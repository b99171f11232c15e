import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  activeHeader,
  capacityBlocks,
  decodeHeader,
  decodeTable,
  encodeHeader,
  encodeTable,
  type FileEntry,
  type Header,
} from './layout.ts'

const bytes = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))

const header: fc.Arbitrary<Header> = fc.record({
  sequence: fc.integer({ min: 0, max: 0xffffffff }),
  tableBlock: fc.integer({ min: 2, max: capacityBlocks - 1 }),
  metadataKey: fc.record({ nonce: bytes(12), tag: bytes(16), key: bytes(32) }),
})

const entry: fc.Arbitrary<FileEntry> = fc
  .record({
    block: fc.integer({ min: 2, max: capacityBlocks - 1 }),
    span: fc.integer({ min: 1, max: 200 }),
    fill: fc.double({ min: 0, max: 1, noNaN: true }),
    nonce: bytes(12),
    tag: bytes(16),
    encrypted: fc.boolean(),
  })
  .map(({ block, span, fill, ...rest }) => {
    const blocks = Math.min(span, capacityBlocks - block)
    return { block, blocks, length: Math.floor(fill * blocks * 4096), ...rest }
  })

describe('layout of a VMGS container', () => {
  it('reads every header that it writes', () => {
    fc.assert(
      fc.property(header, (value) => {
        expect(decodeHeader(encodeHeader(value))).toEqual(value)
      }),
    )
  })

  it('reads no header with a byte changed', () => {
    fc.assert(
      fc.property(header, fc.nat(167), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const encoded = encodeHeader(value)
        encoded[at]! ^= change
        expect(decodeHeader(encoded)).toBeUndefined()
      }),
    )
  })

  it('reads every table that it writes', () => {
    fc.assert(
      fc.property(fc.array(fc.option(entry, { nil: undefined }), { minLength: 64, maxLength: 64 }), (entries) => {
        expect(decodeTable(encodeTable(entries))).toEqual(entries)
      }),
    )
  })

  it('refuses or reads any bytes as a table, and lets none point outside', () => {
    fc.assert(
      fc.property(bytes(4096), (table) => {
        let entries: (FileEntry | undefined)[]
        try {
          entries = decodeTable(table)
        } catch (error) {
          expect(error).toMatchObject({ code: 'GuestStateCorrupt' })
          return
        }
        for (const each of entries) if (each) expect(each.block + each.blocks).toBeLessThanOrEqual(capacityBlocks)
      }),
    )
  })

  it('takes the header that follows the other, also where the number wraps', () => {
    const make = (sequence: number): Header => ({
      sequence,
      tableBlock: 2,
      metadataKey: { nonce: Buffer.alloc(12), tag: Buffer.alloc(16), key: Buffer.alloc(32) },
    })
    expect(activeHeader(make(4), make(5)).slot).toBe(1)
    expect(activeHeader(make(0), make(0xffffffff)).slot).toBe(0)
    expect(activeHeader(undefined, make(9)).slot).toBe(1)
    expect(() => activeHeader(make(4), make(6))).toThrow(/do not follow/)
    expect(() => activeHeader(undefined, undefined)).toThrow(/no valid header/)
  })
})
