import type { Budget } from './budget.ts'
import { propertyOf, type Claim, type ClaimSet } from './claim.ts'
import { evaluateExpression, type Bindings, type Scope } from './expressions.ts'
import type { ClaimValue, Condition, Operator, PropertyTest, Rule } from './syntax.ts'

/**
 * Every combined match of a rule's conditions; one empty binding for a rule without conditions. Conditions without an
 * identifier only test existence and do not multiply matches.
 * @param unmet called with the first condition that fails given the earlier ones
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

/** Steps: what a match takes is copied for each that extends it. */
const perBinding = 6

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
    if (!satisfies(claim, condition, scope)) continue
    scope.budget.step(condition.position, perBinding)
    yield new Map(scope.bindings).set(condition.id, claim)
  }
}

/** Claims that can match at all: if the condition names a type, those of that type. */
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

/** All tests in order, stopping at the first failure, so that a later test never sees a claim of the wrong kind. */
function satisfies(claim: Claim, condition: Condition, scope: Scope): boolean {
  return condition.tests.every((test) => passes(claim, test, scope))
}

function passes(claim: Claim, test: PropertyTest, scope: Scope): boolean {
  const left = propertyOf(claim, test.property)
  // Comparing long texts also costs time.
  scope.budget.step(test.position, 1 + (typeof left === 'string' ? left.length >> 10 : 0))
  const { values } = evaluateExpression(test.expression, scope)
  // A set equals a value if it contains it, and differs from it if it does not.
  if (test.operator === '!=') return values.every((right) => compare(left, '!=', right))
  return values.some((right) => compare(left, test.operator, right))
}

/** Values are not converted: "5" is not 5, "true" is not true, and only integers are ordered. */
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
