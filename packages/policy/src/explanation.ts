import { Budget } from './budget.ts'
import type { ClaimSet } from './claim.ts'
import { formatCondition, formatRule } from './format.ts'
import { candidates, literalType, matchRule } from './matching.ts'
import { PolicyError, type Position } from './policy-error.ts'
import type { Condition, Rule } from './syntax.ts'

/** Why a policy did not permit, in terms of the policy and the claims. */
export interface Denial {
  reason: 'deny' | 'noPermit'
  /** The rule that denied, or the first that could have permitted; absent if the policy has neither. */
  rule?: string
  position?: Position
  expected: string
  found: string
}

const shown = 200
const shownRules = 5

/** For each rule that could have permitted, the first failed condition and the claims it examined. */
export function explainDenial(rules: Rule[], deny: Rule | undefined, claims: ClaimSet): Denial {
  if (deny !== undefined) {
    return {
      reason: 'deny',
      rule: formatRule(deny),
      position: deny.position,
      expected: 'no deny() to run',
      found:
        `${formatRule(deny)} ran: ` +
        `${deny.conditions.map((condition) => describe(condition, claims)).join('; ') || 'it has no condition'}`,
    }
  }
  const permits = rules.filter((rule) => rule.action.kind === 'permit')
  if (permits.length === 0)
    return { reason: 'noPermit', expected: 'at least one permit() to run', found: 'a policy without permit()' }
  // The decision stands; explaining it may cost as much again.
  const budget = new Budget()
  const looked = permits.slice(0, shownRules).map((rule) => lookAgain(rule, claims, budget))
  const failed = looked.filter((each) => typeof each === 'object')
  const first = { reason: 'noPermit', rule: formatRule(permits[0]!), position: permits[0]!.position } as const
  if (failed.length > 0)
    return {
      ...first,
      expected: failed.map(({ condition }) => condition).join(' or '),
      found: failed.map(({ found }) => found).join('; '),
    }
  if (looked.includes('holds'))
    return {
      ...first,
      expected: 'the claims of this rule before it runs',
      found: 'claims that only a later rule adds',
    }
  return {
    ...first,
    expected: permits[0]!.conditions.map((condition) => formatCondition(condition)).join(' && '),
    found: 'claims that contradict each other; which ones cannot be determined within the limits of an evaluation',
  }
}

/** A condition that failed. */
export interface Unmet {
  /** As the policy spells it. */
  condition: string
  /** The claims it examined. */
  found: string
}

export const unmetOf = (condition: Condition, claims: ClaimSet): Unmet => ({
  condition: formatCondition(condition),
  found: describe(condition, claims),
})

/** What a rule lacks, given all claims at the end. */
function lookAgain(rule: Rule, claims: ClaimSet, budget: Budget): Unmet | 'holds' | 'cannot be determined' {
  let unmet: Unmet | undefined
  try {
    matchRule(rule, claims, budget, (condition) => (unmet = unmetOf(condition, claims)))
  } catch (error) {
    if (error instanceof PolicyError) return 'cannot be determined'
    throw error
  }
  return unmet ?? 'holds'
}

function describe(condition: Condition, claims: ClaimSet): string {
  const type = literalType(condition)
  if (type === undefined) return `no claim that fits ${formatCondition(condition)}`
  const found = [...candidates(condition, claims)]
  if (found.length === 0) return `${type} is absent`
  const asked = condition.tests.some(({ property }) => property === 'issuer')
  const values = found.slice(0, 5).map(({ value, issuer }) => {
    const text = JSON.stringify(value)
    return `${text.length > shown ? `${text.slice(0, shown)}…` : text}${asked ? ` of ${issuer}` : ''}`
  })
  return `${type} is ${values.join(', ')}`
}
