import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../bytes/byte-writer.ts'
import { utf8 } from '../bytes/bytes.ts'
import { fromHex, toHex } from '../bytes/hex.ts'
import { ParseError } from '../result/errors.ts'
import { parseTdxQuote } from './quote.ts'
import { parseTdReport } from './td-report.ts'

const pem = utf8('-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n')

interface Shape {
  version?: 4 | 5
  bodyType?: 2 | 3
  keyType?: number
  teeType?: number
  kind?: number
  data?: Uint8Array
  outerKind?: number
}

function quote(o: Shape = {}): Uint8Array {
  const { version = 4, bodyType = 2, keyType = 2, teeType = 0x81, kind = 5, data = pem, outerKind = 6 } = o
  const writer = new ByteWriter()
    .u16le(version)
    .u16le(keyType)
    .u32le(teeType)
    .zero(4)
    .bytes(fromHex('939a7233f79c4ca9940a0db3957f0607'))
    .zero(20)
  const size = version === 5 && bodyType === 3 ? 648 : 584
  if (version === 5) writer.u16le(bodyType).u32le(size)
  writer.bytes(Uint8Array.from({ length: size }, (_, index) => index & 0xff))
  const qe = new ByteWriter()
    .zero(384)
    .zero(64)
    .u16le(2)
    .u16le(0x1234)
    .u16le(kind)
    .u32le(data.length)
    .bytes(data)
    .finish()
  const signature = new ByteWriter().zero(64).zero(64).u16le(outerKind).u32le(qe.length).bytes(qe).finish()
  return writer.u32le(signature.length).bytes(signature).finish()
}

describe('a TD quote', () => {
  it('is read in version 4 and, with either body, in version 5', () => {
    const four = parseTdxQuote(quote())
    expect(four.tdxVersion).toBe('1.0')
    expect(four.body.teeTcbSvn2).toBeUndefined()
    expect(toHex(four.body.mrTd.subarray(0, 2))).toBe('8889')
    expect(four.signed).toHaveLength(48 + 584)
    const oneFive = parseTdxQuote(quote({ version: 5, bodyType: 3 }))
    expect(oneFive.tdxVersion).toBe('1.5')
    expect(oneFive.body.mrServiceTd).toHaveLength(48)
    expect(oneFive.signed).toHaveLength(48 + 6 + 648)
    expect(parseTdxQuote(quote({ version: 5 })).tdxVersion).toBe('1.0')
  })

  it('is refused with another key type, another TEE or certification data of another kind', () => {
    for (const shape of [{ keyType: 3 }, { teeType: 0 }, { outerKind: 5 }, { kind: 4 }, { kind: 7 }]) {
      expect(() => parseTdxQuote(quote(shape)), JSON.stringify(shape)).toThrow(ParseError)
    }
  })

  it('that names its platform by PPID is read; its certificate is for another to find', () => {
    const data = new ByteWriter().zero(384).zero(16).u16le(13).zero(2).finish()
    expect(parseTdxQuote(quote({ kind: 3, data })).certification).toMatchObject({ type: 'ppid', kind: 3, pceSvn: 13 })
    expect(() => parseTdxQuote(quote({ kind: 3, data: data.subarray(1) }))).toThrow(ParseError)
  })

  it('may lie in a larger buffer: what follows is kept apart', () => {
    const bytes = quote()
    const parsed = parseTdxQuote(new ByteWriter().bytes(bytes).zero(70).finish())
    expect(parsed.raw).toHaveLength(bytes.length)
    expect(parsed.trailing).toHaveLength(70)
  })

  it('cut at any place is refused', () => {
    const bytes = quote()
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        expect(() => parseTdxQuote(bytes.subarray(0, length))).toThrow(ParseError)
      }),
    )
  })

  it('with any bytes changed is read or refused as a parse error', () => {
    const bytes = quote({ version: 5, bodyType: 3 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const changed = Uint8Array.from(bytes)
        for (const [at, value] of changes) changed[at] = value
        try {
          parseTdxQuote(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a TDREPORT', () => {
  it('of another type, version or length is refused', () => {
    const bytes = new Uint8Array(1024)
    bytes[0] = 0x81
    expect(parseTdReport(bytes).tdxVersion).toBe('1.0')
    expect(parseTdReport(Uint8Array.from(bytes).fill(1, 2, 3)).tdxVersion).toBe('1.5')
    for (const [at, value] of [
      [0, 0],
      [1, 1],
      [2, 2],
      [5, 1],
      [200, 1],
    ] as const) {
      const changed = Uint8Array.from(bytes)
      changed[at] = value
      expect(() => parseTdReport(changed), `byte ${at}`).toThrow(ParseError)
    }
    expect(() => parseTdReport(bytes.subarray(1))).toThrow(ParseError)
  })
})
