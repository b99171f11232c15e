import { describe, expect, it } from 'vitest'
import { toBase64Url } from '../core/bytes/base64.ts'
import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { digest } from '../core/bytes/digest.ts'
import { attestTypes, parseTpmsAttest, tpmGenerated, type TpmsAttest } from './attest.ts'
import { readPcrSelections } from './pcr-selection.ts'
import { pcrPolicyDigest } from './pcr-policy.ts'
import {
  eccKeyFromJwk,
  isAttestationKey,
  objectAttributes,
  parseTpm2bPublic,
  requireAttestationKey,
  tpmKeyFromJwk,
  tpmName,
  type TpmPublic,
} from './public.ts'

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const filled = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value)

describe('TPMS_ATTEST', () => {
  interface Parts {
    type: number
    tail: Uint8Array
    magic?: number
    signer?: number
    extra?: number
    safe?: number
  }
  const attest = ({ type, tail, magic = tpmGenerated, signer = 34, extra = 20, safe = 1 }: Parts): Uint8Array =>
    new ByteWriter()
      .u32be(magic)
      .u16be(type)
      .bytes(sized(filled(signer, 1)))
      .bytes(sized(filled(extra, 2)))
      .u64be(0x0102030405060708n)
      .u32be(11)
      .u32be(12)
      .u8(safe)
      .u64be(0x1112131415161718n)
      .bytes(tail)
      .finish()
  const two = (first: number, second: number): Uint8Array =>
    new ByteWriter()
      .bytes(sized(filled(first, 3)))
      .bytes(sized(filled(second, 4)))
      .finish()
  const nv = (index: number, contents: number): Uint8Array =>
    new ByteWriter()
      .bytes(sized(filled(index, 3)))
      .u16be(9)
      .bytes(sized(filled(contents, 4)))
      .finish()
  const quote = (size: number): Uint8Array =>
    new ByteWriter()
      .u32be(1)
      .u16be(0x0b)
      .u8(3)
      .bytes(Uint8Array.of(0x81, 0, 0x80))
      .bytes(sized(filled(size, 4)))
      .finish()

  it('is read with all its fields', () => {
    expect(parseTpmsAttest(attest({ type: 0x8018, tail: quote(32) }))).toMatchObject({
      type: 'quote',
      qualifiedSigner: filled(34, 1),
      extraData: filled(20, 2),
      clock: 0x0102030405060708n,
      resetCount: 11,
      restartCount: 12,
      safe: true,
      firmwareVersion: 0x1112131415161718n,
      pcrSelections: [{ bank: 'sha256', pcrs: [0, 7, 23] }],
      pcrDigest: filled(32, 4),
    })
    expect(parseTpmsAttest(attest({ type: 0x8018, tail: quote(32), safe: 0 })).safe).toBe(false)
    expect(parseTpmsAttest(attest({ type: 0x8017, tail: two(34, 35) }))).toMatchObject({
      type: 'certify',
      name: filled(34, 3),
      qualifiedName: filled(35, 4),
    })
    expect(parseTpmsAttest(attest({ type: 0x801a, tail: two(34, 32) }))).toMatchObject({
      type: 'creation',
      name: filled(34, 3),
      creationHash: filled(32, 4),
    })
    expect(parseTpmsAttest(attest({ type: 0x8014, tail: nv(34, 5) }))).toMatchObject({
      type: 'nv',
      indexName: filled(34, 3),
      offset: 9,
      contents: filled(5, 4),
    })
  })

  it.each<[string, Parts, Parts]>([
    ['signer', { type: 0x8018, tail: quote(32), signer: 66 }, { type: 0x8018, tail: quote(32), signer: 67 }],
    ['extra data', { type: 0x8018, tail: quote(32), extra: 64 }, { type: 0x8018, tail: quote(32), extra: 65 }],
    ['digest', { type: 0x8018, tail: quote(64) }, { type: 0x8018, tail: quote(65) }],
    ['name', { type: 0x8017, tail: two(66, 0) }, { type: 0x8017, tail: two(67, 0) }],
    ['qualified name', { type: 0x8017, tail: two(0, 66) }, { type: 0x8017, tail: two(0, 67) }],
    ['object name', { type: 0x801a, tail: two(66, 0) }, { type: 0x801a, tail: two(67, 0) }],
    ['creation hash', { type: 0x801a, tail: two(0, 64) }, { type: 0x801a, tail: two(0, 65) }],
    ['index name', { type: 0x8014, tail: nv(66, 0) }, { type: 0x8014, tail: nv(67, 0) }],
    ['NV contents', { type: 0x8014, tail: nv(0, 2048) }, { type: 0x8014, tail: nv(0, 2049) }],
  ])('takes a %s up to the length that a TPM allows, and none beyond', (_name, fits, exceeds) => {
    expect(() => parseTpmsAttest(attest(fits))).not.toThrow()
    expect(() => parseTpmsAttest(attest(exceeds))).toThrow(expect.objectContaining({ code: 'TooLarge' }))
  })

  it('is refused by another magic, of another kind, with a third truth, or with more behind it', () => {
    const parse = (parts: Parts) => (): TpmsAttest => parseTpmsAttest(attest(parts))
    const good = { type: attestTypes.quote, tail: quote(32) }
    expect(parse({ ...good, magic: 0xff544348 })).toThrow(expect.objectContaining({ code: 'WrongMagic', offset: 0 }))
    expect(parse({ ...good, type: attestTypes.time })).toThrow(
      expect.objectContaining({ code: 'UnknownType', offset: 4 }),
    )
    expect(parse({ ...good, safe: 2 })).toThrow(expect.objectContaining({ code: 'InvalidValue', offset: 80 }))
    expect(() => parseTpmsAttest(Uint8Array.of(...attest(good), 0))).toThrow(
      expect.objectContaining({ code: 'TrailingBytes' }),
    )
  })
})

