import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat } from '../bytes/bytes.ts'
import { fromHex } from '../bytes/hex.ts'
import { ParseError } from '../errors.ts'
import { DerReader, derTag } from './der-reader.ts'
import {
  readBitStringBytes,
  readBoolean,
  readInteger,
  readNamedBits,
  readOid,
  readSmallInteger,
  readTime,
} from './der-values.ts'

function reader(hex: string): DerReader {
  return new DerReader(fromHex(hex), 'sample')
}

function value(tag: number, content: Uint8Array): Uint8Array {
  const length =
    content.length < 128
      ? [content.length]
      : content.length < 256
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 255]
  return concat(Uint8Array.of(tag, ...length), content)
}

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

describe('DerReader', () => {
  it('reads back any value, with its place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.constantFrom(0x04, 0x0c, 0x30, 0xa3), (content, tag) => {
        const encoded = value(tag, content)
        const inner = new DerReader(encoded, 'sample', 1000)
        const read = inner.next('value')
        inner.end()
        expect(read.content).toEqual(content)
        expect(read.raw).toEqual(encoded)
        expect(read.offset).toBe(1000)
        expect(read.contentOffset).toBe(1000 + encoded.length - content.length)
      }),
    )
  })

  it.each([
    ['0480', 'NotCanonical', 'an indefinite length'],
    ['04810100', 'NotCanonical', 'a long form for a short length'],
    ['0482000100', 'NotCanonical', 'a length with leading zeros'],
    ['04850000000001', 'TooLarge', 'a length of five bytes'],
    ['1f8101', 'InvalidValue', 'a tag number above 30'],
    ['0405aa', 'Truncated', 'less than its length'],
    ['04', 'Truncated', 'no length'],
    ['', 'Truncated', 'nothing'],
  ])('refuses %s: %s, %s', (hex, wanted) => {
    expect(() => reader(hex).next('value')).toThrow(code(wanted))
  })

  it('refuses another type, bytes after the end and endless nesting', () => {
    expect(() => reader('0401aa').sequence('value')).toThrow(code('UnknownType'))
    expect(() => reader('0400').end()).toThrow(code('TrailingBytes'))
    let nested: Uint8Array = new Uint8Array(0)
    for (let depth = 0; depth < 40; depth++) nested = value(derTag.sequence, nested)
    expect(() => {
      let inner = new DerReader(nested, 'sample')
      for (let depth = 0; depth < 40; depth++) inner = inner.sequence('level')
    }).toThrow(code('TooDeep'))
  })

  it('never ends in another error than a ParseError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const walk = (inner: DerReader): void => {
          while (!inner.atEnd) {
            const read = inner.next('value')
            if (read.tag & 0x20) walk(inner.enter(read, 'inner'))
          }
        }
        try {
          walk(new DerReader(bytes, 'sample'))
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})

describe('DER values', () => {
  it('are read as they are meant', () => {
    expect(readInteger(reader('0201ff'), 'n')).toBe(-1n)
    expect(readInteger(reader('02020080'), 'n')).toBe(128n)
    expect(readSmallInteger(reader('02020100'), 'n')).toBe(256)
    expect(readBoolean(reader('0101ff'), 'b')).toBe(true)
    expect(readOid(reader('06092b060104019c780104'), 'o')).toBe('1.3.6.1.4.1.3704.1.4')
    expect(readOid(reader('0603883703'), 'o')).toBe('2.999.3')
    expect(readBitStringBytes(reader('0302004f'), 's')).toEqual(Uint8Array.of(0x4f))
    expect(readNamedBits(reader('03020106'), 'u').map(Number)).toEqual([0, 0, 0, 0, 0, 1, 1])
    expect(readTime(reader('170d3230313032323138323432305a'), 't').toISOString()).toBe('2020-10-22T18:24:20.000Z')
    expect(readTime(reader('180f32303530303130313030303030305a'), 't').getUTCFullYear()).toBe(2050)
  })

  it.each([
    ['02020001', 'NotCanonical', readInteger],
    ['0202ff80', 'NotCanonical', readInteger],
    ['0200', 'WrongLength', readInteger],
    ['0201ff', 'InvalidValue', readSmallInteger],
    ['02050100000000', 'InvalidValue', readSmallInteger],
    ['010101', 'NotCanonical', readBoolean],
    ['01020000', 'WrongLength', readBoolean],
    ['0600', 'WrongLength', readOid],
    ['06022a80', 'NotCanonical', readOid],
    ['06022a81', 'Truncated', readOid],
    ['03020100', 'InvalidValue', readBitStringBytes],
    ['0300', 'WrongLength', readBitStringBytes],
    ['03020107', 'NotCanonical', readNamedBits],
    ['03020906', 'InvalidValue', readNamedBits],
    ['170b323031303232313832345a', 'InvalidValue', readTime],
    ['170d3230303233303138323432305a', 'InvalidValue', readTime],
    ['170d3230313032323138323432302b', 'InvalidValue', readTime],
    ['180f32303230313032323138323432305a', 'NotCanonical', readTime],
  ] as const)('refuses %s as %s', (hex, wanted, read) => {
    expect(() => read(reader(hex), 'value')).toThrow(code(wanted))
  })
})
