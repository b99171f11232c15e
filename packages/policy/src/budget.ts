import type { Claim } from './claim.ts'
import { policyLimits } from './limits.ts'
import { PolicyError, type Position } from './policy-error.ts'

/** Counts the cost of one policy run, so that no policy can stall the service. */
export class Budget {
  #steps = 0
  #produced = 0
  /** Set once a limit is reached: the run must then end, in any rule. */
  exhausted = false
  /** JSON texts read in this run, so that rules about one claim do not parse it again. */
  readonly documents: Map<string, unknown> = new Map()

  step(position: Position, count = 1): void {
    this.#steps += count
    if (this.#steps > policyLimits.steps)
      throw this.#met(position, `at most ${policyLimits.steps} steps in one evaluation`)
  }

  matches(count: number, position: Position): void {
    if (count > policyLimits.matchesPerRule)
      throw this.#met(position, `at most ${policyLimits.matchesPerRule} matches of one rule`)
  }

  text(characters: number, position: Position): void {
    if (characters > policyLimits.valueCharacters)
      throw this.#met(position, `at most ${policyLimits.valueCharacters} characters in one value`)
    this.#produced += characters
    if (this.#produced > policyLimits.producedCharacters)
      throw this.#met(position, `at most ${policyLimits.producedCharacters} characters made by one evaluation`)
  }

  /** Looking up a claim costs time, whether it is new or not. */
  lookUp(claim: Claim, position: Position): void {
    this.step(position, 1 + (typeof claim.value === 'string' ? claim.value.length >> 8 : 0))
  }

  /** One more claim was added to the set. */
  produce(claim: Claim, size: number, position: Position): void {
    if (size > policyLimits.claims) throw this.#met(position, `at most ${policyLimits.claims} claims`)
    this.text(claim.type.length + (typeof claim.value === 'string' ? claim.value.length : 8), position)
  }

  #met(position: Position, expected: string): PolicyError {
    this.exhausted = true
    return new PolicyError({
      code: 'PolicyEvaluationError',
      position,
      failingRule: 'policy > limits',
      found: 'a policy that costs more',
      expected,
    })
  }
}
