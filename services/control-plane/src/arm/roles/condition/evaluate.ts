import type { AssignmentAttributes, Attributes, Condition, Operator } from './condition.ts'
import { matchesWildcards } from './wildcards.ts'

type Comparison = Extract<Condition, { kind: 'compare' }>

/** Undefined: it depends on an attribute that is absent. */
export type Truth = boolean | undefined

/**
 * Whether a condition holds for a request. Absent attributes are neither equal nor unequal to anything, so that no
 * `NOT` makes a right out of what is unknown: only `true` grants one.
 */
export function holds(condition: Condition, asked: Attributes & { action: string }): Truth {
  switch (condition.kind) {
    case 'and':
      return all(condition.of.map((each) => holds(each, asked)))
    case 'or':
      return not(all(condition.of.map((each) => not(holds(each, asked)))))
    case 'not':
      return not(holds(condition.of, asked))
    case 'action':
      return matchesWildcards(condition.pattern.toLowerCase(), asked.action.toLowerCase())
    case 'exists': {
      const known = asked[condition.attribute.source]
      return known && known[condition.attribute.name] !== undefined
    }
    case 'compare':
      return compare(condition, asked[condition.attribute.source] ?? {})
  }
}

/** False if any is, even beside unknown ones. */
export function all(values: Truth[]): Truth {
  if (values.includes(false)) return false
  return values.includes(undefined) ? undefined : true
}

const not = (value: Truth): Truth => (value === undefined ? undefined : !value)

function compare({ attribute: { name }, operator, every, values }: Comparison, known: AssignmentAttributes): Truth {
  const value = known[name]
  if (value === undefined) return undefined
  const matching = values.map((each) => isSame(operator, value, each))
  if (name === 'roleDefinitionId' && known.onlyByName === true && !matching.includes(true)) return undefined
  const fits = (same: boolean): boolean => same !== (operator.negated === true)
  return every ? matching.every(fits) : matching.some(fits)
}

function isSame({ ignoreCase, wildcards }: Operator, value: string, wanted: string): boolean {
  if (wildcards === true) return matchesWildcards(wanted, value, '?')
  return ignoreCase === true ? value.toLowerCase() === wanted.toLowerCase() : value === wanted
}
