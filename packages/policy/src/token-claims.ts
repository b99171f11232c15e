import type { Claim } from './claim.ts'
import type { ClaimValue } from './syntax.ts'

/** Claims of the service that policies may test but never copy into a token (facts section 5.5): the values of PCRs. */
const readOnlyTypes: ReadonlySet<string> = new Set(['pcrs'])

/** Members added when a token is signed, after the policy has decided. */
const signedLater: ReadonlySet<string> = new Set(['iss', 'iat', 'nbf', 'exp', 'jti', 'nonce'])

/**
 * A token's claims as the policy language sees them. Lists of simple values become one claim per value; objects and
 * other lists become one claim with their JSON text, for JmesPath.
 * @example
 * import { claimsForPolicy } from '@strongroom/policy'
 *
 * // Lists become one claim per value, objects their JSON text.
 * const claims = claimsForPolicy({ pcrs: [0, 7], 'x-ms-runtime': { keys: [] } })
 * claims.map(({ type, value }) => `${type} = ${value}`) // => ['pcrs = 0', 'pcrs = 7', 'x-ms-runtime = {"keys":[]}']
 * claims[0]?.readOnly // => true
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
 * Claims that a policy sees: those of the evidence, and those that Azure Attestation adds for every type
 * (claim-sets.md): token version, type and policy; each also under its deprecated, still supported name.
 * @param policy its `x-ms-policy-hash`, and the signing key if it is signed
 * @example
 * import { incomingClaims } from '@strongroom/policy'
 *
 * const claims = incomingClaims({ 'x-ms-attestation-type': 'sevsnpvm' }, { hash: 'uXe0' })
 * // The deprecated name of the type, and the policy's own hash, come with the evidence's claims.
 * claims.find(({ type }) => type === 'tee')?.value // => 'sevsnpvm'
 * claims.find(({ type }) => type === 'x-ms-policy-hash')?.value // => 'uXe0'
 */
export function incomingClaims(claims: Record<string, unknown>, policy: { hash: string; signer?: object }): Claim[] {
  const { hash, signer } = policy
  const type = claims['x-ms-attestation-type']
  return claimsForPolicy({
    ver: '1.0',
    tee: type,
    'maa-policyHash': hash,
    policy_hash: hash,
    policy_signer: signer,
    'x-ms-policy-signer': signer,
    'x-ms-ver': '1.0',
    'x-ms-policy-hash': hash,
    ...claims,
  })
}

/**
 * The claims that a policy saw when a token was issued, as far as the token shows them: all of its members are treated
 * as the service's, including those that a policy issued.
 * @example
 * import { claimsOfToken, evaluatePolicy, parsePolicy } from '@strongroom/policy'
 *
 * // Would today's policy still permit the guest that got this token?
 * const policy = parsePolicy('version=1.0; authorizationrules { [type=="secureboot", value==true] => permit(); };')
 * evaluatePolicy(policy, claimsOfToken({ iss: 'https://x.example', secureboot: false })).permitted // => false
 */
export const claimsOfToken = (payload: Record<string, unknown>): Claim[] => claimsForPolicy(beforeSigning(payload))

/**
 * A token's claims without those added at signing.
 * @example
 * import { beforeSigning } from '@strongroom/policy'
 *
 * const payload = { iss: 'https://sharedlocal.attest.example', exp: 1_700_000_000, 'x-ms-attestation-type': 'sevsnpvm' }
 * beforeSigning(payload) // => { 'x-ms-attestation-type': 'sevsnpvm' }
 */
export const beforeSigning = (payload: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(payload).filter(([name]) => !signedLater.has(name)))

function claimValues(value: unknown): ClaimValue[] {
  if (isClaimValue(value)) return [value]
  if (Array.isArray(value) && value.every(isClaimValue)) return value
  return value === null || value === undefined ? [] : [JSON.stringify(value)]
}

const isClaimValue = (value: unknown): value is ClaimValue =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)

/**
 * Claims made by `issue`, as members of the token: one value unchanged, several as a list.
 * @example
 * import { issuedClaims } from '@strongroom/policy'
 *
 * issuedClaims(new Map([['team', ['payments']], ['ring', [1, 2]]])) // => { team: 'payments', ring: [1, 2] }
 */
export function issuedClaims(issued: Map<string, ClaimValue[]>): Record<string, unknown> {
  return Object.fromEntries([...issued].map(([type, values]) => [type, values.length === 1 ? values[0] : values]))
}
