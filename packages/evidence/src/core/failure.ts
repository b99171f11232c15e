/** Why genuine evidence does not satisfy the policy. */
export type FailureCode =
  | 'NotEqual'
  | 'NotAllowed'
  | 'BelowMinimum'
  | 'AboveMaximum'
  | 'Forbidden'
  | 'Required'
  | 'Missing'
  | 'Unknown'

/**
 * One rule that genuine evidence did not satisfy. Appraisal returns all of them, so that a policy can be fixed in one
 * round.
 */
export interface Failure {
  /** Place of the value in the evidence, dotted, for example `reportedTcb.snp`. */
  path: string
  code: FailureCode
  expected: string
  actual: string
}
