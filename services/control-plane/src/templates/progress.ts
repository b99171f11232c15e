import { setTimeout as sleep } from 'node:timers/promises'
import type { ResourceOutcome } from './run.ts'

/** A running deployment's record is written periodically, not for each of hundreds of resources. */
const pauseMs = 500

/** Outcomes of a deployment's resources so far, stored in its record for observers. */
export class Progress {
  readonly #outcomes = new Map<string, ResourceOutcome>()
  readonly #write: (outcomes: ResourceOutcome[]) => Promise<void>
  readonly #ended = new AbortController()
  readonly #signal: AbortSignal
  #writing: Promise<void> | undefined
  #changed = false

  /** @param signal whose abortion leaves the record unchanged */
  constructor(write: (outcomes: ResourceOutcome[]) => Promise<void>, signal: AbortSignal) {
    this.#write = write
    this.#signal = AbortSignal.any([signal, this.#ended.signal])
  }

  tell(outcome: ResourceOutcome): void {
    this.#outcomes.set(outcome.id, outcome)
    this.#changed = true
    // Outcomes during a pause are written after it: a resource that takes minutes is visible meanwhile.
    this.#writing ??= this.#follow()
  }

  /** All outcomes; nothing is written afterwards. */
  async end(): Promise<ResourceOutcome[]> {
    this.#ended.abort()
    await this.#writing
    return [...this.#outcomes.values()]
  }

  async #follow(): Promise<void> {
    while (this.#changed && !this.#signal.aborted) {
      this.#changed = false
      // A failed write is repeated with the next outcome, or at the end.
      await this.#write([...this.#outcomes.values()]).catch(() => {})
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => {})
    }
    // Immediately after the last check for changes.
    this.#writing = undefined
  }
}
