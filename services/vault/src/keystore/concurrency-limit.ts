import { ServiceError } from '@strongroom/platform'

/** Lets a fixed number of works run at once and a bounded number wait. */
export class ConcurrencyLimit {
  readonly #atOnce: number
  readonly #waitingLimit: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(atOnce: number, waitingLimit: number) {
    this.#atOnce = atOnce
    this.#waitingLimit = waitingLimit
  }

  /** @throws ServiceError 429 Throttled where too many wait already */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#waitingLimit) {
        throw new ServiceError({
          code: 'Throttled',
          status: 429,
          message: 'Too many keys are being made.',
          expected: `at most ${this.#waitingLimit} requests waiting`,
          remedy: 'Repeat the request after the time in Retry-After.',
          headers: { 'retry-after': '10' },
        })
      }
      // The place is handed over by the one that ends, so a newcomer cannot slip in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
