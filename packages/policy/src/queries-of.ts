import type { Position } from './policy-error.ts'
import type { Expression, Rule } from './syntax.ts'

interface WrittenQuery {
  text: string
  position: Position
}

/** Literal JMESPath queries in a rule, including those in call arguments. */
export function queriesOf({ conditions, action }: Rule): WrittenQuery[] {
  const top = [
    ...conditions.flatMap(({ tests }) => tests.map(({ expression }) => expression)),
    ...('properties' in action ? action.properties.map(({ expression }) => expression) : []),
  ]
  return top.flatMap(queriesIn)
}

function queriesIn(expression: Expression): WrittenQuery[] {
  if (expression.kind !== 'call') return []
  const inner = expression.arguments.flatMap(queriesIn)
  const query = expression.arguments[1]
  const isWritten = expression.name === 'JmesPath' && query?.kind === 'literal' && typeof query.value === 'string'
  return isWritten ? [{ text: query.value as string, position: query.position }, ...inner] : inner
}
