import { forWebCrypto } from '../core/bytes/digest.ts'
import { VerificationError } from '../core/errors.ts'

/**
 * Signature algorithms of RFC 7518 that this package accepts. Never `none`, never a keyed hash.
 * @example
 * import { tokenAlgorithms } from '@strongroom/evidence'
 *
 * tokenAlgorithms.join(' ') // => 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512'
 */
export const tokenAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

/** Algorithms that Azure Attestation and Key Vault sign with. */
export const azureTokenAlgorithms: readonly TokenAlgorithm[] = ['RS256']

const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const

/** Key type and, for ECDSA, curve that an algorithm needs. */
export function keyOfAlgorithm(
  algorithm: TokenAlgorithm,
): { kty: 'RSA'; crv?: undefined } | { kty: 'EC'; crv: string } {
  if (algorithm === 'ES256' || algorithm === 'ES384' || algorithm === 'ES512') {
    return { kty: 'EC', crv: curves[algorithm] }
  }
  return { kty: 'RSA' }
}

/**
 * Selects the algorithm from the caller's fixed list, never from the token alone (RFC 8725 section 3.1).
 * @throws VerificationError AlgorithmNotAllowed
 */
export function requireAlgorithm(named: unknown, allowed: readonly TokenAlgorithm[]): TokenAlgorithm {
  const found = tokenAlgorithms.find((algorithm) => algorithm === named && allowed.includes(algorithm))
  if (found !== undefined) return found
  throw new VerificationError({
    code: 'AlgorithmNotAllowed',
    message: 'Token is signed by an algorithm that is not allowed',
    subject: 'token',
    expected: allowed.join(', '),
    found: typeof named === 'string' ? named.slice(0, 32) : typeof named,
  })
}

/** Key to import: a JWK's public members or a certificate's SubjectPublicKeyInfo. */
export type KeyMaterial = { jwk: JsonWebKey } | { spki: Uint8Array }

/**
 * True if the signature covers the data. ECDSA signatures are r and s (RFC 7518 section 3.4). @throws VerificationError
 * TokenKeyNotAllowed
 */
export async function verifyTokenSignature(o: {
  algorithm: TokenAlgorithm
  key: KeyMaterial
  signature: Uint8Array
  data: Uint8Array
}): Promise<boolean> {
  const hash = `SHA-${o.algorithm.slice(2)}`
  const family = o.algorithm.slice(0, 2)
  const wanted = keyOfAlgorithm(o.algorithm)
  const parameters =
    wanted.kty === 'EC'
      ? { name: 'ECDSA', namedCurve: wanted.crv, hash }
      : { name: family === 'PS' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash, saltLength: Number(o.algorithm.slice(2)) / 8 }
  let key: CryptoKey
  try {
    key =
      'jwk' in o.key
        ? await crypto.subtle.importKey('jwk', o.key.jwk, parameters, false, ['verify'])
        : await crypto.subtle.importKey('spki', forWebCrypto(o.key.spki), parameters, false, ['verify'])
  } catch (cause) {
    throw new VerificationError({ code: 'TokenKeyNotAllowed', message: 'Key of the token is not a valid key', cause })
  }
  return crypto.subtle.verify(parameters, key, forWebCrypto(o.signature), forWebCrypto(o.data))
}
