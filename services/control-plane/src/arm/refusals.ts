import type { CodeWithStatus, SettledCode } from '@strongroom/contract'
import { ServiceError, type ServiceErrorOptions } from '@strongroom/platform'
import type { FaqRuleId } from './faq-rule.ts'

export type Problem = CodeWithStatus & ProblemParticulars
/** A code with a single status in the catalogue. */
export type SettledProblem = { code: SettledCode; status?: never } & ProblemParticulars

interface ProblemParticulars {
  message: string
  target?: string
  expected?: string
  found?: string
  remedy?: string
  /** The FAQ rule it results from, if any. */
  rule?: FaqRuleId
}

/** Details of a problem besides code, place and message. */
export type Particulars = Omit<SettledProblem, 'code' | 'status' | 'message' | 'target'>

/** An invalid parameter value. */
export const invalid = (target: string, message: string, more: Particulars = {}): Problem => ({
  code: 'InvalidParameter',
  message,
  target,
  ...more,
})

/** A required parameter is missing, in Azure's words. */
export const missing = (parameter: string, target: string, more: Particulars = {}): Problem =>
  invalid(target, `Required parameter '${parameter}' is missing (null).`, { found: 'null', ...more })

/** A reference to something that does not exist. @param what for example identity @param type required type of the resource */
export const noSuch = (what: string, id: string, o: { target: string; type: string; remedy: string }): Problem => ({
  code: 'InvalidResourceReference',
  message: `The ${what} ${id.slice(0, 300)} does not exist.`,
  target: o.target,
  expected: `the id of a resource of type ${o.type}`,
  found: id.slice(0, 300),
  remedy: o.remedy,
})

/** Something Azure has and this installation lacks. */
export const unsupported = (target: string, message: string, more: Particulars = {}): Problem => ({
  code: 'NotSupported',
  status: 400,
  message,
  target,
  ...more,
})

/** A property that cannot be changed after creation, in Azure's words. `target` defaults to the property itself. */
export const unchangeable = (
  property: string,
  { target = property, ...more }: Omit<SettledProblem, 'code' | 'status' | 'message'>,
): Problem => ({
  code: 'PropertyChangeNotAllowed',
  message: `Changing property '${property}' is not allowed.`,
  target,
  ...more,
})

/** Something that is impossible in the resource's current state. */
export const notAllowed = (
  message: string,
  more: Omit<ServiceErrorOptions, 'code' | 'status' | 'message'> = {},
): ServiceError => new ServiceError({ code: 'OperationNotAllowed', status: 409, message, ...more })
