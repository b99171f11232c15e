import { bitString, der, integer, namedBits, nullValue, oid, sequence } from '@strongroom/der'
import { createHash, createSign, generateKeyPairSync, sign } from 'node:crypto'
import * as nodeCrypto from 'node:crypto'
import {
  nodePrimitives,
  parsePublicKey,
  verifySignature,
  webPrimitives,
  type SignatureAlgorithm,
} from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'

const refused = (code: string): unknown => expect.objectContaining({ name: 'ParseError', code })
const ecOid = '1.2.840.10045.2.1'
const rsaOid = '1.2.840.113549.1.1.1'
const [p256, p384, p521] = ['1.2.840.10045.3.1.7', '1.3.132.0.34', '1.3.132.0.35']
const ec = (curve: string, length: number, form = 4): Uint8Array =>
  sequence(sequence(oid(ecOid), oid(curve)), bitString(new Uint8Array(length).fill(form, 0, 1)))
const rsa = (...numbers: Uint8Array[]): Uint8Array =>
  sequence(sequence(oid(rsaOid), nullValue()), bitString(sequence(...numbers)))

describe('a public key', () => {
  it.each([
    ['P-256', p256, 65],
    ['P-384', p384, 97],
    ['P-521', p521, 133],
  ] as const)('on %s is its point, uncompressed', (curve, name, length) => {
    const key = parsePublicKey(ec(name, length))
    expect(key).toMatchObject({ kind: 'EC', curve, spki: ec(name, length) })
    for (const [size, form] of [
      [length - 1, 4],
      [length + 1, 4],
      [length, 2],
    ] as const)
      expect(() => parsePublicKey(ec(name, size, form))).toThrow(refused('InvalidValue'))
  })

  it.each([
    [1n << 2047n, 2048],
    [(1n << 2047n) - 1n, 2047],
    [1n << 2048n, 2049],
    [(1n << 2055n) + 5n, 2056],
    [255n, 8],
    [256n, 9],
    [1n, 1],
  ])('of RSA has the bits of its modulus', (modulus, bits) => {
    const key = parsePublicKey(rsa(integer(modulus), integer(65537n)))
    expect(key).toMatchObject({ kind: 'RSA', modulusBits: bits, exponent: Uint8Array.of(1, 0, 1) })
    expect(key.kind === 'RSA' && BigInt(`0x${Buffer.from(key.modulus).toString('hex')}`)).toBe(modulus)
  })

  const negative = der(2, Uint8Array.of(0x80))
  it.each<[what: string, spki: Uint8Array, code: string]>([
    ['of another kind', sequence(sequence(oid('1.3.101.112')), bitString(new Uint8Array(32))), 'UnknownType'],
    ['on another curve', ec('1.3.132.0.10', 65), 'UnknownType'],
    [
      'with something after its curve',
      sequence(sequence(oid(ecOid), oid(p256), nullValue()), bitString(new Uint8Array(65).fill(4, 0, 1))),
      'TrailingBytes',
    ],
    [
      'with something after its point',
      sequence(sequence(oid(ecOid), oid(p256)), bitString(new Uint8Array(65).fill(4, 0, 1)), nullValue()),
      'TrailingBytes',
    ],
    ['with half a byte of point', sequence(sequence(oid(ecOid), oid(p256)), namedBits([3])), 'InvalidValue'],
    ['of RSA without NULL', sequence(sequence(oid(rsaOid)), bitString(sequence(integer(5), integer(3)))), 'Truncated'],
    [
      'of RSA with NULL that holds something',
      sequence(sequence(oid(rsaOid), Uint8Array.of(5, 1, 0)), bitString(sequence(integer(5), integer(3)))),
      'WrongLength',
    ],
    [
      'of RSA with something after NULL',
      sequence(sequence(oid(rsaOid), nullValue(), nullValue()), bitString(sequence(integer(5), integer(3)))),
      'TrailingBytes',
    ],
    ['of RSA with something after its numbers', rsa(integer(5), integer(3), integer(1)), 'TrailingBytes'],
    [
      'of RSA with something after its key',
      sequence(sequence(oid(rsaOid), nullValue()), bitString(sequence(integer(5), integer(3))), nullValue()),
      'TrailingBytes',
    ],
    ['of RSA with a modulus of 0', rsa(integer(0), integer(3)), 'InvalidValue'],
    ['of RSA with a negative modulus', rsa(negative, integer(3)), 'InvalidValue'],
    ['of RSA with an exponent of 0', rsa(integer(5), integer(0)), 'InvalidValue'],
    ['of RSA with a negative exponent', rsa(integer(5), negative), 'InvalidValue'],
    ['with something after it', Uint8Array.of(...ec(p256, 65), 0), 'TrailingBytes'],
  ])('%s is refused', (_, spki, code) => {
    expect(() => parsePublicKey(spki)).toThrow(refused(code))
  })
})

const data = new TextEncoder().encode('signed')
const pairOf = (curve: string): nodeCrypto.KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve: curve })
const spkiOf = (key: nodeCrypto.KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'spki' }))
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