describe('TPML_PCR_SELECTION', () => {
  const selections = (list: [bank: number, bitmap: number[]][], count = list.length): ByteReader => {
    const writer = new ByteWriter().u32be(count)
    for (const [bank, bitmap] of list) writer.u16be(bank).u8(bitmap.length).bytes(Uint8Array.from(bitmap))
    return new ByteReader(writer.finish(), 'test')
  }

  it('names every register by its bit, of three or four bytes', () => {
    expect(
      readPcrSelections(
        selections([
          [0x0b, [0x01, 0x80, 0x10]],
          [0x0c, [0, 0, 0, 0x81]],
        ]),
      ),
    ).toEqual([
      { bank: 'sha256', pcrs: [0, 15, 20] },
      { bank: 'sha384', pcrs: [24, 31] },
    ])
    expect(readPcrSelections(selections([]))).toEqual([])
  })

  it('is refused with an unknown bank, one bank twice, a bitmap of another size, or more banks than there are', () => {
    const read = (list: [number, number[]][], count?: number) => () => readPcrSelections(selections(list, count))
    expect(read([[0x99, [0, 0, 0]]])).toThrow(expect.objectContaining({ code: 'UnknownType', offset: 4 }))
    expect(
      read([
        [0x0b, [0, 0, 0]],
        [0x0b, [1, 0, 0]],
      ]),
    ).toThrow(expect.objectContaining({ code: 'Duplicate', offset: 10 }))
    for (const bitmap of [
      [0, 0],
      [0, 0, 0, 0, 0],
    ])
      expect(read([[0x0b, bitmap]])).toThrow(expect.objectContaining({ code: 'InvalidValue' }))
    expect(read([], 17)).toThrow(expect.objectContaining({ code: 'TooLarge' }))
    // Sixteen is within the limit, but they are missing.
    expect(read([], 16)).toThrow(expect.objectContaining({ code: 'Truncated' }))
  })
})

interface Area {
  type?: number
  name?: number
  attributes?: number
  policy?: number
  symmetric?: Uint8Array
  scheme?: Uint8Array
  parameters?: Uint8Array
}
const u16 = (...values: number[]): Uint8Array =>
  values.reduce((writer, value) => writer.u16be(value), new ByteWriter()).finish()
const rsaKey = (bits: number, exponent = 0, modulus = bits / 8): Uint8Array =>
  new ByteWriter()
    .u16be(bits)
    .u32be(exponent)
    .bytes(sized(filled(modulus, 0xc1)))
    .finish()
const eccKey = (curve: number, x: number, y: number, kdf = [0x10]): Uint8Array =>
  new ByteWriter()
    .bytes(u16(curve, ...kdf))
    .bytes(sized(filled(x, 1)))
    .bytes(sized(filled(y, 2)))
    .finish()
