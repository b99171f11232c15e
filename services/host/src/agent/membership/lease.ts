import type { Clock } from '@strongroom/platform'

/**
 * A host's view of its own lease: it expires, by the time since the machine's boot, as long after the last answered
 * beat was sent as the answer states. So it expires here before it does in the database, whatever the wall clocks show.
 */
export class OwnLease {
  readonly #elapsed: () => number
  #until = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#elapsed = () => (clock.elapsed?.() ?? { milliseconds: performance.now() }).milliseconds
  }

  /** For `renewed`, once the answer has arrived. */
  get sentAt(): number {
    return this.#elapsed()
  }

  renewed(sentAt: number, leaseSeconds: number): void {
    this.#until = Math.max(this.#until, sentAt + leaseSeconds * 1000)
  }

  get isOver(): boolean {
    return this.#elapsed() >= this.#until
  }
}
