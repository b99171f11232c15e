import { ServiceError, type Clock } from '@strongroom/platform'

/** Questions that one caller may cause at a moment: two processors that are new here, and what their lines need. */
const mostAtOnce = 16
/** One more every so many milliseconds. */
const oneMoreMs = 30_000
/** Callers that are counted; who has asked least lately is forgotten first. */
const countedCallers = 10_000

/**
 * What each caller makes a service ask of the vendors. Anybody may send reports of made-up chips, each of which is a question that
 * nobody asked before; a vendor that is asked too often refuses all questions of this installation (attack Q11).
 */
export class VendorBudget {
  readonly #clock: Clock
  /** By caller: when all that it has asked will be forgotten, in ms. */
  readonly #filledAt = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one question. @throws ServiceError 429 TooManyRequests, where nothing is counted */
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
