import type { Claim } from './claim.ts'
import { evaluatePolicy, type PolicyOutcome, type RuleRun } from './evaluation.ts'
import type { Unmet } from './explanation.ts'
import { formatRule } from './format.ts'
import { PolicyError, type Position } from './policy-error.ts'
import type { Policy, Rule, Segment } from './syntax.ts'

/** The result of one rule. */
export interface RuleReport {
  segment: Segment
  rule: string
  position: Position
  /** `notReached`: an earlier rule ended in an error, or nothing was permitted and so nothing is issued. */
  state: 'matched' | 'notMatched' | 'failed' | 'notReached'
  matches: number
  /** `permit`, `deny`, or the claims it made. */
  effects: string[]
  unmet?: Unmet
  error?: string
}

export interface PolicyExplanation {
  /** Absent if the evaluation ended in an error. */
  outcome?: PolicyOutcome
  error?: PolicyError
  /** In execution order. */
  rules: RuleReport[]
}

/**
 * Evaluates a policy and reports, rule by rule, which matched and what it did.
 * @example
 * import { claimsForPolicy, explainPolicy, parsePolicy } from '@strongroom/policy'
 *
 * const policy = parsePolicy('version=1.0; authorizationrules { [type=="secureboot", value==true] => permit(); };')
 * const [rule] = explainPolicy(policy, claimsForPolicy({ tee: 'sevsnpvm' })).rules
 * rule?.state // => 'notMatched'
 * rule?.unmet // => { condition: '[type == "secureboot", value == true]', found: 'secureboot is absent' }
 */
export function explainPolicy(policy: Policy, claims: Iterable<Claim>): PolicyExplanation {
  const reports = new Map<Rule, RuleReport>()
  for (const [segment, rules] of segmentsOf(policy)) {
    for (const rule of rules) {
      const { position } = rule
      reports.set(rule, { segment, rule: formatRule(rule), position, state: 'notReached', matches: 0, effects: [] })
    }
  }
  const observe = (run: RuleRun): void => {
    const report = reports.get(run.rule)!
    report.matches = run.matches
    report.state = run.error !== undefined ? 'failed' : run.matches > 0 ? 'matched' : 'notMatched'
    report.effects = run.matches > 0 && run.error === undefined ? effectsOf(run) : []
    if (run.unmet !== undefined) report.unmet = run.unmet
    if (run.error !== undefined) report.error = run.error.message
  }
  try {
    return { outcome: evaluatePolicy(policy, claims, observe), rules: [...reports.values()] }
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    return { error, rules: [...reports.values()] }
  }
}

function segmentsOf(policy: Policy): [Segment, Rule[]][] {
  return [
    ['configurationrules', policy.configurationRules ?? []],
    ['authorizationrules', policy.authorizationRules],
    ['issuancerules', policy.issuanceRules ?? []],
  ]
}

const shownCharacters = 120

function effectsOf({ rule, made }: RuleRun): string[] {
  const { kind } = rule.action
  if (kind === 'permit' || kind === 'deny') return [kind]
  const verb = { add: 'added', issue: 'issued', issueproperty: 'set' }[kind]
  if (made.length === 0) return [`${verb} nothing`]
  return made.map(({ type, value, readOnly }) => {
    const text = JSON.stringify(value)
    const shown = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
    return `${verb} ${type} = ${shown}${readOnly === true ? ' (read-only)' : ''}`
  })
}
