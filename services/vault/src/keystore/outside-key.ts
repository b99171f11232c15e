import { createPrivateKey, createPublicKey, sign, verify, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { EllipticCurve } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import type { KeySpec, PublicParts } from './keystore.ts'

/** A key created elsewhere, its halves verified to match. */
export interface OutsideKey {
  spec: KeySpec
  /** PKCS#8 DER, or the raw bytes of an oct key. */
  secret: Uint8Array
  publicParts: PublicParts
}

/** Curve names of JWKs here and in OpenSSL. */
const curveNames: Record<EllipticCurve, string> = {
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  'P-256K': 'secp256k1',
}
const textLimit = 2048
const privateParts = { RSA: ['d', 'p', 'q', 'dp', 'dq', 'qi'], EC: ['d'] } as const

/** @throws ServiceError 400 BadParameter; no message repeats a private value */
export function outsideKeyOf(type: KeySpec['type'], jwk: Record<string, unknown>): OutsideKey {
  if (type === 'oct') return octKeyOf(Buffer.from(partOf(jwk, 'k'), 'base64url'))
  return type === 'RSA' ? rsaKey(jwk) : ecKey(jwk)
}

/**
 * The same for unwrapped bytes: PKCS#8 DER, or raw.
 * @throws an error if it is not such a key, or one that vaults refuse
 */
export function outsideKeyFrom(type: KeySpec['type'], secret: Uint8Array): OutsideKey {
  if (type === 'oct') return octKeyOf(secret)
  const der = Buffer.from(secret.buffer, secret.byteOffset, secret.length)
  const jwk = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
  if (jwk.kty !== type) throw wrong('key.kty', type, shown(jwk.kty))
  return outsideKeyOf(type, { ...jwk, ...(jwk.crv === 'secp256k1' && { crv: 'P-256K' }) })
}

function octKeyOf(secret: Uint8Array): OutsideKey {
  const bits = [128, 192, 256].find((size) => size === secret.length * 8)
  if (bits === undefined) throw wrong('key.k', '128, 192 or 256 bits', `${secret.length * 8} bits`)
  return { spec: { type: 'oct', bits } as KeySpec, secret, publicParts: {} }
}

function rsaKey(jwk: Record<string, unknown>): OutsideKey {
  const [n, e] = [partOf(jwk, 'n'), partOf(jwk, 'e')]
  const rest = Object.fromEntries(privateParts.RSA.map((name) => [name, partOf(jwk, name)]))
  const key = privateKeyOf({ kty: 'RSA', n, e, ...rest })
  const bits = [2048, 3072, 4096].find((size) => size === key.asymmetricKeyDetails?.modulusLength)
  if (bits === undefined) {
    throw wrong('key.n', '2048, 3072 or 4096 bits', `${key.asymmetricKeyDetails?.modulusLength} bits`)
  }
  const exponent = BigInt(key.asymmetricKeyDetails?.publicExponent ?? 0n)
  if (exponent < 3n || exponent % 2n === 0n) throw wrong('key.e', 'an odd exponent from 3', 'another')
  if (!belongTogether(jwk, exponent)) throw wrong('key', 'a private key with consistent parts', 'another')
  return { spec: { type: 'RSA', bits } as KeySpec, secret: proven(key), publicParts: { n, e } }
}

/** RFC 8017 section 3.2. OpenSSL also signs with a wrong CRT exponent, so a signature does not reveal it. */
function belongTogether(jwk: Record<string, unknown>, e: bigint): boolean {
  const [n, d, p, q, dp, dq, qi] = ['n', 'd', 'p', 'q', 'dp', 'dq', 'qi'].map((name) =>
    BigInt(`0x${Buffer.from(partOf(jwk, name), 'base64url').toString('hex')}`),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint]
  if (p < 3n || q < 3n || p === q || p * q !== n) return false
  const inverses = (e * d) % (p - 1n) === 1n && (e * d) % (q - 1n) === 1n && (qi * q) % p === 1n
  return inverses && dp === d % (p - 1n) && dq === d % (q - 1n) && qi < p
}

function ecKey(jwk: Record<string, unknown>): OutsideKey {
  const curve = (Object.keys(curveNames) as EllipticCurve[]).find((name) => name === jwk.crv)
  if (curve === undefined) throw wrong('key.crv', Object.keys(curveNames).join(', '), shown(jwk.crv))
  const [x, y] = [partOf(jwk, 'x'), partOf(jwk, 'y')]
  const key = privateKeyOf({ kty: 'EC', crv: curveNames[curve], x, y, d: partOf(jwk, 'd') })
  return { spec: { type: 'EC', curve }, secret: proven(key), publicParts: { x, y } }
}

function privateKeyOf(jwk: Record<string, unknown>): KeyObject {
  try {
    return createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    throw wrong('key', 'a private key with consistent parts', 'another')
  }
}

/** The private half as PKCS#8, after its signature verified under the given public half. */
function proven(key: KeyObject): Uint8Array {
  const probe = Buffer.from('strongroom import')
  let whole = false
  try {
    whole = verify('sha256', probe, createPublicKey(key), sign('sha256', probe, key))
  } catch {
    // Refused below.
  }
  if (!whole) throw wrong('key', 'a private key with consistent parts', 'another')
  return key.export({ type: 'pkcs8', format: 'der' })
}

function partOf(jwk: Record<string, unknown>, name: string): string {
  const value = jwk[name]
  if (typeof value === 'string' && value.length <= textLimit && /^[A-Za-z0-9_-]+$/.test(value)) return value
  // The value may be private: only its kind is reported.
  throw wrong(`key.${name}`, `base64url of at most ${textLimit} characters`, typeof value)
}

function wrong(target: string, expected: string, found: string): ServiceError {
  return badParameter('The key to import is not valid.', { target, expected, found })
}
