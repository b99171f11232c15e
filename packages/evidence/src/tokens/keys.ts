import { fromBase64, fromBase64Url, toBase64Url } from '../core/bytes/base64.ts'
import { equal } from '../core/bytes/bytes.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { shown } from './shown.ts'
import { keyOfAlgorithm, type KeyMaterial, type TokenAlgorithm } from './algorithms.ts'
import type { Jwk } from '../core/jwk.ts'

export type { Jwk } from '../core/jwk.ts'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const maximumKeys = 64

/**
 * Reads a key set. @throws ParseError Missing, InvalidValue, TooLarge
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJwks } from '@strongroom/evidence'
 *
 * const keys = parseJwks(JSON.parse(await readFile('jwks.json', 'utf8')))
 * keys.length // => 3
 * parseJwks({ keys: 'none' }) // throws ParseError Missing
 */
export function parseJwks(value: unknown): Jwk[] {
  const keys = (value as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys)) throw new ParseError({ code: 'Missing', message: 'Key set has no keys' })
  if (keys.length > maximumKeys) throw new ParseError({ code: 'TooLarge', message: 'Key set has too many keys' })
  return keys.map((key: unknown) => {
    if (typeof key !== 'object' || key === null || Array.isArray(key)) {
      throw new ParseError({ code: 'InvalidValue', message: 'Key set has an entry that is not a key' })
    }
    return key as Jwk
  })
}

/**
 * Finds the one key that the token names and that may verify this algorithm. A key serves one purpose: its type, `alg`,
 * `use` and `key_ops` must agree with the token's algorithm (RFC 8725 sections 3.1 and 3.5). A key set that contains a
 * private or symmetric key is refused, because then anybody can sign.
 * @param o.unnamed the token need not name a key if exactly one was given
 * @throws VerificationError TokenKeyUnknown, TokenKeyNotAllowed; ParseError
 */
export function selectKey(o: {
  keys: readonly Jwk[]
  kid: unknown
  algorithm: TokenAlgorithm
  unnamed?: boolean
}): KeyMaterial {
  const key = keyNamed(o)
  const wanted = keyOfAlgorithm(o.algorithm)
  if (key['kty'] !== wanted.kty) refuseKey('Key is of another type than the algorithm', wanted.kty, key['kty'])
  if (o.keys.some((each) => privateMembers.some((name) => Object.hasOwn(each, name))))
    refuseKey('Key set is not public', 'public keys', 'a private one')
  if (key['alg'] !== undefined && key['alg'] !== o.algorithm)
    refuseKey('Key is for another algorithm', o.algorithm, key['alg'])
  if (key['use'] !== undefined && key['use'] !== 'sig') refuseKey('Key is for another use', 'sig', key['use'])
  const operations = key['key_ops']
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    refuseKey('Key is for other operations', 'verify', JSON.stringify(operations))
  }
  const certified = certifiedKey(key)
  if (wanted.kty === 'EC') {
    if (key['crv'] !== wanted.crv) refuseKey('Key is on another curve', wanted.crv, key['crv'])
    return { jwk: { kty: 'EC', crv: wanted.crv, x: memberOf(key, 'x'), y: memberOf(key, 'y') } }
  }
  if (key['n'] === undefined) {
    if (certified === undefined)
      return refuseKey('Key has neither a modulus nor a certificate', 'n and e, or x5c', 'nothing')
    requireStrongRsa(certified.modulus, certified.exponent)
    return { spki: certified.spki }
  }
  const [n, e] = [memberOf(key, 'n'), memberOf(key, 'e')]
  const modulus = withoutZeros(fromBase64Url(n))
  requireStrongRsa(modulus, fromBase64Url(e))
  if (certified !== undefined && !equal(certified.modulus, modulus)) {
    refuseKey('Key and its certificate differ', 'one key', 'two')
  }
  return { jwk: { kty: 'RSA', n: toBase64Url(modulus), e } }
}

/** @throws VerificationError TokenKeyUnknown */
export function keyNamed(o: Pick<Parameters<typeof selectKey>[0], 'keys' | 'kid' | 'unnamed'>): Jwk {
  const [only] = o.keys.length === 1 ? o.keys : []
  const isOnly = o.unnamed === true && only !== undefined && (o.kid === undefined || only['kid'] === undefined)
  const named = isOnly ? [only] : o.keys.filter((key) => typeof o.kid === 'string' && key['kid'] === o.kid)
  const [key] = named
  if (key === undefined || named.length !== 1) {
    throw new VerificationError({
      code: 'TokenKeyUnknown',
      message:
        named.length > 1 ? 'Several keys have the name that the token gives' : 'No given key has the token’s name',
      subject: 'token',
      expected: o.keys.map((each) => shown(each['kid'])).join(', '),
      found: typeof o.kid === 'string' ? o.kid.slice(0, 128) : 'no key id',
    })
  }
  return key
}

/** At least 2048 bits, and an odd exponent other than 1: with e = 1, every text is its own signature. */
export function requireStrongRsa(modulus: Uint8Array, exponent: Uint8Array): void {
  const value = exponent.length > 4 ? Number.NaN : exponent.reduce((sum, byte) => sum * 256 + byte, 0)
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (bits >= 2048 && bits <= 8192 && value >= 65537 && value % 2 === 1) return
  refuseKey('RSA key is too weak', '2048 to 8192 bits, exponent 65537 or larger', `${bits} bits, exponent ${value}`)
}

function certifiedKey(key: Jwk): (PublicKey & { kind: 'RSA' }) | undefined {
  const chain = key['x5c']
  const first = Array.isArray(chain) ? (chain[0] as unknown) : undefined
  if (typeof first !== 'string' || key['kty'] !== 'RSA') return undefined
  // An attestation service's certificate contains its enclave's quote and may not be readable here: only its key is used.
  const { publicKey } = parseCertificate(fromBase64(first))
  return publicKey.kind === 'RSA'
    ? publicKey
    : refuseKey('Certificate is for another type of key', 'RSA', publicKey.kind)
}

function memberOf(key: Jwk, name: string): string {
  const value = key[name]
  return typeof value === 'string' ? value : refuseKey('Key lacks a member', name, typeof value)
}

function withoutZeros(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  return start <= 0 ? bytes : bytes.subarray(start)
}

function refuseKey(message: string, expected: string, found: unknown): never {
  throw new VerificationError({ code: 'TokenKeyNotAllowed', message, subject: 'token', expected, found: shown(found) })
}
