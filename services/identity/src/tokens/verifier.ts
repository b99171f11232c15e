import type { SettledCode } from '@strongroom/contract'
import { ServiceError, type Caller, type Clock, type TokenVerifier } from '@strongroom/platform'
import { errors, jwtVerify, type JWTPayload } from 'jose'
import { normaliseAudience } from '../oauth/audience.ts'

/** Guests' clocks may differ slightly. */
const toleranceSeconds = 60
/** Our tokens are far shorter. */
const tokenLimit = 16 * 1024
/** Clients send one token with each request for an hour: its signature is checked once. */
const rememberedTokens = 256

/**
 * Verifies access tokens of this installation: RS256 with the token key only, issuer, tenant, times, and an audience
 * that means one of the required resources.
 */
export function createTokenVerifier(o: {
  issuer: string
  tenantId: string
  /** The public token key by id; undefined for an unknown one. */
  keyOf(kid: string | undefined): CryptoKey | undefined
  clock: Clock
}): TokenVerifier {
  const known = new Map<string, JWTPayload>()
  const signed = async (token: string): Promise<JWTPayload> => {
    const held = known.get(token)
    if (held !== undefined && isCurrent(held, o.clock.now())) return held
    const claims = await verifySignature(token, o)
    known.set(token, claims)
    if (known.size > rememberedTokens) known.delete(known.keys().next().value!)
    return claims
  }
  return {
    verify: async (token, audiences) => {
      const claims = await signed(token)
      const wanted = audiences.map(normaliseAudience)
      const found = (Array.isArray(claims.aud) ? claims.aud : [claims.aud ?? '']).map(String)
      if (!found.some((audience) => wanted.includes(normaliseAudience(audience)))) {
        throw refuse('InvalidAuthenticationTokenAudience', 'The access token is for another audience.', {
          expected: audiences.join(' or '),
          found: found.join(', ').slice(0, 256),
          remedy: `Ask the token endpoint for the scope ${audiences[0] ?? ''}/.default.`,
        })
      }
      const { oid, appid, tid } = claims
      if (typeof oid !== 'string' || typeof appid !== 'string') {
        throw refuse('InvalidAuthenticationToken', 'The access token names no principal.', {
          expected: 'the claims oid and appid',
        })
      }
      if (tid !== o.tenantId) {
        throw refuse('InvalidAuthenticationTokenTenant', 'The access token is from another tenant.', {
          expected: o.tenantId,
          found: String(tid).slice(0, 64),
        })
      }
      return { objectId: oid, appId: appid, tenantId: tid, claims } satisfies Caller
    },
  }
}

/** Whether an already verified token is within its times; if not, verifying it again gives the reason. */
function isCurrent(claims: JWTPayload, now: Date): boolean {
  const seconds = now.getTime() / 1000
  return seconds < (claims.exp ?? 0) + toleranceSeconds && seconds >= (claims.nbf ?? Infinity) - toleranceSeconds
}

async function verifySignature(token: string, o: Parameters<typeof createTokenVerifier>[0]): Promise<JWTPayload> {
  if (token.length > tokenLimit) {
    throw refuse('InvalidAuthenticationToken', 'The access token is longer than any issued here.', {})
  }
  try {
    const { payload } = await jwtVerify(
      token,
      (header) => {
        const key = o.keyOf(header.kid)
        if (!key) throw new errors.JWKSNoMatchingKey()
        return key
      },
      {
        issuer: o.issuer,
        algorithms: ['RS256'],
        currentDate: o.clock.now(),
        clockTolerance: toleranceSeconds,
        requiredClaims: ['exp', 'nbf', 'iat', 'aud', 'iss'],
      },
    )
    return payload
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      throw refuse('ExpiredAuthenticationToken', 'The access token has expired.', { remedy: 'Sign in again.' })
    }
    const reason = error instanceof errors.JOSEError ? error.code : 'not a token'
    throw refuse('InvalidAuthenticationToken', 'The access token is invalid.', {
      expected: `a token of ${o.issuer}`,
      found: reason,
      remedy: 'Sign in again.',
    })
  }
}

function refuse(
  code: SettledCode,
  message: string,
  more: { expected?: string; found?: string; remedy?: string },
): ServiceError {
  return new ServiceError({ code, message, ...more })
}
