import type { Budget } from './budget.ts'
import { propertyOf, type Claim, type ClaimSet } from './claim.ts'
import { evaluateExpression, type Bindings, type Scope } from './expressions.ts'
import type { ClaimValue, Condition, Operator, PropertyTest, Rule } from './syntax.ts'

/**
 * Every way in which the conditions of a rule hold together; one empty binding for a rule without conditions.
 * Conditions without an identifier are tests of existence and do not multiply matches.
 * @param unmet told of the first condition that does not hold together with those before it
 */
export function matchRule(
  rule: Rule,
  claims: ClaimSet,
  budget: Budget,
  unmet: (condition: Condition) => void,
): Bindings[] {
  let matches: Bindings[] = [new Map()]
  for (const condition of rule.conditions) {
    const next: Bindings[] = []
    for (const bindings of matches) {
      for (const extended of extend(condition, { bindings, matches, budget }, claims)) {
        next.push(extended)
        budget.matches(next.length, condition.position)
      }
    }
    matches = next
    if (matches.length === 0) {
      unmet(condition)
      return []
    }
  }
  return matches
}

function* extend(condition: Condition, scope: Scope, claims: ClaimSet): Generator<Bindings> {
  if (condition.negated || condition.id === undefined) {
    let found = false
    for (const claim of candidates(condition, claims)) {
      if (!satisfies(claim, condition, scope)) continue
      found = true
      break
    }
    if (found !== condition.negated) yield scope.bindings
    return
  }
  for (const claim of candidates(condition, claims)) {
    if (satisfies(claim, condition, scope)) yield new Map(scope.bindings).set(condition.id, claim)
  }
}

/** Claims that can fit at all: where the condition names a type, those of that type. */
export function candidates(condition: Condition, claims: ClaimSet): Iterable<Claim> {
  const type = literalType(condition)
  return type === undefined ? claims : claims.ofType(type)
}

export function literalType(condition: Condition): string | undefined {
  for (const { property, operator, expression } of condition.tests) {
    if (property === 'type' && operator === '==' && expression.kind === 'literal') return String(expression.value)
  }
  return undefined
}

/** All tests in order; the first that fails ends it, so a later one never sees a claim of another kind. */
function satisfies(claim: Claim, condition: Condition, scope: Scope): boolean {
  return condition.tests.every((test) => passes(claim, test, scope))
}

function passes(claim: Claim, test: PropertyTest, scope: Scope): boolean {
  const left = propertyOf(claim, test.property)
  // Comparing long texts takes its time, too.
  scope.budget.step(test.position, 1 + (typeof left === 'string' ? left.length >> 10 : 0))
  const { values } = evaluateExpression(test.expression, scope)
  // A set equals a value when it holds it, and differs from it when it does not.
  if (test.operator === '!=') return values.every((right) => compare(left, '!=', right))
  return values.some((right) => compare(left, test.operator, right))
}

/** No value is converted: "5" is not 5, "true" is not true, and only integers have an order. */
function compare(left: ClaimValue, operator: Operator, right: ClaimValue): boolean {
  if (operator === '==') return left === right
  if (operator === '!=') return left !== right
  if (typeof left !== 'number' || typeof right !== 'number') return false
  switch (operator) {
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
  }
}
