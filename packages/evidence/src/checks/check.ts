import { ParseError, VerificationError } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import { checkCatalogue, type CheckId } from './catalogue.ts'

/** `skipped`: not checked, because an earlier check failed or its input is absent. It proves nothing. */
export type CheckOutcome = 'passed' | 'failed' | 'skipped'

/** One check of a verifier, with its subchecks. Its texts are for display, its codes for programs. */
export interface Check {
  /** Stable, dotted: `snp.signature`. Rules of a policy are `policy.` and the path of the value. */
  id: string
  /** What it proves when it passes. */
  shows: string
  outcome: CheckOutcome
  /** Code of the error or failure. */
  code?: string
  message?: string
  expected?: string
  actual?: string
  /** Section of the specification that has the rule. */
  source?: string
  /** A skipped check that does not prevent its group from passing: nothing was asked of it. */
  optional?: true
  children: Check[]
}

/** Code of a check that a key does not pass because nothing shows whose it is. Alone it refuses nothing, and nothing is accepted. */
export const keyNotEndorsed = 'KeyNotEndorsed'

/** A check and, if it passed, its value. */
export interface Checked<T> {
  check: Check
  value: T | undefined
}

function begin(id: CheckId): Pick<Check, 'id' | 'shows' | 'source'> {
  const { shows, source } = checkCatalogue[id]
  return source === '' ? { id, shows } : { id, shows, source }
}

/**
 * A check that passed. @param actual what was found, for display
 * @example
 * import { passed } from '@strongroom/evidence'
 *
 * passed('snp.format', 'version 2').outcome // => 'passed'
 * passed('snp.format').shows // => 'The report has one of the forms that AMD defines'
 */
export function passed(id: CheckId, actual?: string): Check {
  return { ...begin(id), outcome: 'passed', ...(actual === undefined ? {} : { actual }), children: [] }
}

/**
 * @param o.optional true if the caller did not request it, so that the verdict does not depend on it
 * @example
 * import { missingChecks, skipped } from '@strongroom/evidence'
 *
 * const check = skipped('snp.chain.path', 'no chain was given')
 * check.outcome // => 'skipped'
 * missingChecks(check).length // => 1
 * missingChecks(skipped('snp.chain.revocation', 'no list was given', { optional: true })).length // => 0
 */
export function skipped(id: CheckId, message: string, o: { optional?: boolean } = {}): Check {
  return { ...begin(id), outcome: 'skipped', message, ...(o.optional === true ? { optional: true } : {}), children: [] }
}

/** A key given as a file that nothing endorses: the rest is judged, and the verdict says so. */
export function unendorsed(id: CheckId, message: string): Check {
  return { ...skipped(id, message, { optional: true }), code: keyNotEndorsed }
}

/**
 * A check that failed with an error. Errors from outside this package become `Unexpected`, without their text.
 * @example
 * import { failed, ParseError } from '@strongroom/evidence'
 *
 * const check = failed('snp.format', new ParseError({ code: 'WrongLength', message: 'report: too short' }))
 * check.outcome // => 'failed'
 * check.code // => 'WrongLength'
 * failed('snp.format', new TypeError('internals')).code // => 'Unexpected'
 */
export function failed(id: CheckId, error: unknown): Check {
  if (!(error instanceof ParseError || error instanceof VerificationError)) {
    return { ...begin(id), outcome: 'failed', code: 'Unexpected', message: 'The check itself broke', children: [] }
  }
  const at = error instanceof ParseError && error.offset !== undefined ? ` (at byte ${error.offset})` : ''
  return {
    ...begin(id),
    outcome: 'failed',
    code: error.code,
    message: `${error.message}${at}`,
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    ...(error.found === undefined ? {} : { actual: error.found }),
    children: [],
  }
}

/**
 * Check of a policy: one child for each failure of an appraisal.
 * @example
 * import { appraised } from '@strongroom/evidence'
 *
 * const check = appraised('snp.policy', [{ path: 'debug', code: 'Forbidden', expected: 'false', actual: 'true' }])
 * check.outcome // => 'failed'
 * check.children.map(({ id, code }) => `${id}: ${code}`) // => ['policy.debug: Forbidden']
 */
export function appraised(id: CheckId, failures: readonly Failure[]): Check {
  const children = failures.map(({ path, code, expected, actual }): Check => {
    const shows = `${path} is as the policy wants it`
    return { id: `policy.${path}`, shows, outcome: 'failed', code, expected, actual, children: [] }
  })
  return { ...begin(id), outcome: failures.length === 0 ? 'passed' : 'failed', children }
}

/**
 * A check that consists of others: it passes if at least one of them passed and all required ones passed.
 * @example
 * import { allOf, passed, skipped } from '@strongroom/evidence'
 *
 * allOf('snp', [passed('snp.format'), skipped('snp.signature', 'no chain')]).outcome // => 'skipped'
 * allOf('snp', [passed('snp.format'), passed('snp.signature')]).outcome // => 'passed'
 */
export function allOf(id: CheckId, children: Check[], actual?: string): Check {
  const outcome = children.some((child) => child.outcome === 'failed')
    ? 'failed'
    : children.some((child) => child.outcome === 'passed') &&
        children.every((child) => child.outcome === 'passed' || child.optional === true)
      ? 'passed'
      : 'skipped'
  return { ...begin(id), outcome, ...(actual === undefined ? {} : { actual }), children }
}

/**
 * The first failed check without failed children: the cause of the failure, with a `code` for programs.
 * @example
 * import { allOf, failed, firstFailure, passed, VerificationError } from '@strongroom/evidence'
 *
 * const error = new VerificationError({ code: 'UntrustedRoot', message: 'chain' })
 * const tree = allOf('snp', [passed('snp.format'), failed('snp.chain.path', error)])
 * firstFailure(tree)?.code // => 'UntrustedRoot'
 */
export function firstFailure(check: Check): Check | undefined {
  for (const child of check.children) {
    const found = firstFailure(child)
    if (found !== undefined) return found
  }
  return check.outcome === 'failed' ? check : undefined
}

/**
 * Skipped checks that a verdict needs, innermost only.
 * @example
 * import { allOf, missingChecks, passed, skipped } from '@strongroom/evidence'
 *
 * const tree = allOf('snp', [passed('snp.format'), skipped('snp.chain.path', 'no chain was given')])
 * missingChecks(tree).map(({ id, message }) => `${id}: ${message}`) // => ['snp.chain.path: no chain was given']
 */
export function missingChecks(check: Check): Check[] {
  const below = check.children.flatMap((child) => missingChecks(child))
  if (below.length > 0) return below
  return check.outcome === 'skipped' && check.optional !== true ? [check] : []
}
