import * as nodeCrypto from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { nodePrimitives, type Primitives, webPrimitives } from '@strongroom/evidence'
import { type TokenAlgorithm, verifyTokenSignature } from '../../packages/evidence/src/tokens/algorithms.ts'
import { verifyTpmSignature } from '../../packages/evidence/src/tpm/signature.ts'
import type { SignatureAlgorithm, SignatureHash } from '../../packages/evidence/src/x509/algorithms.ts'
import { verifyRawEcdsa, verifySignature } from '../../packages/evidence/src/x509/verify-signature.ts'
import { parsePublicKey } from '../../packages/evidence/src/x509/public-key.ts'
import { isSignature } from '../../packages/transparency/src/note.ts'
import type { KeySpec, PublicParts } from '../../services/vault/src/keystore/keystore.ts'
import { verifySignature as vaultVerify } from '../../services/vault/src/keystore/public-operations.ts'
import { type Group, hex, judgeVectors, missingVectors } from './vectors.ts'

const certified = [
  ['ecdsa_secp256r1_sha256', 'ECDSA', 'SHA-256'],
  ['ecdsa_secp256r1_sha512', 'ECDSA', 'SHA-512'],
  ['ecdsa_secp384r1_sha256', 'ECDSA', 'SHA-256'],
  ['ecdsa_secp384r1_sha384', 'ECDSA', 'SHA-384'],
  ['ecdsa_secp384r1_sha512', 'ECDSA', 'SHA-512'],
  ['ecdsa_secp521r1_sha512', 'ECDSA', 'SHA-512'],
  ...[2048, 3072, 4096].flatMap((bits) =>
    ([256, 384, 512] as const).map((hash) => [`rsa_signature_${bits}_sha${hash}`, 'RSA-PKCS1', `SHA-${hash}`] as const),
  ),
  ['rsa_pss_2048_sha256_mgf1_0', 'RSA-PSS', 'SHA-256'],
  ['rsa_pss_2048_sha256_mgf1_32', 'RSA-PSS', 'SHA-256'],
  ['rsa_pss_3072_sha256_mgf1_32', 'RSA-PSS', 'SHA-256'],
  ['rsa_pss_2048_sha384_mgf1_48', 'RSA-PSS', 'SHA-384'],
  ['rsa_pss_4096_sha384_mgf1_48', 'RSA-PSS', 'SHA-384'],
  ['rsa_pss_4096_sha512_mgf1_32', 'RSA-PSS', 'SHA-512'],
  ['rsa_pss_4096_sha512_mgf1_64', 'RSA-PSS', 'SHA-512'],
] as const

/** r and s of fixed length. */
const raw = [
  ['ecdsa_secp256r1_sha256_p1363', 'SHA-256', 'ES256'],
  ['ecdsa_secp256r1_sha512_p1363', 'SHA-512', undefined],
  ['ecdsa_secp384r1_sha384_p1363', 'SHA-384', 'ES384'],
  ['ecdsa_secp384r1_sha512_p1363', 'SHA-512', undefined],
  ['ecdsa_secp521r1_sha512_p1363', 'SHA-512', 'ES512'],
] as const

const tokens: readonly (readonly [string, TokenAlgorithm])[] = [
  ...raw.flatMap(([name, , algorithm]) => (algorithm === undefined ? [] : [[name, algorithm] as const])),
  ...[2048, 3072, 4096].flatMap((bits) =>
    ([256, 384, 512] as const).map((hash) => [`rsa_signature_${bits}_sha${hash}`, `RS${hash}`] as const),
  ),
  ['rsa_pss_2048_sha256_mgf1_32', 'PS256'],
  ['rsa_pss_3072_sha256_mgf1_32', 'PS256'],
  ['rsa_pss_4096_sha384_mgf1_48', 'PS384'],
  ['rsa_pss_4096_sha512_mgf1_64', 'PS512'],
]

const providers: [string, Primitives][] = [
  ['WebCrypto', webPrimitives],
  ['node:crypto', nodePrimitives(nodeCrypto)],
]

const algorithmOf = (kind: SignatureAlgorithm['kind'], hash: SignatureHash, group: Group): SignatureAlgorithm =>
  kind === 'RSA-PSS' ? { kind, hash, saltLength: group.sLen } : { kind, hash }

const jwks = new WeakMap<Group, JsonWebKey>()
const jwkOf = (group: Group): JsonWebKey => {
  const known = jwks.get(group)
  if (known !== undefined) return known
  const key = nodeCrypto.createPublicKey({ key: Buffer.from(group.publicKeyDer, 'hex'), format: 'der', type: 'spki' })
  const jwk = key.export({ format: 'jwk' }) as JsonWebKey
  jwks.set(group, jwk)
  return jwk
}