function area(o: Area = {}): Uint8Array {
  const {
    type = 1,
    name = 0x0b,
    attributes = 0,
    policy = 0,
    symmetric = u16(0x10),
    scheme = u16(0x10),
    parameters = rsaKey(2048),
  } = o
  const writer = new ByteWriter()
    .u16be(type)
    .u16be(name)
    .u32be(attributes)
    .bytes(sized(filled(policy)))
  return sized(writer.bytes(symmetric).bytes(scheme).bytes(parameters).finish())
}
const read = (o?: Area): TpmPublic => parseTpm2bPublic(area(o))

describe('TPM2B_PUBLIC', () => {
  it('is read with its schemes, its symmetric algorithm passed over', () => {
    expect(read()).toMatchObject({ nameAlgorithm: 'sha256', attributes: 0, key: { kind: 'rsa', exponent: 65537 } })
    expect(read()).not.toHaveProperty('scheme')
    expect(read({ attributes: 0x00050072, policy: 32 })).toMatchObject({
      attributes: 0x00050072,
      authPolicy: filled(32),
    })
    expect(read({ symmetric: u16(0x06, 128, 0x43) })).not.toHaveProperty('scheme')
    expect(read({ scheme: u16(0x14, 0x0b) }).scheme).toEqual({ id: 0x14, hash: 'sha256' })
    expect(read({ scheme: u16(0x14, 0x99) }).scheme).toEqual({ id: 0x14 })
    expect(read({ scheme: u16(0x15) }).scheme).toEqual({ id: 0x15 })
    expect(read({ scheme: u16(0x1a, 0x0b, 1) }).scheme).toEqual({ id: 0x1a, hash: 'sha256' })
    expect(read().publicArea).toEqual(area().subarray(2))
  })

  it('holds an RSA key whose modulus is as long as it says', () => {
    expect(read({ parameters: rsaKey(2048, 3) }).key).toEqual({ kind: 'rsa', modulus: filled(256, 0xc1), exponent: 3 })
    expect(read({ parameters: rsaKey(4096) }).key).toMatchObject({ modulus: filled(512, 0xc1) })
    expect(() => read({ parameters: rsaKey(2048, 0, 255) })).toThrow(expect.objectContaining({ code: 'WrongLength' }))
    expect(() => read({ parameters: rsaKey(4104) })).toThrow(expect.objectContaining({ code: 'TooLarge' }))
  })

  it.each([
    [3, 'P-256', 32],
    [4, 'P-384', 48],
    [5, 'P-521', 66],
  ])('holds a point on curve %i, its coordinates filled up to the curve’s length', (id, curve, size) => {
    const key = read({ type: 0x23, parameters: eccKey(id, size, size - 1) }).key
    expect(key).toEqual({ kind: 'ecc', curve, x: filled(size, 1), y: Uint8Array.of(0, ...filled(size - 1, 2)) })
    expect(read({ type: 0x23, parameters: eccKey(id, 1, size, [0x20, 0x0b]) }).key).toMatchObject({ curve })
    for (const [x, y] of [
      [size + 1, size],
      [size, size + 1],
    ] as const)
      expect(() => read({ type: 0x23, parameters: eccKey(id, x, y) })).toThrow(
        expect.objectContaining({ code: 'TooLarge' }),
      )
  })

  it('is refused with an unknown curve, type or name algorithm, or a policy longer than any digest', () => {
    expect(() => read({ type: 0x23, parameters: eccKey(2, 28, 28) })).toThrow(
      expect.objectContaining({ code: 'UnknownType' }),
    )
    expect(() => read({ type: 0x25 })).toThrow(expect.objectContaining({ code: 'UnknownType', offset: 2 }))
    expect(() => read({ name: 0x99 })).toThrow(expect.objectContaining({ code: 'UnknownType', offset: 4 }))
    expect(read({ policy: 64 }).authPolicy).toHaveLength(64)
    expect(() => read({ policy: 65 })).toThrow(expect.objectContaining({ code: 'TooLarge' }))
  })

  it('is refused with more behind it, or within it', () => {
    const whole = area()
    const longer = sized(Uint8Array.of(...whole.subarray(2), 0))
    for (const bytes of [Uint8Array.of(...whole, 0), longer])
      expect(() => parseTpm2bPublic(bytes)).toThrow(expect.objectContaining({ code: 'TrailingBytes' }))
  })

  it('is an attestation key’s with each of five attributes, and without decrypt', () => {
    const { fixedTpm, fixedParent, sensitiveDataOrigin, restricted, sign, decrypt, userWithAuth, noDa } =
      objectAttributes
    const needed = [fixedTpm, fixedParent, sensitiveDataOrigin, restricted, sign]
    const all = needed.reduce<number>((left, right) => left | right, 0)
    expect(isAttestationKey(read({ attributes: all }))).toBe(true)
    expect(isAttestationKey(read({ attributes: all | userWithAuth | noDa }))).toBe(true)
    for (const bit of needed) expect([bit, isAttestationKey(read({ attributes: all & ~bit }))]).toEqual([bit, false])
    expect(isAttestationKey(read({ attributes: all | decrypt }))).toBe(false)
    expect(requireAttestationKey(area({ attributes: all })).kind).toBe('rsa')
    expect(() => requireAttestationKey(area({ attributes: 0 }))).toThrow(
      expect.objectContaining({ code: 'TpmKeyNotAllowed' }),
    )
  })

  it('has a name of its algorithm and its digest', async () => {
    const bytes = area().subarray(2)
    expect(await tpmName(read())).toEqual(Uint8Array.of(0, 0x0b, ...(await digest('SHA-256', bytes))))
    const wide = area({ name: 0x0c }).subarray(2)
    expect(await tpmName(read({ name: 0x0c }))).toEqual(Uint8Array.of(0, 0x0c, ...(await digest('SHA-384', wide))))
  })
})

