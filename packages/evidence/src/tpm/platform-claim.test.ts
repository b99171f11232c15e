import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { ParseError } from '../core/errors.ts'
import { parsePlatformClaim } from './platform-claim.ts'

function claim(quote: Uint8Array, bank = 0x0b, size = 32): Uint8Array {
  const signature = new ByteWriter().u16be(0x14).u16be(0x0b).u16be(256).bytes(new Uint8Array(256).fill(3)).finish()
  const writer = new ByteWriter().u32le(0x414c5054).u32le(1).u32le(bank)
  writer
    .u32le(signature.length)
    .u32le(quote.length)
    .u32le(24 * size)
    .bytes(signature)
    .bytes(quote)
  for (let pcr = 0; pcr < 24; pcr++) writer.bytes(new Uint8Array(size).fill(pcr))
  return writer.finish()
}

describe('platform claims', () => {
  it('give signature, quote and all registers back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (quote) => {
        const parsed = parsePlatformClaim(claim(quote))
        expect(parsed).toMatchObject({ bank: 'sha256', quote, signature: { scheme: 'rsassa', hash: 'sha256' } })
        expect([...parsed.pcrs.keys()]).toEqual([...Array(24).keys()])
        expect(parsed.pcrs.get(23)).toEqual(new Uint8Array(32).fill(23))
      }),
    )
  })

  it('are refused shortened, lengthened, under another magic, or of an unknown bank', () => {
    const whole = claim(new Uint8Array(100))
    for (let length = 0; length < whole.length; length += 7)
      expect(() => parsePlatformClaim(whole.subarray(0, length))).toThrow(ParseError)
    expect(() => parsePlatformClaim(Uint8Array.of(...whole, 0))).toThrow(ParseError)
    expect(() => parsePlatformClaim(whole.with(0, 0))).toThrow(expect.objectContaining({ code: 'WrongMagic' }))
    expect(() => parsePlatformClaim(claim(new Uint8Array(), 0x99))).toThrow(
      expect.objectContaining({ code: 'UnknownType' }),
    )
    expect(() => parsePlatformClaim(claim(new Uint8Array(), 0x0b, 20))).toThrow(
      expect.objectContaining({ code: 'WrongLength' }),
    )
  })

  it('fail in no other way, whatever the bytes', () => {
    const whole = claim(new Uint8Array(100))
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, bytes) => {
        const changed = Uint8Array.from(whole)
        changed.set(bytes.subarray(0, whole.length - at), at)
        try {
          parsePlatformClaim(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})