describe.each([
  ['WebCrypto', webPrimitives],
  ['node:crypto', nodePrimitives(nodeCrypto)],
])('a signature through %s', (_name, primitives) => {
  const check = (
    spki: Uint8Array,
    algorithm: SignatureAlgorithm,
    signature: Uint8Array,
    over = data,
  ): Promise<boolean> =>
    verifySignature({ key: parsePublicKey(spki), algorithm, signature, data: over, subject: 'Leaf', primitives })

  it.each([
    ['P-256', 'SHA-256', 32],
    ['P-384', 'SHA-384', 48],
    ['P-521', 'SHA-512', 66],
  ] as const)('of ECDSA on %s is DER of two numbers, and nothing else', async (curve, hash, size) => {
    const { publicKey, privateKey } = pairOf(curve)
    const spki = spkiOf(publicKey)
    const nodeHash = hash.replace('-', '').toLowerCase()
    const accepts = (signature: Uint8Array): Promise<boolean> => check(spki, { kind: 'ECDSA', hash }, signature)
    // One number in a hundred has leading zeros, which DER omits.
    for (let index = 0; index < 300; index++) {
      const raw = new Uint8Array(sign(nodeHash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
      if (index > 3 && raw[0] !== 0 && raw[size] !== 0) continue
      const [r, s] = [numberOf(raw.subarray(0, size)), numberOf(raw.subarray(size))]
      expect(await accepts(sequence(integer(r), integer(s)))).toBe(true)
    }
    const good = new Uint8Array(createSign(nodeHash).update(data).sign(privateKey))
    expect(await accepts(good)).toBe(true)
    expect(await check(spki, { kind: 'ECDSA', hash }, good, new TextEncoder().encode('Signed'))).toBe(false)
    const { privateKey: other } = pairOf(curve)
    expect(await accepts(new Uint8Array(createSign(nodeHash).update(data).sign(other)))).toBe(false)
    const signed = (): Uint8Array =>
      new Uint8Array(sign(nodeHash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
    let raw = signed()
    while (raw[size - 1] === 0) raw = signed()
    const [r, s] = [integer(numberOf(raw.subarray(0, size))), integer(numberOf(raw.subarray(size)))]
    for (const wrong of [
      new Uint8Array(0),
      raw,
      Uint8Array.of(...good, 0),
      sequence(r, s, nullValue()),
      sequence(r),
      sequence(r, integer(0)),
      sequence(integer(0), s),
      sequence(s, r),
      sequence(r, der(2, Uint8Array.of(0x80))),
      sequence(integer(1n << BigInt(8 * size)), s),
      // The last byte of r in front of s: written to two fields of fixed length it would be the valid signature.
      sequence(r, integer(numberOf(raw.subarray(size - 1)))),
      sequence(der(2, Uint8Array.of(0, ...r.subarray(2))), s),
    ])
      expect(await accepts(wrong), Buffer.from(wrong).toString('hex')).toBe(false)
  })

  it('of RSA is taken in each form for what it says, by one key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = parsePublicKey(spkiOf(publicKey))
    const verdict = (algorithm: SignatureAlgorithm, signature: Uint8Array): Promise<boolean> =>
      verifySignature({ key, algorithm, signature, data, subject: 'Leaf', primitives })
    const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = nodeCrypto.constants
    for (const hash of ['SHA-256', 'SHA-384', 'SHA-512'] as const) {
      const name = hash.replace('-', '').toLowerCase()
      const plain = new Uint8Array(sign(name, data, { key: privateKey, padding: RSA_PKCS1_PADDING }))
      expect(await verdict({ kind: 'RSA-PKCS1', hash }, plain)).toBe(true)
      expect(await verdict({ kind: 'RSA-PSS', hash, saltLength: 32 }, plain)).toBe(false)
      const options = { key: privateKey, padding: RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      const salted = new Uint8Array(sign(name, data, options))
      expect(await verdict({ kind: 'RSA-PSS', hash, saltLength: 32 }, salted)).toBe(true)
      expect(await verdict({ kind: 'RSA-PSS', hash, saltLength: 48 }, salted)).toBe(false)
      expect(await verdict({ kind: 'RSA-PKCS1', hash }, salted)).toBe(false)
      salted[0]! ^= 1
      expect(await verdict({ kind: 'RSA-PSS', hash, saltLength: 32 }, salted)).toBe(false)
    }
  })

  it('by a key of another kind, or a weak one, is refused', async () => {
    const spki = spkiOf(pairOf('P-256').publicKey)
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2040 })
    const facts = (expected: string, found: string): object => ({
      name: 'VerificationError',
      code: 'AlgorithmNotAllowed',
      subject: 'Leaf',
      expected,
      found,
    })
    const none = new Uint8Array(64)
    await expect(check(spki, { kind: 'RSA-PKCS1', hash: 'SHA-256' }, none)).rejects.toMatchObject(
      facts('an RSA key', 'EC'),
    )
    await expect(check(spki, { kind: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 }, none)).rejects.toMatchObject(
      facts('an RSA key', 'EC'),
    )
    await expect(check(spkiOf(publicKey), { kind: 'ECDSA', hash: 'SHA-256' }, none)).rejects.toMatchObject(
      facts('an elliptic-curve key', 'RSA'),
    )
    await expect(check(spkiOf(publicKey), { kind: 'RSA-PKCS1', hash: 'SHA-256' }, none)).rejects.toMatchObject(
      facts('at least 2048 bits', '2040 bits'),
    )
  })

  it('by a point off the curve is refused', async () => {
    const signature = sequence(integer(1), integer(1))
    await expect(check(ec(p256, 65), { kind: 'ECDSA', hash: 'SHA-256' }, signature)).rejects.toMatchObject({
      name: 'VerificationError',
      code: 'AlgorithmNotAllowed',
    })
  })

  it.each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] as const)('has digests of %s', async (hash) => {
    const wanted = createHash(hash.replace('-', '').toLowerCase()).update(data).digest()
    expect(await primitives.digest(hash, data)).toEqual(new Uint8Array(wanted))
  })
})
