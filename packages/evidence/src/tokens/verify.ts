import { VerificationError } from '../core/errors.ts'
import { describeTime } from '../core/time.ts'
import { azureTokenAlgorithms, requireAlgorithm, type TokenAlgorithm, verifyTokenSignature } from './algorithms.ts'
import { readJsonObject } from './json.ts'
import { isEar, isEarToken } from './ear.ts'
import { requireKind, type TokenKind } from './kind.ts'
import { shown } from './shown.ts'
import { type Jws, parseJws } from './jws.ts'
import { type Jwk, selectKey } from './keys.ts'

/** A token signed by a given key, from its issuer, at its time. Its claims are not yet appraised. */
export interface VerifiedToken {
  header: Readonly<Record<string, unknown>>
  claims: Readonly<Record<string, unknown>>
  algorithm: TokenAlgorithm
  keyId: string
  issuedAt: Date | undefined
  notBefore: Date | undefined
  expires: Date
}

/** Requirements on a token. */
export interface TokenRules {
  /** Issuer as the caller knows it, for example `https://sharedweu.weu.attest.azure.net`. 'any' must be explicit. */
  issuer: string
  /** Required only if given: tokens of Azure Attestation have none. */
  audience?: string | undefined
  /** Default: RS256 only. */
  algorithms?: readonly TokenAlgorithm[] | undefined
  /** Default: about evidence. */
  kind?: TokenKind | undefined
  /** Allowed clock difference in seconds; 0 by default, at most 300. */
  clockSkew?: number | undefined
  /** Seconds after `iat` for which a token counts, also one without `exp`. */
  maximumAge?: number | undefined
}

/**
 * Verifies a token against keys that the caller obtained from the issuer independently. The token's own `jku`, `jwk`,
 * `x5u` and `x5c` are never followed; but a `jku` must name the issuer's key set, as Azure Attestation writes it.
 * @throws VerificationError AlgorithmNotAllowed, UnknownCriticalExtension, TokenKeyUnknown, TokenKeyNotAllowed,
 * TokenSignatureInvalid, TokenIssuerMismatch, TokenAudienceMismatch, TokenOfAnotherKind, TokenClaimMissing,
 * TokenNotYetValid, TokenExpired; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJwks, verifyToken } from '@strongroom/evidence'
 *
 * const token = (await readFile('token.jwt', 'utf8')).trim()
 * const keys = parseJwks(JSON.parse(await readFile('jwks.json', 'utf8'))) // fetched from the issuer, over TLS
 * const o = { token, keys, issuer: 'https://sharedweu.weu.attest.azure.net', at: new Date(1_671_836_418_000) }
 * const { claims } = await verifyToken(o)
 * claims['x-ms-attestation-type'] // => 'azurevm'
 * verifyToken({ ...o, issuer: 'https://attest.example' }) // throws VerificationError TokenIssuerMismatch
 */
export async function verifyToken(
  o: TokenRules & {
    token: string
    keys: readonly Jwk[]
    at: Date
    /** The token need not name a key if exactly one was given; default: only an attestation result. */
    unnamed?: boolean
  },
): Promise<VerifiedToken> {
  const jws = parseJws(o.token)
  const algorithm = requireAlgorithm(jws.header['alg'], o.algorithms ?? azureTokenAlgorithms)
  requireHeader(jws)
  const { kid } = jws.header
  const key = selectKey({ keys: o.keys, kid, algorithm, unnamed: o.unnamed ?? isEarToken(jws) })
  if (!(await verifyTokenSignature({ algorithm, key, signature: jws.signature, data: jws.signingInput }))) {
    throw new VerificationError({
      code: 'TokenSignatureInvalid',
      message: 'Token is not signed by the key that it names',
      subject: 'token',
    })
  }
  const claims = tokenClaims(jws)
  requireIssuer(jws.header, claims, o)
  requireKind(claims, o.kind ?? 'attestation')
  return { header: jws.header, claims, algorithm, keyId: shown(kid), ...requireTime(claims, o) }
}

/** The claims, read strictly. @throws ParseError */
export function tokenClaims(jws: Jws): Record<string, unknown> {
  return readJsonObject(jws.payload, 'token claims')
}

/** Refuses extensions that must be understood (RFC 7515 section 4.1.11), and tokens of another kind. @throws VerificationError */
export function requireHeader(jws: Jws): void {
  if (Object.hasOwn(jws.header, 'crit')) {
    throw new VerificationError({
      code: 'UnknownCriticalExtension',
      message: 'Token has a critical header that is not understood',
      subject: 'token',
      found: JSON.stringify(jws.header['crit']).slice(0, 128),
    })
  }
  const type = jws.header['typ']
  if (type !== undefined && (typeof type !== 'string' || type.toUpperCase() !== 'JWT')) {
    throw new VerificationError({
      code: 'TokenKeyNotAllowed',
      message: 'Signed text is of another kind than a token (RFC 8725 section 3.11)',
      subject: 'token',
      expected: 'JWT',
      found: shown(type, 64),
    })
  }
}

