import { ClaimSet, type Claim } from './claim.ts'
import { Budget } from './budget.ts'
import { evaluateExpression, type Bindings, type Values } from './expressions.ts'
import { explainDenial, type Denial } from './explanation.ts'
import { matchRule } from './matching.ts'
import { PolicyError } from './policy-error.ts'
import { formatRule } from './format.ts'
import { isReservedForService } from './reserved.ts'
import type { Action, ClaimVerb, ClaimValue, Policy, Rule, Segment } from './syntax.ts'

export interface PolicyOutcome {
  permitted: boolean
  /** Present when not permitted. */
  denial?: Denial
  /** What `issue` put into the token, by claim type; more than one value where rules issued several. */
  issued: Map<string, ClaimValue[]>
  /** What `issueproperty` set: report_validity_in_minutes, omit_x5c and the like. */
  properties: Map<string, ClaimValue>
  /** Issuance rules that had no effect, and why: they never fail attestation. */
  notes: string[]
}

/**
 * Runs a policy over the claims of one piece of evidence. Permitted only when at least one `permit()` ran and no
 * `deny()` did; no order of rules changes that.
 * @throws PolicyError `PolicyEvaluationError` where an authorization or configuration rule cannot be evaluated, or a limit is met
 */
export function evaluatePolicy(policy: Policy, incoming: Iterable<Claim>): PolicyOutcome {
  return new Evaluation(policy, incoming).run()
}

type ClaimAction = Extract<Action, { kind: ClaimVerb }>

class Evaluation {
  readonly #policy: Policy
  readonly #claims: ClaimSet
  readonly #budget = new Budget()
  readonly #issued = new Map<string, ClaimValue[]>()
  readonly #properties = new Map<string, ClaimValue>()
  readonly #notes: string[] = []
  #permits = 0
  #deny: Rule | undefined

  constructor(policy: Policy, incoming: Iterable<Claim>) {
    this.#policy = policy
    this.#claims = new ClaimSet(incoming)
  }

  run(): PolicyOutcome {
    for (const rule of this.#policy.configurationRules ?? []) this.#run(rule, 'configurationrules')
    for (const rule of this.#policy.authorizationRules) this.#run(rule, 'authorizationrules')
    const permitted = this.#permits > 0 && this.#deny === undefined
    if (!permitted) {
      const denial = explainDenial(this.#policy.authorizationRules, this.#deny, this.#claims, this.#budget)
      return { permitted, denial, issued: new Map(), properties: this.#properties, notes: this.#notes }
    }
    for (const rule of this.#policy.issuanceRules ?? []) this.#runIssuance(rule)
    return { permitted, issued: this.#issued, properties: this.#properties, notes: this.#notes }
  }

  /** Matches are found before the first action runs, so that a rule never feeds itself. */
  #run(rule: Rule, segment: Segment): void {
    for (const bindings of matchRule(rule, this.#claims, this.#budget)) this.#act(rule, rule.action, bindings, segment)
  }

  #runIssuance(rule: Rule): void {
    try {
      this.#run(rule, 'issuancerules')
    } catch (error) {
      if (!(error instanceof PolicyError) || this.#budget.exhausted) throw error
      this.#notes.push(error.message)
    }
  }

  #act(rule: Rule, action: Action, bindings: Bindings, segment: Segment): void {
    if (!('claim' in action || 'properties' in action)) return this.#settle(rule, action.kind)
    for (const claim of this.#claimsOf(rule, action, bindings)) {
      if (action.kind === 'issue') this.#issue(rule, claim)
      if (action.kind === 'issueproperty') this.#setProperty(rule, claim)
      if (segment !== 'configurationrules') this.#add(claim, rule)
    }
  }

  #settle(rule: Rule, kind: 'permit' | 'deny'): void {
    if (kind === 'permit') this.#permits += 1
    else this.#deny ??= rule
  }

  #claimsOf(rule: Rule, action: ClaimAction, bindings: Bindings): Claim[] {
    if ('claim' in action) return [bindings.get(action.claim)!]
    const evaluate = (property: string): Values | undefined => {
      const assignment = action.properties.find((candidate) => candidate.property === property)
      return assignment === undefined ? undefined : evaluateExpression(assignment.expression, bindings, this.#budget)
    }
    const types = evaluate('type')!
    const values = evaluate('value')!
    const wanted = evaluate('valueType')?.values[0]
    const type = types.values[0]
    if (types.values.length !== 1 || typeof type !== 'string' || type === '')
      throw this.#failure(rule, JSON.stringify(types.values), 'one claim type that is a string and not empty')
    const readOnly = types.readOnly || values.readOnly
    return values.values.map((value) => {
      const claim: Claim = { type, value, issuer: 'AttestationPolicy', ...(readOnly ? { readOnly } : {}) }
      const found = typeof value === 'string' ? 'String' : typeof value === 'boolean' ? 'Boolean' : 'Integer'
      if (wanted !== undefined && wanted !== found)
        throw this.#failure(rule, found, `a value of type ${String(wanted)}`)
      return claim
    })
  }

  #add(claim: Claim, rule: Rule): void {
    if (this.#claims.add(claim)) this.#budget.produce(claim, this.#claims.size, rule.position)
  }

  #issue(rule: Rule, claim: Claim): void {
    // What the service says is in the token anyway; a copy of it adds nothing and is no forgery.
    if (isReservedForService(claim.type)) {
      if (claim.issuer === 'AttestationService') return
      throw this.#failure(rule, JSON.stringify(claim.type), 'a claim name of your own: this one speaks for the service')
    }
    if (claim.readOnly === true)
      throw this.#failure(
        rule,
        `the read-only claim ${JSON.stringify(claim.type)}`,
        'a claim that may be copied into a token',
      )
    const values = this.#issued.get(claim.type)
    if (values === undefined) this.#issued.set(claim.type, [claim.value])
    else if (!values.includes(claim.value)) values.push(claim.value)
  }

  #setProperty(rule: Rule, claim: Claim): void {
    const earlier = this.#properties.get(claim.type)
    if (earlier !== undefined && earlier !== claim.value)
      throw this.#failure(
        rule,
        `${String(claim.value)} after ${String(earlier)}`,
        `one value of the property ${claim.type}`,
      )
    checkProperty(claim, (found, expected) => this.#failure(rule, found, expected))
    this.#properties.set(claim.type, claim.value)
  }

  #failure(rule: Rule, found: string, expected: string): PolicyError {
    const failingRule = formatRule(rule)
    return new PolicyError({ code: 'PolicyEvaluationError', position: rule.position, failingRule, found, expected })
  }
}

const minutesPerYear = 525_600

/** Properties of the token itself; others are for evidence types that this service does not have and change nothing. */
function checkProperty(claim: Claim, fail: (found: string, expected: string) => PolicyError): void {
  const { type, value } = claim
  if (type === 'report_validity_in_minutes' && !(typeof value === 'number' && value >= 1 && value <= minutesPerYear))
    throw fail(JSON.stringify(value), `whole minutes from 1 to ${minutesPerYear} for ${type}`)
  if (type === 'omit_x5c' && typeof value !== 'boolean') throw fail(JSON.stringify(value), `true or false for ${type}`)
}