describe('keys of JWKs', () => {
  const n = toBase64Url(filled(256, 0xc1))

  it('are RSA keys with n and e, a leading zero of the modulus left out', () => {
    expect(tpmKeyFromJwk({ kty: 'RSA', n, e: 'AQAB' })).toEqual({
      kind: 'rsa',
      modulus: filled(256, 0xc1),
      exponent: 65537,
    })
    const zero = toBase64Url(Uint8Array.of(0, ...filled(256, 0xc1)))
    expect(tpmKeyFromJwk({ kty: 'RSA', n: zero, e: 'AQAB' })).toMatchObject({ modulus: filled(256, 0xc1) })
    expect(tpmKeyFromJwk({ kty: 'RSA', n, e: toBase64Url(Uint8Array.of(1, 2, 3, 4)) })).toMatchObject({
      exponent: 0x01020304,
    })
    for (const jwk of [
      { kty: 'EC', n, e: 'AQAB' },
      { kty: 'RSA', e: 'AQAB' },
      { kty: 'RSA', n },
      { kty: 'RSA', n: 7, e: 'AQAB' },
    ])
      expect(() => tpmKeyFromJwk(jwk)).toThrow(expect.objectContaining({ code: 'UnknownType' }))
    for (const e of ['', toBase64Url(filled(5))])
      expect(() => tpmKeyFromJwk({ kty: 'RSA', n, e })).toThrow(expect.objectContaining({ code: 'InvalidValue' }))
  })

  it.each([
    ['P-256', 32],
    ['P-384', 48],
    ['P-521', 66],
  ])('are points on %s with whole coordinates', (crv, size) => {
    const [x, y] = [toBase64Url(filled(size, 1)), toBase64Url(filled(size, 2))]
    expect(eccKeyFromJwk({ crv, x, y })).toEqual({ kind: 'ecc', curve: crv, x: filled(size, 1), y: filled(size, 2) })
    const long = toBase64Url(filled(size + 1))
    for (const point of [
      { x: long, y },
      { x, y: long },
    ])
      expect(() => eccKeyFromJwk({ crv, ...point })).toThrow(expect.objectContaining({ code: 'WrongLength' }))
    for (const part of [
      { crv: 'secp256k1', x, y },
      { crv, y },
      { crv, x },
      { x, y },
    ])
      expect(() => eccKeyFromJwk(part)).toThrow(expect.objectContaining({ code: 'UnknownType' }))
  })
})

describe('a policy over registers', () => {
  it('knows the registers of a PC, 0 to 23', async () => {
    await expect(pcrPolicyDigest(new Map([[23, filled(32)]]), 'sha256')).resolves.toHaveLength(32)
    await expect(pcrPolicyDigest(new Map([[24, filled(32)]]), 'sha256')).rejects.toThrow(RangeError)
  })
})
