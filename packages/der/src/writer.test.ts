import * as evidence from '@strongroom/evidence'
import {
  DerReader,
  readBitStringBytes,
  readBoolean,
  readInteger,
  readNamedBits,
  readOid,
  readTime,
} from '@strongroom/evidence'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  der,
  ecdsaSignature,
  enumerated,
  ia5String,
  implicit,
  integer,
  namedBits,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  tagged,
  time,
  utf8String,
} from './writer.ts'

const { derTag, stringOf } = evidence
const reader = (bytes: Uint8Array): DerReader => new DerReader(bytes, 'sample')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Reads one value with the evidence package's strict reader, and asserts that nothing follows it. */
function strictly<T>(bytes: Uint8Array, read: (reader: DerReader, field: string) => T): T {
  const inner = reader(bytes)
  const value = read(inner, 'value')
  inner.end()
  return value
}

/** A value of any type, with what the strict reader must return. */
interface Sample {
  bytes: Uint8Array
  check: (read: evidence.DerValue) => void
}

const octets = fc.uint8Array({ maxLength: 300 }).map((content): Sample => ({
  bytes: octetString(content),
  check: (read) => {
    expect([read.tag, read.content]).toEqual([derTag.octetString, content])
  },
}))

const value = fc.letrec<{ value: Sample }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    octets,
    fc
      .tuple(fc.constantFrom(sequence, tagged.bind(undefined, 3)), fc.array(tie('value'), { maxLength: 5 }))
      .map(([write, parts]): Sample => ({
        bytes: write(...parts.map(({ bytes }) => bytes)),
        check: (read) => {
          const inner = read.read('inner', 1)
          for (const part of parts) part.check(inner.next('part'))
          inner.end()
        },
      })),
  ),
})).value

describe('what is written as DER', () => {
  it('is read back by the strict reader, however it nests and whatever its lengths', () => {
    fc.assert(
      fc.property(value, ({ bytes, check }) => {
        check(strictly(bytes, (inner) => inner.next('value')))
      }),
    )
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536, 70_000]) {
      const bytes = new Uint8Array(length).fill(7)
      expect(strictly(octetString(bytes), (inner) => inner.next('o').content)).toEqual(bytes)
    }
  })

  it('is the number, of any size, from a number or its bytes', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 4200n), fc.nat(3), (number, zeros) => {
        expect(strictly(integer(number), readInteger)).toBe(number)
        const digits = number.toString(16)
        const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2) + 2 * zeros, '0'), 'hex')
        expect(integer(bytes)).toEqual(integer(number))
      }),
    )
    expect(hex(integer(new Uint8Array(0)))).toBe('020100')
    expect(hex(integer(128))).toBe('02020080')
  })

  it('is the identifier, with arcs of any size', () => {
    const arc = fc.bigInt(0n, 2n ** 64n)
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(arc, { maxLength: 5 }), (root, second, rest) => {
        const dotted = [root, second, ...rest].join('.')
        expect(strictly(oid(dotted), readOid)).toBe(dotted)
      }),
    )
    expect(hex(oid('2.999.3'))).toBe('0603883703')
    expect(hex(oid('1.3.6.1.4.1.311.56'))).toBe('06082b06010401823738')
  })

  it('is the set of named bits, without trailing zeros', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(30)), (bits) => {
        const written = namedBits(bits)
        const read = strictly(written, readNamedBits)
        expect(read.flatMap((isSet, index) => (isSet ? [index] : []))).toEqual(bits.toSorted((a, b) => a - b))
        expect(read).toHaveLength(Math.max(...bits, -1) + 1)
      }),
    )
  })

  it('is the time to the second, in the one form of its year', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), fc.nat(999), (seconds, milliseconds) => {
        const written = time(new Date(seconds * 1000 + milliseconds))
        expect(strictly(written, readTime)).toEqual(new Date(seconds * 1000))
      }),
    )
    expect(Buffer.from(time(new Date('2049-12-31T23:59:59Z'))).toString('latin1', 2)).toBe('491231235959Z')
    expect(Buffer.from(time(new Date('2050-01-01T00:00:00Z'))).toString('latin1', 2)).toBe('20500101000000Z')
  })

  it('is the text, the bytes, the truth', () => {
    const read = (inner: DerReader): string => stringOf(inner.next('s'), 's')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(strictly(utf8String(text), read)).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]*$/), (text) => {
        expect(strictly(ia5String(text), read)).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(strictly(bitString(bytes), readBitStringBytes)).toEqual(bytes)
      }),
    )
    expect([true, false].map((truth) => strictly(boolean(truth), readBoolean))).toEqual([true, false])
    expect([nullValue(), enumerated(1), implicit(2, Uint8Array.of(9))].map(hex)).toEqual(['0500', '0a0101', '820109'])
  })

  it('is a set in the order of its encodings', () => {
    const encoded = fc.array(fc.uint8Array({ maxLength: 3 }).map(octetString), { maxLength: 6 })
    fc.assert(
      fc.property(encoded, (values) => {
        const inner = reader(setOf(...values))
          .next('set')
          .read('set', 1)
        const read = values.map(() => hex(inner.next('value').raw))
        inner.end()
        // No encoding is a prefix of another, so text order is encoding order.
        expect(read).toEqual(values.map(hex).toSorted())
      }),
    )
  })

  it('is r and s of a signature', () => {
    expect(hex(ecdsaSignature(Uint8Array.of(0, 0, 1, 0x80, 0, 0)))).toBe(hex(sequence(integer(1), integer(0x800000))))
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 66, maxLength: 66 }),
        fc.uint8Array({ minLength: 66, maxLength: 66 }),
        (r, s) => {
          const inner = reader(ecdsaSignature(Uint8Array.from([...r, ...s]))).sequence('signature')
          expect([readInteger(inner, 'r'), readInteger(inner, 's')]).toEqual(
            [r, s].map((half) => BigInt(`0x${hex(half)}`)),
          )
          inner.end()
        },
      ),
    )
  })

  it.each<[what: string, write: () => unknown]>([
    ['a negative number', () => integer(-1)],
    ['a choice of two octets', () => enumerated(128)],
    ['an identifier of one arc', () => oid('1')],
    ['an identifier with a root that is none', () => oid('3.1')],
    ['an identifier whose second arc would be read as another root', () => oid('1.40')],
    ['an identifier with a leading zero', () => oid('1.3.06')],
    ['an identifier that is a word', () => oid('serverAuth')],
    ['text beyond ASCII as IA5String', () => ia5String('é')],
    ['a year of five digits', () => time(new Date('+010000-01-01T00:00:00Z'))],
    ['a time that is none', () => time(new Date(Number.NaN))],
  ])('is never %s', (_, write) => {
    expect(write).toThrow(/not|only|a time/)
  })

  it('has the tags that the strict reader knows', () => {
    const written = {
      boolean: boolean(true),
      integer: integer(1),
      bitString: bitString(Uint8Array.of()),
      octetString: octetString(Uint8Array.of()),
      null: nullValue(),
      oid: oid('1.2'),
      enumerated: enumerated(0),
      utf8String: utf8String(''),
      sequence: sequence(),
      set: setOf(),
      ia5String: ia5String(''),
      utcTime: time(new Date(0)),
      generalizedTime: time(new Date('2050-01-01T00:00:00Z')),
    }
    for (const [type, bytes] of Object.entries(written))
      expect(bytes[0], type).toBe(derTag[type as keyof typeof written])
    expect([tagged(3)[0], implicit(0, der(0))[0]]).toEqual([derTag.context(3, true), derTag.context(0, false)])
  })
})
