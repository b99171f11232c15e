import { ServiceError } from '@strongroom/platform'
import type { Refusal } from './read-bundle.ts'

/** A source's answer was refused: wrong path, not signed under its roots, not current, or older than the stored one. */
export class RefusedAnswer extends Error {
  readonly refusal: Refusal
  /** When the source is asked again, in ms. */
  readonly until: number

  constructor(refusal: Refusal, until: number) {
    super(`expected ${refusal.expected}, found ${refusal.found}`)
    this.name = 'RefusedAnswer'
    this.refusal = refusal
    this.until = until
  }
}

/** The refused answer behind an error; possibly about what an item is verified with. */
export function refusedIn(error: unknown): RefusedAnswer | undefined {
  if (error instanceof RefusedAnswer) return error
  return error instanceof ServiceError && error.cause !== undefined ? refusedIn(error.cause) : undefined
}

export function unavailable(path: string, cause: unknown, now: number): ServiceError {
  return new ServiceError({
    code: 'CollateralUnavailable',
    message: `The endorsements at ${path.split('?')[0]} are unavailable, so the evidence cannot be verified.`,
    target: path,
    expected: 'current collateral from the collateral service',
    found: foundIn(path, cause),
    remedy:
      'Check that the collateral service answers, or import a newer bundle (strongroom collateral import), then repeat the request.',
    headers: { 'retry-after': waitOf(cause, now) },
    cause,
  })
}

function foundIn(path: string, cause: unknown): string {
  const refusal = refusedIn(cause)?.refusal
  if (refusal === undefined)
    return cause instanceof ServiceError ? cause.code : 'an answer that is not current collateral'
  const found = refusal.found.slice(0, 200)
  return refusal.path === path ? found : `${refusal.path.split('?')[0]}: ${found}`
}

/** Seconds. */
function waitOf(cause: unknown, now: number): string {
  const refused = refusedIn(cause)
  if (refused !== undefined) return String(Math.max(1, Math.ceil((refused.until - now) / 1000)))
  return (cause instanceof ServiceError ? cause.headers?.['retry-after'] : undefined) ?? '5'
}
