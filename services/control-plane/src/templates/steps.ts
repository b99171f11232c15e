import { setImmediate as breathe } from 'node:timers/promises'
import { TemplateError } from './template-error.ts'

/** Nested loops multiply; no template meant for deployment needs as many. */
const most = 1_000_000
/** Evaluation never waits by itself: other work gets a turn this often. */
const between = 5_000

/** The work of evaluating one template, over all its parts. */
export class Steps {
  #taken = 0
  #next = between

  /** Counts steps, and gives other work a turn. @throws TemplateError if there are too many */
  async take(count: number = 1): Promise<void> {
    this.#taken += count
    if (this.#taken > most)
      throw new TemplateError(`The template takes more than ${most} steps to evaluate`, { expected: `at most ${most}` })
    if (this.#taken < this.#next) return
    this.#next = this.#taken + between
    await breathe()
  }
}