describe.skipIf(missingVectors !== undefined)('vectors of Wycheproof', { timeout: 600_000 }, () => {
  describe.each(providers)('through %s', (_name, primitives) => {
    it.each(certified)('%s: signatures of certificates and lists', async (name, kind, hash) => {
      const found = await judgeVectors(name, (vector, group) =>
        verifySignature({
          key: parsePublicKey(hex(group.publicKeyDer)),
          algorithm: algorithmOf(kind, hash, group),
          signature: hex(vector.sig),
          data: hex(vector.msg),
          subject: 'vector',
          primitives,
        }),
      )
      expect(found.wrong).toEqual([])
      expect(Math.min(found.valid, found.refused)).toBeGreaterThan(5)
    })

    it.each(raw)('%s: r and s as in reports and quotes', async (name, hash) => {
      const found = await judgeVectors(name, (vector, group) => {
        const key = parsePublicKey(hex(group.publicKeyDer))
        if (key.kind !== 'EC') throw new TypeError('the vector has another key')
        return verifyRawEcdsa({ key, hash, signature: hex(vector.sig), data: hex(vector.msg), primitives })
      })
      expect(found.wrong).toEqual([])
      expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
    })
  })

  it.each(tokens)('%s: tokens under %s', async (name, algorithm) => {
    for (const form of ['jwk', 'spki'] as const) {
      const found = await judgeVectors(name, (vector, group) =>
        verifyTokenSignature({
          algorithm,
          key: form === 'jwk' ? { jwk: jwkOf(group) } : { spki: hex(group.publicKeyDer) },
          signature: hex(vector.sig),
          data: hex(vector.msg),
        }),
      )
      expect(found.wrong).toEqual([])
      expect(Math.min(found.valid, found.refused)).toBeGreaterThan(5)
    }
  })

  it.each(tokens)('%s: keys of a vault under %s', async (name, algorithm) => {
    const found = await judgeVectors(name, (vector, group) => vaultAccepts(vector.sig, vector.msg, group, algorithm))
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(5)
  })

  it('ecdsa_secp256k1_sha256_p1363: keys of a vault under ES256K', async () => {
    const found = await judgeVectors('ecdsa_secp256k1_sha256_p1363', (vector, group) =>
      vaultAccepts(vector.sig, vector.msg, group, 'ES256K'),
    )
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
  })

  it.each([
    ['rsa_signature_2048_sha256', 'rsassa', 'sha256'],
    ['rsa_signature_3072_sha384', 'rsassa', 'sha384'],
    ['rsa_pss_2048_sha256_mgf1_32', 'rsapss', 'sha256'],
    ['rsa_pss_4096_sha512_mgf1_64', 'rsapss', 'sha512'],
    ['ecdsa_secp256r1_sha256_p1363', 'ecdsa', 'sha256'],
    ['ecdsa_secp384r1_sha384_p1363', 'ecdsa', 'sha384'],
    ['ecdsa_secp521r1_sha512_p1363', 'ecdsa', 'sha512'],
  ] as const)('%s: statements of a TPM', async (name, scheme, hash) => {
    const found = await judgeVectors(
      name,
      async (vector, group) => {
        const bytes = hex(vector.sig)
        const key = tpmKeyOf(group)
        // A TPM's r and s are separate numbers, which may be shorter than the curve's.
        if (key.kind === 'ecc' && bytes.length < 2 * key.x.length) return vector.result === 'valid'
        const half = bytes.length / 2
        const signature =
          scheme === 'ecdsa'
            ? { scheme, hash, r: bytes.slice(0, half), s: bytes.slice(half) }
            : { scheme, hash, signature: bytes }
        await verifyTpmSignature({ key, signature, message: hex(vector.msg) })
        return true
      },
      // The others are refused as keys.
      (group) => jwkOf(group).kty === 'EC' || jwkOf(group).e === 'AQAB',
    )
    // TPMs salt with the digest's size or with the largest salt that fits.
    const size = Number(hash.slice(3)) / 8
    const largest = Number(/_(\d{4})_/.exec(name)?.[1] ?? 0) / 8 - size - 2
    expect(found.wrong.filter((text) => !text.includes(`(s_len changed to ${largest})`))).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(5)
  })

  it('ed25519: checkpoints of a log', async () => {
    const found = await judgeVectors('ed25519', (vector, group) =>
      isSignature({ name: 'log', publicKey: hex(group.publicKey.pk!) }, hex(vector.sig), hex(vector.msg)),
    )
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
  })
})

function vaultAccepts(sig: string, msg: string, group: Group, algorithm: TokenAlgorithm | 'ES256K'): boolean {
  const jwk = jwkOf(group) as PublicParts & { crv?: string }
  const bits = Buffer.from(jwk.n ?? '', 'base64url').length * 8
  const spec = (jwk.n === undefined ? { type: 'EC', curve: 'P-256' } : { type: 'RSA', bits }) as KeySpec
  const hash = algorithm === 'ES256K' ? 'sha256' : `sha${algorithm.slice(2)}`
  const digest = nodeCrypto.createHash(hash).update(hex(msg)).digest()
  return vaultVerify({ spec, parts: jwk, algorithm, digest, signature: hex(sig) })
}

type TpmKey = Parameters<typeof verifyTpmSignature>[0]['key']

function tpmKeyOf(group: Group): TpmKey {
  const jwk = jwkOf(group)
  const part = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text ?? '', 'base64url'))
  if (jwk.kty === 'RSA') {
    const exponent = Number(`0x${Buffer.from(part(jwk.e)).toString('hex')}`)
    return { kind: 'rsa', modulus: part(jwk.n), exponent } as TpmKey
  }
  return { kind: 'ecc', curve: jwk.crv, x: part(jwk.x), y: part(jwk.y) } as TpmKey
}
