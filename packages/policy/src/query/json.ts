import type { JSONValue } from '@jmespath-community/jmespath'
import { QueryError } from './query-error.ts'

/** Called with the cost of work as it is done; throws when the budget is spent. */
export type Charge = (cost: number) => void

/** Maximum nesting of JSON: parsing, comparing or printing deeper values could exhaust the stack. */
const depthLimit = 200

/** How many values, and how many characters, cost as much as one query step. A member of an object counts as two values. */
export const perStep = { values: 8, characters: 128 } as const

/**
 * Charges for the printed size of a value. By repeating one part, a query can build small values that print as huge
 * ones, so a value is weighed before it is compared, printed or passed to a function.
 * @throws QueryError if it is nested too deep
 */
export function weigh(value: JSONValue | undefined, charge: Charge): void {
  let pending = 0
  const visit = (part: JSONValue | undefined, depth: number): void => {
    if (depth > depthLimit) throw new QueryError(`JSON is nested more than ${depthLimit} deep`)
    pending += typeof part === 'string' ? 1 / perStep.values + part.length / perStep.characters : 1 / perStep.values
    if (pending >= 64) {
      charge(pending)
      pending = 0
    }
    if (Array.isArray(part)) for (const item of part) visit(item, depth + 1)
    else if (typeof part === 'object' && part !== null) {
      for (const name of Object.keys(part)) {
        pending += 1 / perStep.values + name.length / perStep.characters
        visit(part[name], depth + 1)
      }
    }
  }
  visit(value, 0)
  charge(pending)
}
