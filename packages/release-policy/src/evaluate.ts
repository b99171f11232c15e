import type { ReleaseCondition } from '@strongroom/contract'

/** A condition that did not hold. */
export interface FailedCondition {
  claim: string
  expected: string | number | boolean
  /** Undefined where the token lacks the claim. */
  actual: unknown
}

/**
 * Evaluates one authority's conditions over a token's claims. Values are equal only with the same type; an absent claim
 * is false, whatever it is compared with. An empty list is false in both forms (the grammar refuses it anyway).
 * @returns the conditions that stood in the way; empty where the policy is met
 */
export function failedConditions(condition: ReleaseCondition, claims: Record<string, unknown>): FailedCondition[] {
  if ('claim' in condition) {
    const actual = valueAt(claims, condition.claim)
    return actual === condition.equals ? [] : [{ claim: condition.claim, expected: condition.equals, actual }]
  }
  const list = 'allOf' in condition ? condition.allOf : condition.anyOf
  if (list.length === 0) return [{ claim: '', expected: true, actual: undefined }]
  const results = list.map((entry) => failedConditions(entry, claims))
  if ('anyOf' in condition && results.some((failed) => failed.length === 0)) return []
  return results.flat()
}

/** Only own properties of objects: neither an array's entries nor what an object inherits is a claim. */
export function valueAt(claims: Record<string, unknown>, claim: string): unknown {
  let value: unknown = claims
  for (const part of claim.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part))
      return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}
