import type { Claim } from './claim.ts'
import type { ClaimValue } from './syntax.ts'

/**
 * A token's claims as the policy language sees them. Lists of simple values become one claim each; objects, and lists of
 * other things, become one claim with their JSON text, for JmesPath.
 */
export function claimsForPolicy(claims: Record<string, unknown>): Claim[] {
  return Object.entries(claims).flatMap(([type, value]) =>
    claimValues(value).map((one) => ({ type, value: one, issuer: 'AttestationService' as const })),
  )
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
