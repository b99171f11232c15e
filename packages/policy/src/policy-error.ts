/** Position in a policy text; both count from 1. */
export interface Position {
  line: number
  column: number
}

export type PolicyErrorCode = 'PolicyParsingError' | 'PolicyEvaluationError'

/**
 * A policy that cannot be parsed, or whose evaluation ends in an error. Denial is an outcome, not an error.
 * @example
 * import { parsePolicy, PolicyError } from '@strongroom/policy'
 *
 * try {
 *   parsePolicy('version=1.0; authorizationrules { => permit() };')
 * } catch (error) {
 *   if (!(error instanceof PolicyError)) throw error
 *   error.code // => 'PolicyParsingError'
 *   error.position // => { line: 1, column: 47 }
 *   error.expected // => "';'"
 * }
 */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  readonly code: PolicyErrorCode
  readonly position: Position
  /** Path in the grammar, outermost first, for example "policy > authorizationrules > condition". */
  readonly failingRule: string
  /** What the text has there. */
  readonly found: string
  /** What the grammar or the evaluator expects there. */
  readonly expected: string

  constructor(o: { code: PolicyErrorCode; position: Position; failingRule: string; found: string; expected: string }) {
    super(
      `Line ${o.position.line}, column ${o.position.column}: found ${o.found}, expected ${o.expected}. ` +
        `Failing rule: '${o.failingRule}'.`,
    )
    this.code = o.code
    this.position = o.position
    this.failingRule = o.failingRule
    this.found = o.found
    this.expected = o.expected
  }
}
