import { setTimeout as sleep } from 'node:timers/promises'
import type { ResourceOutcome } from './run.ts'

/** A deployment's record is written now and then while it runs, not with each of hundreds of resources. */
const pauseMs = 500

/** What became of a deployment's resources so far, kept in its record for who looks on meanwhile. */
export class Progress {
  readonly #outcomes = new Map<string, ResourceOutcome>()
  readonly #write: (outcomes: ResourceOutcome[]) => Promise<void>
  readonly #ended = new AbortController()
  readonly #signal: AbortSignal
  #writing: Promise<void> | undefined
  #changed = false

  /** @param signal whose abortion leaves the record as it is */
  constructor(write: (outcomes: ResourceOutcome[]) => Promise<void>, signal: AbortSignal) {
    this.#write = write
    this.#signal = AbortSignal.any([signal, this.#ended.signal])
  }

  tell(outcome: ResourceOutcome): void {
    this.#outcomes.set(outcome.id, outcome)
    this.#changed = true
    // What is told during a pause is written after it: a resource that takes minutes is seen to be under way.
    this.#writing ??= this.#follow()
  }

  /** Everything that was told; nothing of it is written any more. */
  async end(): Promise<ResourceOutcome[]> {
    this.#ended.abort()
    await this.#writing
    return [...this.#outcomes.values()]
  }

  async #follow(): Promise<void> {
    while (this.#changed && !this.#signal.aborted) {
      this.#changed = false
      // A record that cannot be written now is written with the next outcome, or at the end.
      await this.#write([...this.#outcomes.values()]).catch(() => {})
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => {})
    }
    // With nothing between it and the last look at what changed.
    this.#writing = undefined
  }
}
