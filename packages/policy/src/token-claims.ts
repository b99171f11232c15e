import type { Claim } from './claim.ts'
import type { ClaimValue } from './syntax.ts'

/** Claims of the service that policies may test and never copy into a token (facts section 5.5): the values of PCRs. */
const readOnlyTypes: ReadonlySet<string> = new Set(['pcrs'])

/** Members that a token gets when it is signed, after the policy has decided. */
const signedLater: ReadonlySet<string> = new Set(['iss', 'iat', 'nbf', 'exp', 'jti', 'nonce'])

/**
 * A token's claims as the policy language sees them. Lists of simple values become one claim each; objects, and lists of
 * other things, become one claim with their JSON text, for JmesPath.
 */
export function claimsForPolicy(claims: Record<string, unknown>): Claim[] {
  return Object.entries(claims).flatMap(([type, value]) =>
    claimValues(value).map((one) => ({
      type,
      value: one,
      issuer: 'AttestationService' as const,
      ...(readOnlyTypes.has(type) ? { readOnly: true } : {}),
    })),
  )
}

/**
 * The claims that a policy saw when a token was made, as far as the token tells: all of its members are taken for the service's, also
 * those that a policy issued.
 */
export function claimsOfToken(payload: Record<string, unknown>): Claim[] {
  return claimsForPolicy(Object.fromEntries(Object.entries(payload).filter(([name]) => !signedLater.has(name))))
}

function claimValues(value: unknown): ClaimValue[] {
  if (isClaimValue(value)) return [value]
  if (Array.isArray(value) && value.every(isClaimValue)) return value
  return value === null || value === undefined ? [] : [JSON.stringify(value)]
}

const isClaimValue = (value: unknown): value is ClaimValue =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)

/** What `issue` made, as members of the token: one value as it is, several as a list. */
export function issuedClaims(issued: Map<string, ClaimValue[]>): Record<string, unknown> {
  return Object.fromEntries([...issued].map(([type, values]) => [type, values.length === 1 ? values[0] : values]))
}
