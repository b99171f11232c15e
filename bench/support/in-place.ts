import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from './measure.ts'

const pauseMilliseconds = 25

/**
 * Cost of an operation in the middle of a server's work, where caches and branch predictors hold other data: a tight
 * loop is a fifth faster than any server could be. Samples until stopped; the median excludes interrupted samples.
 */
export class InPlace {
  readonly #operation: () => unknown
  readonly #samples: number[] = []
  #running: Promise<void> | undefined
  #ended = false

  constructor(operation: () => unknown) {
    this.#operation = operation
  }

  begin(): void {
    this.#ended = false
    this.#samples.length = 0
    this.#running = this.#sample()
  }

  /** @returns nanoseconds of one operation, and of all that were sampled together */
  async end(): Promise<{ nanoseconds: number; spent: number }> {
    this.#ended = true
    await this.#running
    const nanoseconds = quantile(this.#samples, 0.5)
    return { nanoseconds, spent: nanoseconds * this.#samples.length }
  }

  async #sample(): Promise<void> {
    while (!this.#ended) {
      const begun = performance.now()
      this.#operation()
      this.#samples.push((performance.now() - begun) * 1e6)
      await sleep(pauseMilliseconds)
    }
  }
}
