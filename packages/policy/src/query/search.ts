import type { JSONValue } from '@jmespath-community/jmespath'
import { compileQuery } from './compile.ts'
import { interpret } from './interpreter.ts'
import { weigh, type Charge } from './json.ts'
import { QueryError } from './query-error.ts'

/**
 * The result of a JMESPath query on JSON, as JSON text. Absent values are null.
 * @param charge called with the cost of work as it is done; an exception from it ends the search
 * @throws QueryError for an invalid query, or a function with an argument it does not accept
 * @example
 * import { searchJson } from '@strongroom/policy'
 *
 * const runtime = { keys: [{ kid: 'HCLAkPub' }, { kid: 'HCLTransferKey' }] }
 * let steps = 0
 * const found = searchJson('keys[*].kid', runtime, (cost) => void (steps += cost))
 * found // => '["HCLAkPub","HCLTransferKey"]'
 * steps > 0 // => true
 */
export function searchJson(query: string, document: unknown, charge: Charge): string {
  const node = compileQuery(query)
  let stopped: unknown
  const metered: Charge = (cost) => {
    try {
      charge(cost)
    } catch (error) {
      stopped = error
      throw error
    }
  }
  try {
    const result = interpret(node, document as JSONValue, metered)
    weigh(result, metered)
    return JSON.stringify(result ?? null)
  } catch (error) {
    if (error === stopped || error instanceof QueryError) throw error
    // The library has no error class.
    throw new QueryError(error instanceof Error ? error.message : String(error))
  }
}
