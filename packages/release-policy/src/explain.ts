import type { ClaimOperator, ReleaseCondition, ReleasePolicy } from '@strongroom/contract'
import { normalAuthority } from './authority.ts'
import { nestedUnder } from './claims.ts'
import { comparisonOf, isOrder, valueAt, type Comparison, type Operand } from './comparison.ts'
import { failedConditions } from './evaluate.ts'
import { headerFault, kindFault, timeFault, type TokenFault } from './token-faults.ts'
import { findWrappingKey } from './wrapping-key.ts'

export type ExplainedCondition =
  | {
      kind: 'claim'
      place: string
      claim: string
      operator: ClaimOperator
      expected: Operand
      /** Undefined if the token lacks the claim. */
      actual: unknown
      held: boolean
      /** Where the intended value seems to be. */
      hint?: string
    }
  | { kind: 'allOf' | 'anyOf'; place: string; held: boolean; conditions: ExplainedCondition[] }

export interface ExplainedAuthority {
  place: string
  authority: string
  /** Whether the token's issuer is this authority; its conditions count only then. */
  isIssuer: boolean
  held: boolean
  conditions: ExplainedCondition
}

export interface ReleaseExplanation {
  /** An entry for the issuer holds, and the token itself has no fault. */
  released: boolean
  issuer: string | undefined
  /** Faults for which release refuses the token, whatever the policy. */
  faults: TokenFault[]
  authorities: ExplainedAuthority[]
}

/**
 * The release decision for a token, condition by condition. The vault itself checks the token's signature, and whether
 * it trusts the issuer.
 * @param o `header` of the token, if any; `now` in seconds since 1970
 * @example
 * import { explainRelease, readReleasePolicy } from '@strongroom/release-policy'
 *
 * const policy = readReleasePolicy(JSON.stringify({
 *   version: '1.0.0',
 *   anyOf: [{
 *     authority: 'https://sharedlocal.attest.example',
 *     allOf: [{ claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
 *   }],
 * }))
 * const claims = { iss: 'https://sharedlocal.attest.example/', 'x-ms-compliance-status': 'azure-compliant-cvm' }
 * const { released, authorities } = explainRelease(policy, claims, { now: 1_700_000_000 })
 * released // => false
 * authorities[0]?.isIssuer // => true
 * authorities[0]?.held // => false
 */
export function explainRelease(
  policy: ReleasePolicy,
  claims: Record<string, unknown>,
  o: { header?: Record<string, unknown> | undefined; now: number },
): ReleaseExplanation {
  const issuer = typeof claims['iss'] === 'string' ? normalAuthority(claims['iss']) : undefined
  const authorities = policy.anyOf.map((entry, index): ExplainedAuthority => {
    const { authority, ...group } = entry
    const place = `$.${policy.writtenAs ?? 'anyOf'}[${index}]`
    return {
      place,
      authority,
      isIssuer: issuer !== undefined && normalAuthority(authority) === issuer,
      held: failedConditions(entry, claims).length === 0,
      conditions: explained(group, place, claims),
    }
  })
  const wrappingKey = findWrappingKey(claims)
  const faults = [
    o.header && headerFault(o.header),
    kindFault(claims),
    timeFault(claims, o.now),
    'kid' in wrappingKey ? undefined : wrappingKey,
  ].filter((fault) => fault !== undefined)
  return {
    released: faults.length === 0 && authorities.some(({ isIssuer, held }) => isIssuer && held),
    faults,
    issuer: typeof claims['iss'] === 'string' ? claims['iss'] : undefined,
    authorities,
  }
}

function explained(condition: ReleaseCondition, place: string, claims: Record<string, unknown>): ExplainedCondition {
  const held = failedConditions(condition, claims).length === 0
  if ('claim' in condition) {
    const comparison = comparisonOf(condition)
    const { claim, operator, operand: expected } = comparison
    const actual = valueAt(claims, claim)
    const hint = held || (expected === false && operator === 'exists') ? undefined : hintOf(comparison, actual, claims)
    return { kind: 'claim', place, claim, operator, expected, actual, held, ...(hint !== undefined && { hint }) }
  }
  const kind = 'allOf' in condition ? 'allOf' : 'anyOf'
  const list = 'allOf' in condition ? condition.allOf : condition.anyOf
  const conditions = list.map((entry, index) => explained(entry, `${place}.${kind}[${index}]`, claims))
  return { kind, place, held, conditions }
}

function hintOf(
  { claim, operator, operand: expected }: Comparison,
  actual: unknown,
  claims: Record<string, unknown>,
): string | undefined {
  if (actual !== undefined) {
    if (actual === null) return 'The claim is null, which is never equal to anything.'
    if (Array.isArray(actual)) return 'The claim is a list, and conditions cannot look into lists.'
    if (typeof actual === 'object') return 'The claim is an object: name one of its members, after a dot.'
    if (isOrder(operator)) {
      return typeof actual === 'number' ? undefined : `The claim is a ${typeof actual}: only numbers have an order.`
    }
    if (typeof actual !== typeof expected && operator === 'notEquals') {
      return `The claim is a ${typeof actual}, the policy has a ${typeof expected}: they are neither equal nor unequal.`
    }
    if (typeof actual !== typeof expected && JSON.stringify(actual).replaceAll('"', '') === String(expected)) {
      return `The claim is a ${typeof actual}, the policy has a ${typeof expected}.`
    }
    const sameButCase =
      operator === 'equals' && typeof actual === 'string' && actual.toLowerCase() === String(expected).toLowerCase()
    return sameButCase ? 'The two differ only in case.' : undefined
  }
  const nested = `${nestedUnder}.${claim}`
  if (valueAt(claims, nested) !== undefined) return `The token has it as ${nested}: it was fetched by a guest.`
  const flat = claim.startsWith(`${nestedUnder}.`) ? claim.slice(nestedUnder.length + 1) : undefined
  if (flat !== undefined && valueAt(claims, flat) !== undefined) {
    return `The token has it as ${flat}: it was issued while the VM booted.`
  }
  return Object.hasOwn(claims, claim)
    ? 'The claim’s name contains dots, which separate members in a policy.'
    : undefined
}
