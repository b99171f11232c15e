import type { Expression, Rule } from './syntax.ts'

/** Every expression of a rule, arguments of calls included. */
export function expressionsOf({ conditions, action }: Rule): Expression[] {
  const top = [
    ...conditions.flatMap(({ tests }) => tests.map(({ expression }) => expression)),
    ...('properties' in action ? action.properties.map(({ expression }) => expression) : []),
  ]
  const nested = (expression: Expression): Expression[] =>
    expression.kind === 'call' ? [expression, ...expression.arguments.flatMap(nested)] : [expression]
  return top.flatMap(nested)
}
