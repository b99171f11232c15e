import { compactVerify, errors, type CryptoKey, type KeyObject } from 'jose'

/** Claims of a self-signing application, with the signature verified. Dates in seconds. */
export interface CertifiedClaims {
  subject: string
  expires: number
}

const toleranceSeconds = 60

/**
 * Verifies signature, issuer, audience and dates of an assertion that a certificate's key signed. MSAL for .NET writes
 * `exp` and `nbf` as texts, where RFC 7519 has numbers, and Entra accepts them.
 * @throws Error that says what is wrong, in words that follow "failed validation:"
 */
export async function certifiedClaims(
  assertion: string,
  key: CryptoKey | KeyObject,
  o: { audience: string[]; issuer: string; now: Date },
): Promise<CertifiedClaims> {
  const claims = await signedClaims(assertion, key)
  const now = o.now.getTime() / 1000
  const expires = secondsOf(claims['exp'])
  const notBefore = claims['nbf'] === undefined ? 0 : secondsOf(claims['nbf'])
  const { iss, sub, aud } = claims
  const isFor = [aud].flat().some((each) => typeof each === 'string' && o.audience.includes(each))
  if (iss !== o.issuer) throw wrong('iss')
  if (typeof sub !== 'string') throw wrong('sub')
  if (!isFor) throw wrong('aud')
  if (notBefore === undefined || notBefore > now + toleranceSeconds) throw wrong('nbf')
  if (expires === undefined) throw wrong('exp')
  if (expires <= now - toleranceSeconds) throw new Error('it has expired')
  return { subject: sub, expires }
}

const wrong = (claim: string): Error => new Error(`its claim '${claim}' has the wrong value`)

async function signedClaims(assertion: string, key: CryptoKey | KeyObject): Promise<Record<string, unknown>> {
  try {
    // Critical headers are refused, including b64 (RFC 7797), which would change how the payload is read.
    const { payload, protectedHeader } = await compactVerify(assertion, key, {
      algorithms: ['RS256', 'PS256', 'ES256'],
    })
    if (protectedHeader.crit !== undefined || 'b64' in protectedHeader) throw new errors.JWSInvalid('crit')
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims))
      return claims as Record<string, unknown>
  } catch {
    throw new Error('its signature does not verify')
  }
  throw new Error('it is not a signed token')
}

/** A date in seconds, as a number or as its digits. */
function secondsOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}