/** @throws VerificationError TokenIssuerMismatch, TokenAudienceMismatch */
export function requireIssuer(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  rules: Pick<TokenRules, 'issuer' | 'audience'>,
): void {
  const { iss, aud } = claims
  // An attestation result names its verifier, and need not name an issuer: its key, which was pinned, is whose it is.
  const unnamed = iss === undefined && rules.issuer === 'any' && isEar(claims)
  if (!unnamed && (typeof iss !== 'string' || (rules.issuer !== 'any' && iss !== rules.issuer))) {
    throw new VerificationError({
      code: 'TokenIssuerMismatch',
      message: 'Token is by another issuer',
      subject: 'token',
      expected: rules.issuer === 'any' ? 'an issuer' : rules.issuer,
      found: typeof iss === 'string' ? iss.slice(0, 256) : typeof iss,
    })
  }
  const { jku } = header
  const keySet = typeof iss === 'string' ? `${iss.replace(/\/$/, '')}/certs` : 'none: the token names no issuer'
  if (jku !== undefined && jku !== keySet) {
    throw new VerificationError({
      code: 'TokenIssuerMismatch',
      message: 'Token names a key set that is not its issuer’s',
      subject: 'token',
      expected: keySet,
      found: shown(jku, 256),
    })
  }
  if (rules.audience === undefined) return
  const audiences = Array.isArray(aud) ? (aud as unknown[]) : [aud]
  if (audiences.includes(rules.audience)) return
  throw new VerificationError({
    code: 'TokenAudienceMismatch',
    message: 'Token is for another audience',
    subject: 'token',
    expected: rules.audience,
    found: audiences.map((each) => shown(each)).join(', '),
  })
}

const maximumSkew = 300

/** Checks the token's times; `exp` is required (RFC 7519 sections 4.1.4 to 4.1.6). @throws VerificationError */
export function requireTime(
  claims: Readonly<Record<string, unknown>>,
  o: { at: Date; clockSkew?: number | undefined; maximumAge?: number | undefined },
): { issuedAt: Date | undefined; notBefore: Date | undefined; expires: Date } {
  const skew = Math.min(Math.max(o.clockSkew ?? 0, 0), maximumSkew) * 1000
  const now = o.at.getTime()
  const notBefore = timeOf(claims, 'nbf')
  const issuedAt = timeOf(claims, 'iat')
  const expires = endOf(timeOf(claims, 'exp'), issuedAt, o.maximumAge)
  if (expires === undefined) {
    throw new VerificationError({
      code: 'TokenClaimMissing',
      message: 'Token never expires, and the policy sets no token.maximumAge',
      subject: 'token',
      expected: 'exp',
    })
  }
  for (const [start, name] of [
    [notBefore, 'nbf'],
    [issuedAt, 'iat'],
  ] as const) {
    // Comparisons are written so that an invalid time is refused.
    if (start !== undefined && !(now >= start.getTime() - skew)) {
      throw new VerificationError({
        code: 'TokenNotYetValid',
        message: `Token is of the future (${name})`,
        subject: 'token',
        expected: `at or after ${start.toISOString()}`,
        found: describeTime(o.at),
      })
    }
  }
  if (!(now < expires.getTime() + skew)) {
    throw new VerificationError({
      code: 'TokenExpired',
      message: 'Token has expired',
      subject: 'token',
      expected: `before ${expires.toISOString()}`,
      found: describeTime(o.at),
    })
  }
  return { issuedAt, notBefore, expires }
}

/** The earlier of what the token states and what its age allows. @throws VerificationError */
function endOf(stated: Date | undefined, issuedAt: Date | undefined, maximumAge: number | undefined): Date | undefined {
  if (maximumAge === undefined) return stated
  if (issuedAt === undefined) {
    throw new VerificationError({
      code: 'TokenClaimMissing',
      message: 'Token does not state when it was issued, so its age is unknown',
      subject: 'token',
      expected: 'iat',
      found: 'none',
    })
  }
  const aged = new Date(issuedAt.getTime() + maximumAge * 1000)
  return stated !== undefined && stated < aged ? stated : aged
}

function timeOf(claims: Readonly<Record<string, unknown>>, name: string): Date | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  const time = typeof value === 'number' ? new Date(value * 1000) : undefined
  if (time !== undefined && !Number.isNaN(time.getTime())) return time
  throw new VerificationError({
    code: 'TokenClaimMissing',
    message: `Token has a time that is none (${name})`,
    subject: 'token',
    expected: 'seconds since 1970',
    found: shown(value, 64),
  })
}
