import { ServiceError, type Clock } from '@strongroom/platform'

/** Requests that one caller can cause at once: two unknown processors and what their lines need. */
const mostAtOnce = 16
/** One more per this many milliseconds. */
const oneMoreMs = 30_000
/** Number of callers tracked; the one least recently active is forgotten first. */
const countedCallers = 10_000

/**
 * Limits the vendor requests that each caller can cause. Anybody can send reports of made-up chips, each of which
 * causes a new request; a vendor that is asked too often refuses this installation altogether (attack Q11).
 */
export class VendorBudget {
  readonly #clock: Clock
  /** By caller: when all its past requests are forgotten, in ms. */
  readonly #filledAt = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one request. @throws ServiceError 429 TooManyRequests; nothing is counted then */
  take(caller: string): void {
    const now = this.#clock.now().getTime()
    const filledAt = Math.max(this.#filledAt.get(caller) ?? 0, now) + oneMoreMs
    const early = filledAt - now - mostAtOnce * oneMoreMs
    if (early > 0) throw tooMany(caller, early)
    this.#filledAt.delete(caller)
    this.#filledAt.set(caller, filledAt)
    if (this.#filledAt.size > countedCallers) this.#filledAt.delete(this.#filledAt.keys().next().value!)
  }
}

function tooMany(caller: string, waitMs: number): ServiceError {
  return new ServiceError({
    code: 'TooManyRequests',
    message: `The caller ${caller} has sent evidence from too many unknown processors.`,
    expected: `at most ${mostAtOnce} requests to AMD and Intel at once, and one more every ${oneMoreMs / 1000} seconds`,
    found: 'one more',
    remedy: 'Send the certificates and revocation lists with the evidence, or wait for the time in Retry-After.',
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}
