import type { CodeWithStatus, SettledCode } from '@strongroom/contract'
import { ServiceError, type ServiceErrorOptions } from '@strongroom/platform'
import type { FaqRuleId } from './faq-rule.ts'

export type Problem = CodeWithStatus & ProblemParticulars
/** One whose status the catalogue says. */
export type SettledProblem = { code: SettledCode; status?: never } & ProblemParticulars

interface ProblemParticulars {
  message: string
  target?: string
  expected?: string
  found?: string
  remedy?: string
  /** The rule of the FAQ that it follows from, where one does. */
  rule?: FaqRuleId
}

/** What is particular to a problem beside its code, its place and its message. */
export type Particulars = Omit<SettledProblem, 'code' | 'status' | 'message' | 'target'>

/** A value that a parameter cannot have. */
export const invalid = (target: string, message: string, more: Particulars = {}): Problem => ({
  code: 'InvalidParameter',
  message,
  target,
  ...more,
})

/** A parameter that a request has to have, in Azure's words. */
export const missing = (parameter: string, target: string, more: Particulars = {}): Problem =>
  invalid(target, `Required parameter '${parameter}' is missing (null).`, { found: 'null', ...more })

/** A reference to what is not there. @param what for example identity @param type of the resource that it has to be */
export const noSuch = (what: string, id: string, o: { target: string; type: string; remedy: string }): Problem => ({
  code: 'InvalidResourceReference',
  message: `The ${what} ${id.slice(0, 300)} does not exist.`,
  target: o.target,
  expected: `the id of a resource of type ${o.type}`,
  found: id.slice(0, 300),
  remedy: o.remedy,
})

/** What Azure has and this installation has not. */
export const unsupported = (target: string, message: string, more: Particulars = {}): Problem => ({
  code: 'NotSupported',
  status: 400,
  message,
  target,
  ...more,
})

/** What stays as it was made, in Azure's words. `target` is the property itself where it is left out. */
export const unchangeable = (
  property: string,
  { target = property, ...more }: Omit<SettledProblem, 'code' | 'status' | 'message'>,
): Problem => ({
  code: 'PropertyChangeNotAllowed',
  message: `Changing property '${property}' is not allowed.`,
  target,
  ...more,
})

/** What cannot be done with a resource as it stands. */
export const notAllowed = (
  message: string,
  more: Omit<ServiceErrorOptions, 'code' | 'status' | 'message'> = {},
): ServiceError => new ServiceError({ code: 'OperationNotAllowed', status: 409, message, ...more })
