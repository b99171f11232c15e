import { EvidenceError, ParseError, VerificationError } from './errors.ts'
import type { Failure } from './failure.ts'

/** `skipped` is what could not be looked at because something before it failed: it proves nothing. */
export type CheckOutcome = 'passed' | 'failed' | 'skipped'

/** One thing that a verifier looked at, with what it consists of: what people read and programs walk. */
export interface Check {
  /** What is claimed, for example `Report is signed by the chip's key`. */
  name: string
  outcome: CheckOutcome
  /** Code of the error or failure. */
  code?: string
  message?: string
  expected?: string
  found?: string
  children: Check[]
}

export function passed(name: string, found?: string): Check {
  return { name, outcome: 'passed', ...(found === undefined ? {} : { found }), children: [] }
}

export function skipped(name: string, message: string): Check {
  return { name, outcome: 'skipped', message, children: [] }
}

/** A check that an error ended. Errors that are not of this package become `Unexpected`, without their text. */
export function failed(name: string, error: unknown): Check {
  if (!(error instanceof EvidenceError)) {
    return { name, outcome: 'failed', code: 'Unexpected', message: 'The check itself broke', children: [] }
  }
  const code = error instanceof ParseError || error instanceof VerificationError ? error.code : 'Unexpected'
  return {
    name,
    outcome: 'failed',
    code,
    message: error.message,
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    ...(error.found === undefined ? {} : { found: error.found }),
    children: [],
  }
}

/** Check of a policy: one child for each failure of an appraisal. */
export function appraised(name: string, failures: readonly Failure[]): Check {
  const children = failures.map((failure): Check => {
    const { path, code, expected, actual } = failure
    return { name: path, outcome: 'failed', code, expected, found: actual, children: [] }
  })
  return { name, outcome: failures.length === 0 ? 'passed' : 'failed', children }
}

/** A check that consists of others: passed when there is at least one and all passed. */
export function allOf(name: string, children: Check[]): Check {
  const failures = children.some((child) => child.outcome === 'failed')
  const whole = children.length > 0 && children.every((child) => child.outcome === 'passed')
  return { name, outcome: failures ? 'failed' : whole ? 'passed' : 'skipped', children }
}

/** The first failed check without failed children of its own: the link that broke. */
export function firstFailure(check: Check): Check | undefined {
  for (const child of check.children) {
    const found = firstFailure(child)
    if (found !== undefined) return found
  }
  return check.outcome === 'failed' ? check : undefined
}
