import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { tpmKeyFromJwk } from './public.ts'
import { parseTpmtSignature, verifyTpmSignature } from './signature.ts'

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const filled = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value)

describe('TPMT_SIGNATURE', () => {
  const rsa = (scheme: number, hash: number, length: number): Uint8Array =>
    new ByteWriter()
      .u16be(scheme)
      .u16be(hash)
      .bytes(sized(filled(length)))
      .finish()
  const ecdsa = (r: number, s: number): Uint8Array =>
    new ByteWriter()
      .u16be(0x18)
      .u16be(0x0b)
      .bytes(sized(filled(r, 1)))
      .bytes(sized(filled(s, 2)))
      .finish()

  it('is read by scheme and hash', () => {
    expect(parseTpmtSignature(rsa(0x14, 0x0b, 256))).toEqual({
      scheme: 'rsassa',
      hash: 'sha256',
      signature: filled(256),
    })
    expect(parseTpmtSignature(rsa(0x16, 0x0c, 512))).toEqual({
      scheme: 'rsapss',
      hash: 'sha384',
      signature: filled(512),
    })
    expect(parseTpmtSignature(ecdsa(66, 66))).toEqual({
      scheme: 'ecdsa',
      hash: 'sha256',
      r: filled(66, 1),
      s: filled(66, 2),
    })
  })

  it('is refused longer than any key’s, of another scheme or hash, or with more behind it', () => {
    for (const bytes of [rsa(0x14, 0x0b, 513), ecdsa(67, 1), ecdsa(1, 67)])
      expect(() => parseTpmtSignature(bytes)).toThrow(expect.objectContaining({ code: 'TooLarge' }))
    expect(() => parseTpmtSignature(rsa(0x15, 0x0b, 1))).toThrow(
      expect.objectContaining({ code: 'UnknownType', offset: 0 }),
    )
    expect(() => parseTpmtSignature(rsa(0x14, 0x99, 1))).toThrow(
      expect.objectContaining({ code: 'UnknownType', offset: 2 }),
    )
    expect(() => parseTpmtSignature(Uint8Array.of(...ecdsa(32, 32), 0))).toThrow(
      expect.objectContaining({ code: 'TrailingBytes' }),
    )
  })

  it('fits its key: kind, strength, exponent, and numbers no longer than the curve’s', async () => {
    const rsaOf = (bytes: number, exponent: number) =>
      ({ kind: 'rsa', modulus: filled(bytes, 0xc1), exponent }) as const
    const point = { kind: 'ecc', curve: 'P-256', x: filled(32), y: filled(32) } as const
    const signature = { scheme: 'rsassa', hash: 'sha256', signature: filled(256) } as const
    const numbers = { scheme: 'ecdsa', hash: 'sha256', r: filled(32), s: filled(32) } as const
    const message = new Uint8Array(1)
    const code = (o: Omit<Parameters<typeof verifyTpmSignature>[0], 'message'>): Promise<unknown> =>
      verifyTpmSignature({ ...o, message }).then(
        () => 'verified',
        (error: unknown) => (error as { code: string }).code,
      )
    expect(await code({ key: rsaOf(256, 65537), signature })).toBe('TpmSignatureInvalid')
    for (const key of [rsaOf(255, 65537), rsaOf(256, 3), rsaOf(256, 65535), rsaOf(256, 65538)])
      expect(await code({ key, signature })).toBe('TpmKeyNotAllowed')
    expect(await code({ key: rsaOf(256, 65539), signature })).toBe('TpmSignatureInvalid')
    expect(await code({ key: rsaOf(256, 65537), signature: numbers })).toBe('TpmKeyNotAllowed')
    expect(await code({ key: point, signature })).toBe('TpmKeyNotAllowed')
    // A point that is not on the curve is not a key.
    expect(await code({ key: point, signature: numbers })).toBe('TpmKeyNotAllowed')
    expect(await code({ key: point, signature: { ...numbers, r: filled(33) } })).toBe('TpmSignatureInvalid')
    expect(await code({ key: point, signature: { ...numbers, s: filled(33) } })).toBe('TpmSignatureInvalid')
    expect(await code({ key: rsaOf(256, 65537), signature: { ...signature, hash: 'sha1' } })).toBe(
      'AlgorithmNotAllowed',
    )
    expect(await code({ key: rsaOf(256, 65537), signature: { ...signature, hash: 'sm3-256' } })).toBe(
      'AlgorithmNotAllowed',
    )
  })
})

describe('signatures of a TPM', () => {
  const message = Uint8Array.from([1, 2, 3])

  it.each([
    ['P-256', 'sha256', 32],
    ['P-384', 'sha384', 48],
    ['P-521', 'sha512', 66],
  ] as const)('verify on %s, their numbers with and without leading zeros', async (curve, hash, size) => {
    const name = hash.replace('sha', 'SHA-')
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign'])
    const point = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
    const key = { kind: 'ecc', curve, x: point.subarray(1, 1 + size), y: point.subarray(1 + size) } as const
    // One number in 256 begins with a zero; for P-521, one in two.
    let shortened = 0
    for (let turn = 0; turn < 3000 && (turn < 3 || shortened === 0); turn++) {
      const raw = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: name }, pair.privateKey, message))
      const [r, s] = [raw.subarray(0, size), raw.subarray(size)]
      const signature = { scheme: 'ecdsa', hash, r: r[0] === 0 ? r.subarray(1) : r, s } as const
      if (r[0] === 0) shortened++
      if (turn < 3 || r[0] === 0) await verifyTpmSignature({ key, signature, message })
      const other = { ...signature, s: s.with(size - 1, s[size - 1]! ^ 1) }
      if (turn === 0)
        await expect(verifyTpmSignature({ key, signature: other, message })).rejects.toMatchObject({
          code: 'TpmSignatureInvalid',
        })
    }
    expect(shortened).toBeGreaterThan(0)
  })

  it('verify by RSA-PSS with a salt of the digest’s size or the largest, and with none between', async () => {
    const parameters = { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
    const pair = await crypto.subtle.generateKey(parameters, true, ['sign'])
    const key = tpmKeyFromJwk((await crypto.subtle.exportKey('jwk', pair.publicKey)) as object)
    const verify = async (saltLength: number): Promise<void> => {
      const bytes = await crypto.subtle.sign({ name: 'RSA-PSS', saltLength }, pair.privateKey, message)
      await verifyTpmSignature({
        key,
        signature: { scheme: 'rsapss', hash: 'sha256', signature: new Uint8Array(bytes) },
        message,
      })
    }
    await verify(32)
    await verify(256 - 32 - 2)
    for (const salt of [0, 31, 33, 221])
      await expect(verify(salt)).rejects.toMatchObject({ code: 'TpmSignatureInvalid' })
  })
})
