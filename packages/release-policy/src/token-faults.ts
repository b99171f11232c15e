import { shown } from './policy-error.ts'

/** Why a token is not accepted, whatever the policy. */
export interface TokenFault {
  /** Header member or claim. */
  part: string
  expected: string
  found: string
}

const overEvidence = 'x-ms-attestation-type'
const policyStatementClaims = [
  'x-ms-policy-result',
  'x-ms-policy-token-hash',
  'x-ms-policy',
  'x-ms-policy-certificates',
  'x-ms-policycertificates-result',
]
/** Allowed difference between the issuer's clock and ours. */
const toleranceSeconds = 60

/**
 * `jku`, `x5u`, `x5c` and `jwk` are ignored: they would let the token choose its own key.
 * @example
 * import { headerFault } from '@strongroom/release-policy'
 *
 * headerFault({ alg: 'RS256', typ: 'JWT', kid: 'k1' }) // => undefined
 * headerFault({ alg: 'none', kid: 'k1' })?.part // => 'alg'
 */
export function headerFault(header: Record<string, unknown>): TokenFault | undefined {
  const { alg, crit, b64, typ = 'JWT', kid } = header
  if (alg !== 'RS256') return fault('alg', 'RS256', alg)
  // RFC 7515 section 4.1.11: critical members must be understood, and none is here.
  if (crit !== undefined || b64 !== undefined) return fault('crit', 'no critical extensions', crit ?? b64)
  // RFC 8725 section 3.11: an object that declares another type is not a token.
  if (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT') return fault('typ', 'JWT', typ)
  if (typeof kid !== 'string') return fault('kid', 'the id of a key of the authority', kid)
  return undefined
}

/**
 * Attestation providers sign statements about their policies with the same keys, issuer and `typ`: they would satisfy a
 * policy that names no claim of the evidence. Every token about evidence has the attestation type claim; statements
 * about policies do not.
 * @example
 * import { kindFault } from '@strongroom/release-policy'
 *
 * kindFault({ 'x-ms-attestation-type': 'sevsnpvm' }) // => undefined
 * // Signed by the same key, but not about evidence.
 * kindFault({ 'x-ms-policy-result': 'Updated' })?.found // => "a provider's statement about its policies"
 */
export function kindFault(claims: Record<string, unknown>): TokenFault | undefined {
  const about = Object.keys(claims).find((name) => policyStatementClaims.includes(name))
  if (about !== undefined) {
    return { part: about, expected: 'a token over evidence', found: "a provider's statement about its policies" }
  }
  const type = claims[overEvidence]
  if (typeof type === 'string') return undefined
  const expected = 'the type of every token over evidence'
  return type === undefined
    ? { part: overEvidence, expected, found: 'no such claim' }
    : fault(overEvidence, expected, type)
}

/**
 * @param now seconds since 1970
 * @example
 * import { timeFault } from '@strongroom/release-policy'
 *
 * const now = 1_700_000_000
 * timeFault({ iat: now - 10, exp: now + 3600 }, now) // => undefined
 * timeFault({ iat: now - 7200, exp: now - 3600 }, now)?.part // => 'exp'
 */
export function timeFault({ exp, nbf, iat }: Record<string, unknown>, now: number): TokenFault | undefined {
  if (typeof exp !== 'number' || now >= exp + toleranceSeconds) return fault('exp', `a time after ${now}`, exp)
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf > now + toleranceSeconds)) {
    return fault('nbf', `a time not after ${now}`, nbf)
  }
  if (typeof iat !== 'number' || iat > now + toleranceSeconds) return fault('iat', `a time not after ${now}`, iat)
  return undefined
}

const fault = (part: string, expected: string, found: unknown): TokenFault => ({ part, expected, found: shown(found) })
