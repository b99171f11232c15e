import type { ClaimCondition, ClaimOperands, ClaimOperator } from '@strongroom/contract'

/** The operators in Key Vault's grammar. */
export const claimOperators: readonly ClaimOperator[] = [
  'equals',
  'notEquals',
  'less',
  'lessOrEquals',
  'greater',
  'greaterOrEquals',
  'exists',
]

export type Operand = ClaimOperands[ClaimOperator]

/** A parsed condition on a claim. */
export interface Comparison {
  claim: string
  operator: ClaimOperator
  operand: Operand
}

export function comparisonOf(condition: ClaimCondition): Comparison {
  const operands = condition as { claim: string } & Partial<ClaimOperands>
  const operator = claimOperators.find((name) => Object.hasOwn(operands, name))
  if (operator === undefined) throw new TypeError('a condition without an operator')
  return { claim: operands.claim, operator, operand: operands[operator]! }
}

export const isOrder = (operator: ClaimOperator): boolean =>
  operator !== 'equals' && operator !== 'notEquals' && operator !== 'exists'

/**
 * Whether a token satisfies a comparison. Values are not converted, and values that cannot be compared satisfy
 * nothing: `notEquals "true"` does not hold for the Boolean true, nor for an absent claim.
 */
export function isMet({ claim, operator, operand }: Comparison, claims: Record<string, unknown>): boolean {
  const actual = valueAt(claims, claim)
  switch (operator) {
    case 'equals':
      return actual === operand
    case 'notEquals':
      return typeof actual === typeof operand && actual !== operand
    case 'exists':
      return operand === true ? actual !== undefined && actual !== null : isAbsent(claims, claim)
    case 'less':
    case 'lessOrEquals':
    case 'greater':
    case 'greaterOrEquals':
      return typeof actual === 'number' && typeof operand === 'number' && isOrdered(actual, operator, operand)
  }
}

/**
 * The requirement of a comparison, to follow "is expected to be".
 * @example
 * import { requirementText } from '@strongroom/release-policy'
 *
 * requirementText({ operator: 'exists', operand: false }) // => 'absent'
 * requirementText({ operator: 'less', operand: 3 }) // => 'less than 3'
 */
export function requirementText({ operator, operand }: Pick<Comparison, 'operator' | 'operand'>): string {
  switch (operator) {
    case 'equals':
      return JSON.stringify(operand)
    case 'notEquals':
      return `other than ${JSON.stringify(operand)}`
    case 'less':
      return `less than ${operand}`
    case 'lessOrEquals':
      return `at most ${operand}`
    case 'greater':
      return `more than ${operand}`
    case 'greaterOrEquals':
      return `at least ${operand}`
    case 'exists':
      return operand === true ? 'there' : 'absent'
  }
}

/**
 * A comparison on one line: `x = "a"`, `x is at least 3`.
 * @example
 * import { comparisonText } from '@strongroom/release-policy'
 *
 * const text = comparisonText({ claim: 'x-ms-sevsnpvm-bootloader-svn', operator: 'greaterOrEquals', operand: 3 })
 * text // => 'x-ms-sevsnpvm-bootloader-svn is at least 3'
 * comparisonText({ claim: 'x-ms-attestation-type', operator: 'equals', operand: 'sevsnpvm' }) // => 'x-ms-attestation-type = "sevsnpvm"'
 */
export const comparisonText = (comparison: Comparison): string =>
  `${comparison.claim} ${comparison.operator === 'equals' ? '=' : 'is'} ${requirementText(comparison)}`

function isOrdered(actual: number, operator: ClaimOperator, operand: number): boolean {
  // Larger numbers may differ from those in the token's text.
  if (Math.abs(actual) > Number.MAX_SAFE_INTEGER) return false
  if (operator === 'less') return actual < operand
  if (operator === 'lessOrEquals') return actual <= operand
  return operator === 'greater' ? actual > operand : actual >= operand
}

/**
 * Only own properties of objects: array entries and inherited properties are not claims.
 * @example
 * import { valueAt } from '@strongroom/release-policy'
 *
 * const claims = { 'x-ms-runtime': { 'vm-configuration': { 'secure-boot': true } } }
 * valueAt(claims, 'x-ms-runtime.vm-configuration.secure-boot') // => true
 * valueAt(claims, 'x-ms-runtime.constructor') // => undefined
 */
export function valueAt(claims: Record<string, unknown>, claim: string): unknown {
  let value: unknown = claims
  for (const part of claim.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined
    value = value[part]
  }
  return value
}

/** Absent means that an object on the path lacks the name. Inside a list or a text nothing can be looked up, so nothing is absent. */
function isAbsent(claims: Record<string, unknown>, claim: string): boolean {
  let value: unknown = claims
  for (const part of claim.split('.')) {
    if (!isObject(value)) return false
    if (!Object.hasOwn(value, part)) return true
    value = value[part]
  }
  return false
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
