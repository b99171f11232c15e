import type { ClaimOperator, ReleaseCondition } from '@strongroom/contract'
import { comparisonOf, isMet, valueAt, type Operand } from './comparison.ts'

/** A condition that failed. */
export interface FailedCondition {
  claim: string
  operator: ClaimOperator
  expected: Operand
  /** Undefined if the token lacks the claim. */
  actual: unknown
}

/**
 * Evaluates one authority's conditions over a token's claims. Values are equal only if they have the same type; a
 * condition on an absent claim is false, unless it requires absence. An empty list is false in both forms (the grammar
 * refuses it anyway).
 * @returns the conditions that failed; empty if the policy is satisfied
 * @example
 * import { failedConditions } from '@strongroom/release-policy'
 *
 * const condition = { allOf: [{ claim: 'tee', equals: 'sevsnpvm' }, { claim: 'secureboot', equals: true }] }
 * failedConditions(condition, { tee: 'sevsnpvm', secureboot: true }) // => []
 * const failed = failedConditions(condition, { tee: 'sevsnpvm', secureboot: 'true' })
 * failed.map(({ claim, actual }) => [claim, actual]) // => [['secureboot', 'true']]
 */
export function failedConditions(condition: ReleaseCondition, claims: Record<string, unknown>): FailedCondition[] {
  if ('claim' in condition) {
    const comparison = comparisonOf(condition)
    if (isMet(comparison, claims)) return []
    const { claim, operator, operand: expected } = comparison
    return [{ claim, operator, expected, actual: valueAt(claims, claim) }]
  }
  const list = 'allOf' in condition ? condition.allOf : condition.anyOf
  if (list.length === 0) return [{ claim: '', operator: 'equals', expected: true, actual: undefined }]
  const results = list.map((entry) => failedConditions(entry, claims))
  if ('anyOf' in condition && results.some((failed) => failed.length === 0)) return []
  return results.flat()
}
