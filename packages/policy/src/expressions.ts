import type { Budget } from './budget.ts'
import { propertyOf, type Claim } from './claim.ts'
import { formatExpression } from './format.ts'
import { searchJson } from './query/search.ts'
import { QueryError } from './query/query-error.ts'
import { policyLimits } from './limits.ts'
import { PolicyError } from './policy-error.ts'
import type { ClaimValue, Expression } from './syntax.ts'

/** Claims bound to a rule's identifiers in one match. */
export type Bindings = Map<string, Claim>

/** Where an expression is evaluated. */
export interface Scope {
  bindings: Bindings
  /**
   * Every match of the rule, including this one. For functions over sets (`IsSubsetOf`, `ContainsOnlyValue`), `c.value`
   * means the values of all claims bound to c: per match, a set of true and false would "contain only" both.
   */
  matches: readonly Bindings[]
  budget: Budget
}

/** An expression is a set of values: one, none (JSON null), or several (a JSON array). */
export interface Values {
  values: ClaimValue[]
  /** Derived from a claim that may be tested but never copied into a token. */
  readOnly: boolean
}

type Call = Extract<Expression, { kind: 'call' }>

/** @throws PolicyError PolicyEvaluationError */
export function evaluateExpression(expression: Expression, scope: Scope): Values {
  scope.budget.step(expression.position)
  switch (expression.kind) {
    case 'literal':
      return { values: [expression.value], readOnly: false }
    case 'property': {
      const claim = scope.bindings.get(expression.id)!
      const readOnly = expression.property === 'value' && claim.readOnly === true
      return { values: [propertyOf(claim, expression.property)], readOnly }
    }
    case 'call':
      return call(expression, scope)
  }
}

/** As an argument of a set function: an identifier means all its claims. */
function evaluateSet(expression: Expression, scope: Scope): Values {
  if (expression.kind !== 'property') return evaluateExpression(expression, scope)
  scope.budget.step(expression.position, scope.matches.length)
  const values = scope.matches.map((bindings) => propertyOf(bindings.get(expression.id)!, expression.property))
  // The result of such a function does not reveal the set.
  return { values: [...new Set(values)], readOnly: false }
}

function call(expression: Call, scope: Scope): Values {
  const { budget } = scope
  const takesSet = expression.name === 'IsSubsetOf' ? 2 : expression.name === 'ContainsOnlyValue' ? 1 : 0
  const args = expression.arguments.map((argument, index) =>
    index < takesSet ? evaluateSet(argument, scope) : evaluateExpression(argument, scope),
  )
  const [first, second] = args as [Values, Values]
  const readOnly = args.some((argument) => argument.readOnly)
  const boolean = (value: boolean): Values => ({ values: [value], readOnly: false })
  switch (expression.name) {
    case 'JmesPath':
      return jmesPath(expression, first, second, readOnly, budget)
    case 'JsonToClaimValue': {
      if (first.values.length === 0) return { values: [], readOnly }
      const text = oneString(expression, first)
      budget.step(expression.position, readingCost(text))
      return { values: claimValues(expression, text), readOnly }
    }
    case 'AppendString': {
      if (first.values.length === 0 || second.values.length === 0) return { values: [], readOnly }
      const text = oneString(expression, first) + oneString(expression, second)
      budget.text(text.length, expression.position)
      return { values: [text], readOnly }
    }
    case 'NegateBool': {
      const [value] = first.values
      if (first.values.length !== 1 || typeof value !== 'boolean') throw failure(expression, show(first), 'one Boolean')
      // Unlike set comparisons, a negation reveals the value.
      return { values: [!value], readOnly }
    }
    case 'IsSubsetOf': {
      budget.step(expression.position, first.values.length + second.values.length)
      const whole = new Set(second.values)
      return boolean(first.values.every((value) => whole.has(value)))
    }
    case 'ContainsOnlyValue': {
      const [value] = second.values
      if (second.values.length !== 1) throw failure(expression, show(second), 'one value to compare with')
      // An empty set contains nothing, so it does not contain "only" the value either.
      return boolean(first.values.length > 0 && first.values.every((candidate) => candidate === value))
    }
  }
}

function jmesPath(expression: Call, json: Values, query: Values, readOnly: boolean, budget: Budget): Values {
  if (json.values.length === 0) return { values: [], readOnly }
  const text = oneString(expression, query)
  if (text.length > policyLimits.jmesPathCharacters)
    throw failure(expression, 'a query that is too long', `at most ${policyLimits.jmesPathCharacters} characters`)
  const source = oneString(expression, json)
  budget.step(expression.position, readingCost(source) + readingCost(text))
  const document = budget.documents.get(source) ?? parseJson(expression, source)
  budget.documents.set(source, document)
  let result: string
  try {
    result = searchJson(text, document, (cost) => budget.step(expression.position, cost))
  } catch (error) {
    if (error instanceof QueryError) throw failure(expression, error.message, 'a JMESPath query that fits the JSON')
    throw error
  }
  budget.text(result.length, expression.position)
  return { values: [result], readOnly }
}

/** JSON as claim values: null is no value, also in an array; an array of primitives is a set. */
function claimValues(expression: Call, text: string): ClaimValue[] {
  const json = parseJson(expression, text)
  const list = (Array.isArray(json) ? (json as unknown[]) : [json]).filter((value) => value !== null)
  if (list.length > policyLimits.claims)
    throw failure(expression, `${list.length} values`, `at most ${policyLimits.claims}`)
  const values = list.map((value) => {
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value))
      return value as ClaimValue
    throw failure(expression, JSON.stringify(value).slice(0, 40), 'strings, integers and Booleans, or an array of them')
  })
  return [...new Set(values)]
}

/** Texts are parsed again at each call, so their length counts. */
const readingCost = (text: string): number => text.length >> 5

function parseJson(expression: Call, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw failure(expression, `'${text.slice(0, 40)}'`, 'JSON')
  }
}

function oneString(expression: Call, { values }: Values): string {
  const [value] = values
  if (values.length !== 1 || typeof value !== 'string') throw failure(expression, show({ values }), 'one String')
  return value
}

const show = ({ values }: Pick<Values, 'values'>): string => JSON.stringify(values).slice(0, 60)

function failure(expression: Call, found: string, expected: string): PolicyError {
  return new PolicyError({
    code: 'PolicyEvaluationError',
    position: expression.position,
    failingRule: formatExpression(expression),
    found,
    expected,
  })
}
