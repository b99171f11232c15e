import { ClaimSet, valueTypeOf, type Claim } from './claim.ts'
import { Budget } from './budget.ts'
import { evaluateExpression, type Bindings, type Scope, type Values } from './expressions.ts'
import { explainDenial, unmetOf, type Denial, type Unmet } from './explanation.ts'
import { matchRule } from './matching.ts'
import { PolicyError } from './policy-error.ts'
import { misfit } from './properties.ts'
import { formatRule } from './format.ts'
import { isReservedForService } from './reserved.ts'
import type { Action, ClaimVerb, ClaimValue, Policy, Rule, Segment } from './syntax.ts'

export interface PolicyOutcome {
  permitted: boolean
  /** Present if not permitted. */
  denial?: Denial
  /** What `issue` put into the token, by claim type; several values if rules issued several. */
  issued: Map<string, ClaimValue[]>
  /** What `issueproperty` set: report_validity_in_minutes, omit_x5c and others. */
  properties: Map<string, ClaimValue>
  /** Issuance rules that had no effect, and why: they never fail attestation. */
  notes: string[]
}

/**
 * Runs a policy over the claims of one piece of evidence. Permitted only if at least one `permit()` ran and no `deny()`
 * did, in any order.
 * @throws PolicyError `PolicyEvaluationError` if an authorization or configuration rule cannot be evaluated, or a limit
 * is reached
 * @example
 * import { claimsForPolicy, evaluatePolicy, parsePolicy } from '@strongroom/policy'
 *
 * const policy = parsePolicy(`version=1.0;
 * authorizationrules { [type=="x-ms-sevsnpvm-is-debuggable", value==false] => permit(); };
 * issuancerules { => issue(type="team", value="payments"); };`)
 *
 * const outcome = evaluatePolicy(policy, claimsForPolicy({ 'x-ms-sevsnpvm-is-debuggable': false }))
 * outcome.permitted // => true
 * outcome.issued.get('team') // => ['payments']
 *
 * const denied = evaluatePolicy(policy, claimsForPolicy({ 'x-ms-sevsnpvm-is-debuggable': true }))
 * denied.denial?.found // => 'x-ms-sevsnpvm-is-debuggable is true'
 */
export function evaluatePolicy(policy: Policy, incoming: Iterable<Claim>, observe?: Observer): PolicyOutcome {
  return new Evaluation(policy, new ClaimSet(incoming), observe).run()
}

/** The effect of one rule. */
export interface RuleRun {
  rule: Rule
  segment: Segment
  /** In how many ways its conditions matched together; 1 for a rule without conditions. */
  matches: number
  /** Claims it added or issued, or properties it set. */
  made: Claim[]
  /** Present if the rule did not match: the first condition that failed. */
  unmet?: Unmet | undefined
  error?: PolicyError
}

