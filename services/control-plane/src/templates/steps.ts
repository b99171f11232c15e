import { setImmediate as breathe } from 'node:timers/promises'
import { TemplateError } from './template-error.ts'

/** Loops in loops multiply; no template that is meant to be deployed takes as many. */
const most = 1_000_000
/** Evaluation waits for nothing by itself: so often others have to come in between. */
const between = 5_000

/** The work that the evaluation of one template is, over everything in it. */
export class Steps {
  #taken = 0
  #next = between

  /** Counts steps, and lets others come in between. @throws TemplateError where there are too many */
  async take(count: number = 1): Promise<void> {
    this.#taken += count
    if (this.#taken > most)
      throw new TemplateError(`The template takes more than ${most} steps to evaluate`, { expected: `at most ${most}` })
    if (this.#taken < this.#next) return
    this.#next = this.#taken + between
    await breathe()
  }
}
