import { ServiceError } from '@strongroom/platform'

/** What a condition can ask about a role assignment. */
export interface AssignmentAttributes {
  /** GUID. */
  roleDefinitionId?: string | undefined
  /** GUID. */
  principalId?: string | undefined
  principalType?: string | undefined
  /** The role differs from no other: a condition that excludes roles does not admit it, one that names it does. */
  onlyByName?: boolean
}

export type AttributeName = 'roleDefinitionId' | 'principalId' | 'principalType'
/** `request`: as the request would write it. `resource`: as it is stored. */
type AttributeSource = 'request' | 'resource'
/** What is known when a condition is evaluated. An absent member of a source does not exist; of an absent source nothing is known. */
export type Attributes = Partial<Record<AttributeSource, AssignmentAttributes>>

export interface Attribute {
  source: AttributeSource
  name: AttributeName
}

export interface Operator {
  type: 'GUID' | 'text'
  negated?: true
  ignoreCase?: true
  /** With `*` and `?` in the value. */
  wildcards?: true
}

/** A condition of a role assignment, in Azure's format 2.0. */
export type Condition =
  | { kind: 'and' | 'or'; of: Condition[] }
  | { kind: 'not'; of: Condition }
  | { kind: 'action'; pattern: string }
  | { kind: 'exists'; attribute: Attribute }
  | { kind: 'compare'; attribute: Attribute; operator: Operator; every: boolean; values: string[] }

/** The version of the format. */
export const conditionVersion = '2.0'
const target = 'properties.condition'

/** @param at index of the first character that is wrong */
export const malformed = (at: number, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRoleAssignmentCondition',
    message: `The given role assignment condition is invalid: at character ${at + 1}, ${expected} is expected.`,
    target,
    expected,
    found: found.slice(0, 80),
    remedy: 'Correct the condition.',
  })

/** What is stored is evaluated: Azure has it, this installation has not. @param what for example the operator */
export const notEvaluated = (what: string, name: string, expected: string): ServiceError =>
  new ServiceError({
    code: 'NotSupported',
    status: 400,
    message: `${what} '${name.slice(0, 200)}' of the role assignment condition is not evaluated by this installation.`,
    target,
    expected,
    found: name.slice(0, 200),
    remedy: 'Write the condition with what is expected.',
  })
