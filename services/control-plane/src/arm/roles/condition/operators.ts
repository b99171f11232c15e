import { notEvaluated, type Operator } from './condition.ts'

/** By Azure's names, which match in any case. */
const operators: Record<string, Operator> = {
  GuidEquals: { type: 'GUID', ignoreCase: true },
  GuidNotEquals: { type: 'GUID', ignoreCase: true, negated: true },
  StringEquals: { type: 'text' },
  StringNotEquals: { type: 'text', negated: true },
  StringEqualsIgnoreCase: { type: 'text', ignoreCase: true },
  StringNotEqualsIgnoreCase: { type: 'text', ignoreCase: true, negated: true },
  StringLike: { type: 'text', wildcards: true },
  StringNotLike: { type: 'text', wildcards: true, negated: true },
}

/**
 * How a comparison treats its values. An attribute has a single one here, so that any and all of the attribute's are
 * the same; whether any or all of the condition's have to match differs.
 */
const quantifiers: Record<string, { every: boolean }> = {
  ForAnyOfAnyValues: { every: false },
  ForAllOfAnyValues: { every: false },
  ForAnyOfAllValues: { every: true },
  ForAllOfAllValues: { every: true },
}

const find = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.entries(table).find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1]

/**
 * `GuidEquals`, or `ForAnyOfAnyValues:GuidEquals` for a set of values.
 * @throws ServiceError NotSupported
 */
export function operatorNamed(text: string): { operator: Operator; set: boolean; every: boolean } {
  const parts = text.split(':')
  const operator = find(operators, parts.at(-1)!)
  if (operator === undefined || parts.length > 2)
    throw notEvaluated('The operator', text, Object.keys(operators).join(', '))
  if (parts.length === 1) return { operator, set: false, every: false }
  const quantifier = find(quantifiers, parts[0]!)
  if (quantifier === undefined) throw notEvaluated('The operator', text, Object.keys(quantifiers).join(', '))
  return { operator, set: true, ...quantifier }
}
