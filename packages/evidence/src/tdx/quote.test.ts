import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import { parseTdxQuote } from './quote.ts'

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
  const refused = (code: string, facts: object = {}): unknown =>
    expect.objectContaining({ name: 'ParseError', code, ...facts })

  it('gives every field from its place', () => {
    const bytes = quote({ version: 5, bodyType: 3 })
    bytes.set(
      Uint8Array.from({ length: 20 }, (_, index) => 0xa0 + index),
      28,
    )
    const signature = 48 + 6 + 648 + 4
    const fill = (at: number, length: number, value: number): void => void bytes.fill(value, at, at + length)
    fill(signature, 64, 1)
    fill(signature + 64, 64, 2)
    const qe = signature + 134
    fill(qe, 384, 3)
    fill(qe + 384, 64, 4)
    const parsed = parseTdxQuote(bytes)
    const of = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
    expect(parsed).toMatchObject({
      version: 5,
      qeVendorId: fromHex('939a7233f79c4ca9940a0db3957f0607'),
      userData: Uint8Array.from({ length: 20 }, (_, index) => 0xa0 + index),
      signature: of(64, 1),
      attestationKey: of(64, 2),
      qeReportSignature: of(64, 4),
      qeAuthenticationData: Uint8Array.of(0x34, 0x12),
      certification: { type: 'pckChain', chain: [Uint8Array.of(0, 1, 2)] },
      trailing: new Uint8Array(0),
    })
    expect(parsed.qeReport.raw).toEqual(of(384, 3))
    const body = (from: number, length: number): Uint8Array =>
      Uint8Array.from({ length }, (_, index) => (from + index) & 0xff)
    const number = (from: number): bigint => new DataView(body(from, 8).buffer).getBigUint64(0, true)
    expect(parsed.body).toEqual({
      teeTcbSvn: body(0, 16),
      mrSeam: body(16, 48),
      mrSignerSeam: body(64, 48),
      seamAttributes: body(112, 8),
      attributes: number(120),
      xfam: number(128),
      mrTd: body(136, 48),
      mrConfigId: body(184, 48),
      mrOwner: body(232, 48),
      mrOwnerConfig: body(280, 48),
      rtmrs: [body(328, 48), body(376, 48), body(424, 48), body(472, 48)],
      reportData: body(520, 64),
      teeTcbSvn2: body(584, 16),
      mrServiceTd: body(600, 48),
    })
  })

  it('gives the quoting enclave’s report field by field', () => {
    const bytes = quote()
    const from = 48 + 584 + 4 + 134
    bytes.set(
      Uint8Array.from({ length: 384 }, (_, index) => index & 0xff),
      from,
    )
    const part = (at: number, length: number): Uint8Array => bytes.slice(from + at, from + at + length)
    expect(parseTdxQuote(bytes).qeReport).toEqual({
      cpuSvn: part(0, 16),
      miscSelect: part(16, 4),
      attributes: part(48, 16),
      mrEnclave: part(64, 32),
      mrSigner: part(128, 32),
      isvProdId: 0x0100,
      isvSvn: 0x0302,
      reportData: part(320, 64),
      raw: part(0, 384),
    })
  })

  it.each<[what: string, change: (bytes: Uint8Array) => Uint8Array, code: string, facts?: object]>([
    [
      'of version 3',
      (bytes) => bytes.fill(3, 0, 1),
      'UnknownVersion',
      { message: expect.stringMatching(/SGX/), found: 'SGX, version 3' },
    ],
    ['of version 2', (bytes) => bytes.fill(2, 0, 1), 'UnknownVersion', { offset: 0, found: '2' }],
    ['of version 6', (bytes) => bytes.fill(6, 0, 1), 'UnknownVersion', { offset: 0, found: '6' }],
    [
      'of version 6 with an enclave’s body type',
      (bytes) => bytes.fill(6, 0, 1).fill(1, 48, 49).fill(0, 49, 50),
      'UnknownVersion',
    ],
    ['of an SGX enclave', (bytes) => bytes.fill(0, 4, 8), 'UnknownType', { message: expect.stringMatching(/SGX/) }],
    ['of another TEE', (bytes) => bytes.fill(0x82, 4, 5), 'UnknownType', { expected: '129', found: '130' }],
    ['by another kind of key', (bytes) => bytes.fill(3, 2, 3), 'UnknownType', { expected: '2', found: '3' }],
    ['longer than any', () => new Uint8Array(64 * 1024 + 1), 'TooLarge'],
    ['that ends in its header', (bytes) => bytes.subarray(0, 49), 'Truncated'],
  ])('%s is refused', (_, change, code, facts) => {
    expect(() => parseTdxQuote(change(quote()))).toThrow(refused(code, facts))
  })

  it.each<[what: string, change: (bytes: Uint8Array) => Uint8Array, code: string, facts?: object]>([
    [
      'with an enclave’s body',
      (bytes) => bytes.fill(1, 48, 49),
      'UnknownType',
      { message: expect.stringMatching(/SGX/) },
    ],
    ['with a body of a type without a meaning', (bytes) => bytes.fill(4, 48, 49), 'UnknownType', { offset: 48 }],
    ['with the other body’s size', (bytes) => bytes.fill(0, 50, 51), 'UnknownType', { expected: '648' }],
    ['that ends before its body type', (bytes) => bytes.subarray(0, 49), 'Truncated'],
    ['that ends after its body type', (bytes) => bytes.subarray(0, 50), 'Truncated'],
    [
      'that ends after an enclave’s body type',
      (bytes) => bytes.fill(1, 48, 49).subarray(0, 50),
      'UnknownType',
      { message: expect.stringMatching(/SGX/) },
    ],
  ])('of version 5 %s is refused', (_, change, code, facts) => {
    expect(() => parseTdxQuote(change(quote({ version: 5, bodyType: 3 })))).toThrow(refused(code, facts))
  })

  it('of the greatest length that is read may be all padding after its end', () => {
    const bytes = quote()
    const padded = new Uint8Array(64 * 1024)
    padded.set(bytes)
    expect(parseTdxQuote(padded).trailing).toHaveLength(padded.length - bytes.length)
  })

  it.each([
    [1, 16, 0],
    [1, 16, 8],
    [2, 256, 0],
    [3, 384, 0],
  ] as const)('with certification data %i has a PPID of %i bytes', (kind, size, padding) => {
    const data = new ByteWriter()
      .bytes(new Uint8Array(size).fill(7))
      .bytes(new Uint8Array(16).fill(8))
      .u16le(13)
      .bytes(Uint8Array.of(9, 10))
      .zero(padding)
      .finish()
    expect(parseTdxQuote(quote({ kind, data })).certification).toEqual({
      type: 'ppid',
      kind,
      ppid: new Uint8Array(size).fill(7),
      cpuSvn: new Uint8Array(16).fill(8),
      pceSvn: 13,
      pceId: Uint8Array.of(9, 10),
    })
    const longer = new ByteWriter().bytes(data).bytes(Uint8Array.of(1)).finish()
    expect(() => parseTdxQuote(quote({ kind, data: longer }))).toThrow(
      refused(kind === 1 ? 'ReservedNotZero' : 'TrailingBytes'),
    )
    expect(() => parseTdxQuote(quote({ kind, data: data.subarray(padding + 1) }))).toThrow(refused('Truncated'))
  })

  it.each([0, 4, 6, 7])('with certification data of type %i is refused', (kind) => {
    expect(() => parseTdxQuote(quote({ kind }))).toThrow(refused('UnknownType', { found: String(kind) }))
  })

  it('takes text alone for a chain of certificates', () => {
    const chainOf = (text: string): unknown => parseTdxQuote(quote({ data: utf8(text) })).certification
    const text = new TextDecoder().decode(pem)
    expect(chainOf(`${text}\0`)).toMatchObject({ chain: [Uint8Array.of(0, 1, 2)] })
    expect(chainOf(text.replaceAll('\n', '\r\n'))).toMatchObject({ chain: [Uint8Array.of(0, 1, 2)] })
    for (const [character, at] of [
      ['\u007f', 3],
      ['\u001f', 3],
      ['\t', 3],
      ['\0', 3],
      ['\u007f', text.length],
    ] as const) {
      const wrong = `${text.slice(0, at)}${character}${text.slice(at)}`
      expect(() => chainOf(wrong), JSON.stringify(character)).toThrow(
        refused('InvalidEncoding', { offset: 48 + 584 + 4 + 134 + 384 + 64 + 4 + 6 + at }),
      )
    }
    expect(() => chainOf(`~${text}`)).toThrow(refused('TrailingBytes'))
    expect(() => chainOf('')).toThrow(refused('Missing'))
  })

  it('has nothing between its parts', () => {
    const bytes = quote()
    const view = new DataView(bytes.buffer)
    const [whole, inner] = [48 + 584, 48 + 584 + 4 + 130]
    for (const [what, at] of [
      ['signature data', whole],
      ['certification data of the enclave', inner],
    ] as const) {
      const longer = new ByteWriter().bytes(bytes).zero(1).finish()
      new DataView(longer.buffer).setUint32(whole, view.getUint32(whole, true) + 1, true)
      if (at === inner) new DataView(longer.buffer).setUint32(inner, view.getUint32(inner, true) + 1, true)
      expect(() => parseTdxQuote(longer), what).toThrow(refused('TrailingBytes'))
    }
  })
})
