import { describe, expect, it } from 'vitest'
import { Budget } from './budget.ts'
import type { Claim } from './claim.ts'
import { policyLimits } from './limits.ts'
import { PolicyError } from './policy-error.ts'

const at = { line: 3, column: 7 }
const claim = (value: Claim['value'], type = 'a'): Claim => ({ type, value, issuer: 'AttestationService' })
/** What was expected; undefined if the budget held. */
const refusal = (work: () => void): string | undefined => {
  try {
    work()
    return undefined
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    expect([error.code, error.position, error.failingRule, error.found]).toEqual([
      'PolicyEvaluationError',
      at,
      'policy > limits',
      'a policy that costs more',
    ])
    return error.expected
  }
}
/** How many steps this takes: the difference that is left below the limit. */
const stepsOf = (work: (budget: Budget) => void): number => {
  const budget = new Budget()
  work(budget)
  let left = 0
  while (refusal(() => budget.step(at)) === undefined) left += 1
  return policyLimits.steps - left
}

describe('the budget of one evaluation', () => {
  it('has so many steps, one at a time or several', () => {
    const expected = `at most ${policyLimits.steps} steps in one evaluation`
    const budget = new Budget()
    expect(refusal(() => budget.step(at, policyLimits.steps))).toBeUndefined()
    expect([budget.exhausted, refusal(() => budget.step(at)), budget.exhausted]).toEqual([false, expected, true])
    expect(stepsOf((each) => each.step(at, policyLimits.steps - 5))).toBe(policyLimits.steps - 5)
  })

  it('has so many matches of one rule', () => {
    const { matchesPerRule } = policyLimits
    expect(refusal(() => new Budget().matches(matchesPerRule, at))).toBeUndefined()
    expect(refusal(() => new Budget().matches(matchesPerRule + 1, at))).toBe(
      `at most ${matchesPerRule} matches of one rule`,
    )
  })

  it('has so many characters in one value, and over all values', () => {
    const { valueCharacters, producedCharacters } = policyLimits
    const budget = new Budget()
    expect(refusal(() => budget.text(valueCharacters + 1, at))).toBe(
      `at most ${valueCharacters} characters in one value`,
    )
    const whole = new Budget()
    for (let made = 0; made < producedCharacters; made += valueCharacters)
      expect(refusal(() => whole.text(valueCharacters, at))).toBeUndefined()
    expect(refusal(() => whole.text(0, at))).toBeUndefined()
    expect(refusal(() => whole.text(1, at))).toBe(`at most ${producedCharacters} characters made by one evaluation`)
  })

  it('counts what a claim is looked up by: a step, and one for each 256 characters', () => {
    for (const [value, steps] of [
      [true, 1],
      [7, 1],
      ['', 1],
      ['x'.repeat(255), 1],
      ['x'.repeat(256), 2],
      ['x'.repeat(1024), 5],
    ] as const)
      expect(stepsOf((budget) => budget.lookUp(claim(value), at))).toBe(steps)
  })

  it('counts claims that come into the set, and their characters', () => {
    const { claims, producedCharacters, valueCharacters } = policyLimits
    expect(refusal(() => new Budget().produce(claim(1), claims, at))).toBeUndefined()
    expect(refusal(() => new Budget().produce(claim(1), claims + 1, at))).toBe(`at most ${claims} claims`)
    // The type's characters and the value's; eight for a value that is not text.
    for (const [made, characters] of [
      [claim('value', 'type'), 9],
      [claim(1, 'type'), 12],
      [claim(true, 't'), 9],
    ] as const) {
      const budget = new Budget()
      for (let rest = producedCharacters - characters; rest > 0; rest -= valueCharacters)
        budget.text(Math.min(rest, valueCharacters), at)
      expect(refusal(() => budget.produce(made, 1, at))).toBeUndefined()
      expect(refusal(() => budget.text(1, at))).toContain('made by one evaluation')
    }
  })
})
