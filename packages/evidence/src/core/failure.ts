/** Why genuine evidence is not what the policy wants. */
export type FailureCode =
  | 'NotEqual'
  | 'NotAllowed'
  | 'BelowMinimum'
  | 'AboveMaximum'
  | 'Forbidden'
  | 'Required'
  | 'Missing'
  | 'Unknown'

/** One rule that genuine evidence did not meet. Appraisal returns all of them, so that an operator mends a policy in one round. */
export interface Failure {
  /** Place of the value in the evidence, dotted, for example `reportedTcb.snp`. */
  path: string
  code: FailureCode
  expected: string
  actual: string
}
