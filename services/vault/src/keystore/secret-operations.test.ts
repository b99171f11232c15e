import {
  constants,
  createHash,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  verify,
  type KeyObject,
} from 'node:crypto'
import type { AesCipher, AesWrapping, RsaEncryption } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { signatures } from './algorithms.ts'
import type { KeySpec } from './keystore.ts'
import { encodePss, verifyPss } from './pss.ts'
import { useSecret } from './secret-operations.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })
const message = Buffer.from('what is signed')
const rsaSpec: KeySpec = { type: 'RSA', bits: 2048 }

describe('uses of a secret key', () => {
  it('signs digests as every other implementation verifies them over the message', () => {
    for (const [algorithm, { type, digest, ...rest }] of Object.entries(signatures)) {
      // RSNULL has no message: the caller has encoded the padded value.
      if (digest === undefined) continue
      const curve = 'curve' in rest ? rest.curve : undefined
      const pair =
        curve === undefined ? rsa : generateKeyPairSync('ec', { namedCurve: curve === 'P-256K' ? 'secp256k1' : curve })
      const { value } = useSecret(pkcs8(pair.privateKey), curve ? { type: 'EC', curve } : rsaSpec, {
        operation: 'sign',
        algorithm: algorithm as keyof typeof signatures,
        value: createHash(digest).update(message).digest(),
      })
      const padding = 'padding' in rest && rest.padding === 'pss' ? constants.RSA_PKCS1_PSS_PADDING : undefined
      const key = {
        key: pair.publicKey,
        ...(padding && { padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }),
        ...(type === 'EC' && { dsaEncoding: 'ieee-p1363' as const }),
      }
      expect([algorithm, verify(digest, message, key, value)]).toEqual([algorithm, true])
    }
  })

  it('verifies probabilistic signatures only whole, of the right digest and of any modulus length', () => {
    const digest = createHash('sha256').update(message).digest()
    for (const bits of [2048, 2049, 3072, 4096]) {
      const good = encodePss('sha256', digest, bits)
      expect(verifyPss('sha256', digest, good, bits)).toBe(true)
      for (const place of [0, 5, 40, good.length - 40, good.length - 1]) {
        const bad = Buffer.from(good)
        bad[place]! ^= 0x80
        expect([bits, place, verifyPss('sha256', digest, bad, bits)]).toEqual([bits, place, false])
      }
      expect(verifyPss('sha256', createHash('sha256').update('other').digest(), good, bits)).toBe(false)
      expect(verifyPss('sha384', createHash('sha384').update(message).digest(), good, bits)).toBe(false)
    }
  })

  it('decrypts what any client encrypts, and says the same of every value that does not decrypt', () => {
    const hashes: Record<RsaEncryption, string | undefined> = {
      'RSA-OAEP': 'sha1',
      'RSA-OAEP-256': 'sha256',
      RSA1_5: undefined,
    }
    const texts = new Set<string>()
    for (const [algorithm, oaepHash] of Object.entries(hashes) as [RsaEncryption, string | undefined][]) {
      const padding = oaepHash ? constants.RSA_PKCS1_OAEP_PADDING : constants.RSA_PKCS1_PADDING
      const value = publicEncrypt({ key: rsa.publicKey, padding, ...(oaepHash && { oaepHash }) }, message)
      const use = { operation: 'decrypt', algorithm, value } as const
      expect(useSecret(pkcs8(rsa.privateKey), rsaSpec, use).value).toEqual(message)
      if (algorithm === 'RSA1_5') continue
      for (const bad of [Buffer.alloc(256), value.subarray(1), Buffer.alloc(256, 0xff), Buffer.alloc(0)]) {
        try {
          useSecret(pkcs8(rsa.privateKey), rsaSpec, { ...use, value: bad })
          expect.unreachable()
        } catch (error) {
          texts.add((error as Error).message)
        }
      }
    }
    expect([...texts]).toEqual(['The value does not decrypt with this key.'])
  })

  it('wraps and unwraps with AES of each size, and refuses altered, truncated and padded wraps', () => {
    const each: [AesWrapping, number][] = [
      ['A128KW', 16],
      ['A192KW', 24],
      ['A256KW', 32],
      ['CKM_AES_KEY_WRAP', 32],
      ['CKM_AES_KEY_WRAP_PAD', 32],
    ]
    for (const [algorithm, size] of each) {
      const secret = randomBytes(size)
      const spec: KeySpec = { type: 'oct', bits: (size * 8) as 128 }
      const plain = randomBytes(algorithm.endsWith('PAD') ? 21 : 24)
      const { value } = useSecret(secret, spec, { operation: 'wrap', algorithm, value: plain })
      expect(useSecret(secret, spec, { operation: 'unwrap', algorithm, value }).value).toEqual(plain)
      const flipped = Buffer.from(value)
      flipped[3]! ^= 1
      for (const bad of [flipped, value.subarray(8), Buffer.concat([value, Buffer.alloc(8)]), Buffer.alloc(0)]) {
        expect(() => useSecret(secret, spec, { operation: 'unwrap', algorithm, value: bad })).toThrow('does not unwrap')
      }
    }
    // RFC 3394 section 4.6.
    const kek = Buffer.from('000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F', 'hex')
    const data = Buffer.from('00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F', 'hex')
    const vector = useSecret(kek, { type: 'oct', bits: 256 }, { operation: 'wrap', algorithm: 'A256KW', value: data })
    expect(Buffer.from(vector.value).toString('hex')).toBe(
      '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
    )
  })

  it('encrypts with AES in each mode, and opens nothing that was altered or has a short tag', () => {
    const sizes = { '128': 16, '192': 24, '256': 32 }
    for (const [bits, size] of Object.entries(sizes)) {
      const secret = randomBytes(size)
      const spec: KeySpec = { type: 'oct', bits: Number(bits) as 128 }
      const gcm = `A${bits}GCM` as AesCipher
      const aad = Buffer.from('context')
      const sealed = useSecret(secret, spec, { operation: 'seal', algorithm: gcm, value: message, aad })
      const open = {
        operation: 'open',
        algorithm: gcm,
        value: sealed.value,
        iv: sealed.iv!,
        aad,
        tag: sealed.tag!,
      } as const
      expect(useSecret(secret, spec, open).value).toEqual(message)
      expect(() => useSecret(secret, spec, { ...open, aad: Buffer.from('other') })).toThrow('does not open')
      expect(() => useSecret(secret, spec, { ...open, tag: sealed.tag!.subarray(0, 12) })).toThrow('does not open')
      for (const mode of ['CBC', 'CBCPAD']) {
        const algorithm = `A${bits}${mode}` as AesCipher
        const plain = mode === 'CBC' ? randomBytes(32) : message
        const iv = randomBytes(16)
        const { value } = useSecret(secret, spec, { operation: 'seal', algorithm, value: plain, iv })
        expect(useSecret(secret, spec, { operation: 'open', algorithm, value, iv }).value).toEqual(plain)
        expect(() => useSecret(secret, spec, { operation: 'open', algorithm, value: value.subarray(1), iv })).toThrow(
          'does not open',
        )
      }
    }
  })
})
