import { DerReader, readInteger, readNamedBits, readOid, readTime } from '@strongroom/evidence'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { integer, namedBits, octetString, oid, time } from './der-writer.ts'

const reader = (bytes: Uint8Array): DerReader => new DerReader(bytes, 'sample')

describe('what is written as DER', () => {
  it('is read back strictly as the same value', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 4200n), (value) => {
        expect(readInteger(reader(integer(value)), 'n')).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(fc.nat(), { maxLength: 10 }), (root, second, rest) => {
        const dotted = [root, second, ...rest].join('.')
        expect(readOid(reader(oid(dotted)), 'o')).toBe(dotted)
      }),
    )
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(30)), (bits) => {
        const read = readNamedBits(reader(namedBits(bits)), 'b')
        expect(read.flatMap((set, index) => (set ? [index] : []))).toEqual(bits.toSorted((a, b) => a - b))
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: -631_152_000, max: 10_000_000_000 }), (seconds) => {
        const date = new Date(seconds * 1000)
        expect(readTime(reader(time(date)), 't')).toEqual(date)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (bytes) => {
        expect(reader(octetString(bytes)).next('o').content).toEqual(bytes)
      }),
      { numRuns: 20 },
    )
  })

  it('has no negative integers', () => expect(() => integer(-1)).toThrow(RangeError))
})