/** Called for each rule after it ran. */
export type Observer = (run: RuleRun) => void

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

  readonly #observe: Observer | undefined

  constructor(policy: Policy, claims: ClaimSet, observe: Observer | undefined) {
    this.#policy = policy
    this.#claims = claims
    this.#observe = observe
  }

  run(): PolicyOutcome {
    for (const rule of this.#policy.configurationRules ?? []) this.#run(rule, 'configurationrules')
    for (const rule of this.#policy.authorizationRules) this.#run(rule, 'authorizationrules')
    const permitted = this.#permits > 0 && this.#deny === undefined
    if (!permitted) {
      const denial = explainDenial(this.#policy.authorizationRules, this.#deny, this.#claims)
      return { permitted, denial, issued: new Map(), properties: this.#properties, notes: this.#notes }
    }
    for (const rule of this.#policy.issuanceRules ?? []) this.#runIssuance(rule)
    return { permitted, issued: this.#issued, properties: this.#properties, notes: this.#notes }
  }

  /**
   * All matches are found and all claims built before the first one is added: a rule never feeds itself, and one that
   * cannot be evaluated has no effect.
   */
  #run(rule: Rule, segment: Segment): void {
    const run: RuleRun = { rule, segment, matches: 0, made: [] }
    try {
      const matches = matchRule(rule, this.#claims, this.#budget, (condition) => {
        if (this.#observe !== undefined) run.unmet = unmetOf(condition, this.#claims)
      })
      run.matches = matches.length
      if (matches.length > 0) run.made = this.#act(rule, matches, segment)
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      run.error = error
      throw error
    } finally {
      this.#observe?.(run)
    }
  }

  #runIssuance(rule: Rule): void {
    try {
      this.#run(rule, 'issuancerules')
    } catch (error) {
      if (!(error instanceof PolicyError) || this.#budget.exhausted) throw error
      this.#notes.push(error.message)
    }
  }

  #act(rule: Rule, matches: readonly Bindings[], segment: Segment): Claim[] {
    const { action } = rule
    // In authorization rules it acts as `add`: they decide, and put nothing into the token.
    const isIssued = action.kind === 'issue' && segment === 'issuancerules'
    if (!('claim' in action || 'properties' in action)) {
      this.#settle(rule, action.kind)
      return []
    }
    const made = matches.flatMap((bindings) =>
      this.#claimsOf(rule, action, { bindings, matches, budget: this.#budget }),
    )
    const kept = isIssued ? made.filter((claim) => this.#mayIssue(rule, claim)) : made
    if (action.kind === 'issueproperty') this.#setProperty(rule, kept)
    for (const claim of kept) {
      if (isIssued) this.#issue(claim)
      this.#add(claim, rule)
    }
    return kept
  }

  #settle(rule: Rule, kind: 'permit' | 'deny'): void {
    if (kind === 'permit') this.#permits += 1
    else this.#deny ??= rule
  }

  #claimsOf(rule: Rule, action: ClaimAction, scope: Scope): Claim[] {
    if ('claim' in action) return [scope.bindings.get(action.claim)!]
    const evaluate = (property: string): Values | undefined => {
      const assignment = action.properties.find((candidate) => candidate.property === property)
      return assignment === undefined ? undefined : evaluateExpression(assignment.expression, scope)
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
      const found = valueTypeOf(value)
      if (wanted !== undefined && wanted !== found)
        throw this.#failure(rule, found, `a value of type ${String(wanted)}`)
      return claim
    })
  }

  #add(claim: Claim, rule: Rule): void {
    this.#budget.lookUp(claim, rule.position)
    if (this.#claims.add(claim)) this.#budget.produce(claim, this.#claims.size, rule.position)
  }

  /** @returns false for what the service states anyway */
  #mayIssue(rule: Rule, claim: Claim): boolean {
    if (isReservedForService(claim.type)) {
      // The token already contains the service's claims: a copy under the same name adds nothing and is no forgery.
      if (
        this.#claims.ofType(claim.type).some((own) => own.issuer === 'AttestationService' && own.value === claim.value)
      )
        return false
      throw this.#failure(rule, JSON.stringify(claim.type), 'a custom claim name: this one is reserved for the service')
    }
    if (claim.readOnly === true)
      throw this.#failure(
        rule,
        `the read-only claim ${JSON.stringify(claim.type)}`,
        'a claim that may be copied into a token',
      )
    return true
  }

  #issue({ type, value }: Claim): void {
    const values = this.#issued.get(type)
    if (values === undefined) this.#issued.set(type, [value])
    else if (!values.includes(value)) values.push(value)
  }

  #setProperty(rule: Rule, claims: Claim[]): void {
    const set = new Map(this.#properties)
    for (const claim of claims) {
      const { type, value } = claim
      const earlier = set.get(type) ?? value
      if (earlier !== value)
        throw this.#failure(rule, `${String(value)} after ${String(earlier)}`, `one value of the property ${type}`)
      const expected = misfit(claim)
      if (expected !== undefined) throw this.#failure(rule, JSON.stringify(value), expected)
      set.set(type, value)
    }
    for (const { type, value } of claims) this.#properties.set(type, value)
  }

  #failure(rule: Rule, found: string, expected: string): PolicyError {
    const failingRule = formatRule(rule)
    return new PolicyError({ code: 'PolicyEvaluationError', position: rule.position, failingRule, found, expected })
  }
}
