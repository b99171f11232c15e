import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParseError } from '../errors.ts'
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from './base64.ts'
import { concat, equal, isZero, reversed } from './bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { formatGuid, parseGuid } from './guid.ts'
import { fromHex, toHex } from './hex.ts'

const bytes = fc.uint8Array({ maxLength: 200 })

describe('text forms of bytes', () => {
  it('come back as the same bytes', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(fromHex(toHex(value))).toEqual(value)
        expect(fromHex(toHex(value).toUpperCase())).toEqual(value)
        expect(fromBase64(toBase64(value))).toEqual(value)
        expect(fromBase64Url(toBase64Url(value))).toEqual(value)
      }),
    )
  })

  it('are the ones that Node writes', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toBase64(value)).toBe(Buffer.from(value).toString('base64'))
        expect(toBase64Url(value)).toBe(Buffer.from(value).toString('base64url'))
      }),
    )
  })

  it('have one text for one value: other texts are refused', () => {
    for (const text of ['QQ', 'QQ=', 'QR==', 'QQ==\n', 'Q Q=', 'QQ-=', 'Q===', '=QQ=']) {
      expect(() => fromBase64(text), text).toThrow(ParseError)
    }
    for (const text of ['QR', 'QQ==', 'Q', 'Q+', 'Q/', 'QQ ', 'Qé'])
      expect(() => fromBase64Url(text), text).toThrow(ParseError)
    for (const text of ['0', '0g', '0x00', ' 00', '00\n']) expect(() => fromHex(text), text).toThrow(ParseError)
  })

  it('never end in another error than a ParseError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const read of [fromHex, fromBase64, fromBase64Url, parseGuid]) {
          try {
            read(text)
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        }
      }),
    )
  })
})

describe('GUIDs', () => {
  it('have their first three parts in the order of firmware', () => {
    const text = '96b582de-1fb2-45f7-baea-a366c55a082d'
    expect(toHex(parseGuid(text))).toBe('de82b596b21ff745baeaa366c55a082d')
    expect(formatGuid(parseGuid(text.toUpperCase()))).toBe(text)
  })

  it('come back as the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (value) => {
        expect(parseGuid(formatGuid(value))).toEqual(value)
      }),
    )
  })
})

describe('bytes', () => {
  it('are equal only when every one is', () => {
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        expect(equal(left, right)).toBe(toHex(left) === toHex(right))
        expect(equal(left, Uint8Array.from(left))).toBe(true)
      }),
    )
  })

  it('are joined and reversed without touching what they come from', () => {
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        expect(toHex(concat(left, right))).toBe(toHex(left) + toHex(right))
        const before = toHex(left)
        expect(toHex(reversed(reversed(left)))).toBe(before)
        expect(toHex(left)).toBe(before)
        expect(isZero(left)).toBe(!left.some((byte) => byte !== 0))
      }),
    )
  })
})

describe('ByteReader', () => {
  it('reads back what ByteWriter wrote and then is at the end', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        fc.bigInt(0n, 2n ** 64n - 1n),
        bytes,
        (small, middle, large, rest) => {
          const written = new ByteWriter()
            .u16le(small)
            .u16be(small)
            .u32le(middle)
            .u32be(middle)
            .u64le(large)
            .u64be(large)
            .bytes(rest)
          const reader = new ByteReader(written.finish(), 'sample')
          expect([reader.u16le('a'), reader.u16be('b'), reader.u32le('c'), reader.u32be('d')]).toEqual([
            small,
            small,
            middle,
            middle,
          ])
          expect([reader.u64le('e'), reader.u64be('f')]).toEqual([large, large])
          expect(reader.bytes(rest.length, 'g')).toEqual(rest)
          reader.end()
        },
      ),
    )
  })

  it('says which field ends early and where', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3), 'sample', 100)
    reader.u16le('first')
    expect(() => reader.u16le('second')).toThrow(
      expect.objectContaining({ code: 'Truncated', offset: 102, expected: '2 bytes', found: '1 bytes' }),
    )
    expect(() => reader.bytes(-1, 'third')).toThrow(ParseError)
    expect(() => reader.bytes(0.5, 'third')).toThrow(ParseError)
  })

  it('refuses reserved bytes that are not zero and bytes after the end', () => {
    expect(() => new ByteReader(Uint8Array.of(0, 7), 'sample').zero(2, 'reserved')).toThrow(
      expect.objectContaining({ code: 'ReservedNotZero', offset: 1 }),
    )
    expect(() => new ByteReader(Uint8Array.of(0), 'sample').end()).toThrow(
      expect.objectContaining({ code: 'TrailingBytes' }),
    )
  })
})
