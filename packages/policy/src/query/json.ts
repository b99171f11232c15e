import type { JSONValue } from '@jmespath-community/jmespath'
import { QueryError } from './query-error.ts'

/** Told of work as it is done; throws when the caller has had enough. */
export type Charge = (cost: number) => void

/** How deep JSON may be nested: parsing, comparing and printing of deeper values could exhaust the stack. */
const depthLimit = 200

/** Values and stretches of text that cost as much as one step of a query. */
const perStep = { values: 8, characters: 512 }

/**
 * Charges for the size of a value as if it were printed. A query makes small values that print as huge ones by naming the same
 * part over and over, so a value is weighed before it is compared, printed or given to a function.
 * @throws QueryError where it is nested too deep
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
        pending += name.length / perStep.characters
        visit(part[name], depth + 1)
      }
    }
  }
  visit(value, 0)
  charge(pending)
}
