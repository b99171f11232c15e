import type { Budget } from './budget.ts'
import type { ClaimSet } from './claim.ts'
import { formatCondition, formatRule } from './format.ts'
import { candidates, literalType, matchRule } from './matching.ts'
import type { Position } from './policy-error.ts'
import type { Rule } from './syntax.ts'

/** Why a policy did not permit, in the words of the policy and of the claims. */
export interface Denial {
  reason: 'deny' | 'noPermit'
  /** The rule that denied, or the first that could have permitted; absent where the policy has none. */
  rule?: string
  position?: Position
  expected: string
  found: string
}

const shown = 200
const shownRules = 5

/** For each rule that could have permitted, the first condition that did not hold and the claims it looked at. */
export function explainDenial(rules: Rule[], deny: Rule | undefined, claims: ClaimSet, budget: Budget): Denial {
  if (deny !== undefined) {
    return {
      reason: 'deny',
      rule: formatRule(deny),
      position: deny.position,
      expected: 'no deny() to run',
      found: `${formatRule(deny)} ran: ${deny.conditions.map((condition) => describe(condition, claims)).join('; ') || 'it has no condition'}`,
    }
  }
  const permits = rules.filter((rule) => rule.action.kind === 'permit')
  if (permits.length === 0)
    return { reason: 'noPermit', expected: 'at least one permit() to run', found: 'a policy without permit()' }
  const failed = permits.slice(0, shownRules).flatMap((rule) => unmetCondition(rule, claims, budget) ?? [])
  if (failed.length === 0) {
    return {
      reason: 'noPermit',
      rule: formatRule(permits[0]!),
      position: permits[0]!.position,
      expected: 'the claims of this rule before it runs',
      found: 'claims that only a later rule adds',
    }
  }
  return {
    reason: 'noPermit',
    rule: formatRule(permits[0]!),
    position: permits[0]!.position,
    expected: failed.map(({ condition }) => condition).join(' or '),
    found: failed.map(({ found }) => found).join('; '),
  }
}

/** A condition that did not hold. */
export interface Unmet {
  /** In the words of the policy. */
  condition: string
  /** The claims that it looked at. */
  found: string
}

/** The first condition that does not hold together with those before it; undefined where the rule matches. */
export function unmetCondition(rule: Rule, claims: ClaimSet, budget: Budget): Unmet | undefined {
  const { conditions } = rule
  const condition = conditions.find(
    (_, last) => matchRule({ ...rule, conditions: conditions.slice(0, last + 1) }, claims, budget).length === 0,
  )
  return condition === undefined
    ? undefined
    : { condition: formatCondition(condition), found: describe(condition, claims) }
}

function describe(condition: Rule['conditions'][number], claims: ClaimSet): string {
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
