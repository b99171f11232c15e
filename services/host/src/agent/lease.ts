import type { Clock } from '@strongroom/platform'

/**
 * What a host knows of its own lease: it ends, by the time since the machine's boot, as long after the last answered beat was sent as
 * the answer says. So it is over here before it is over in the database, whatever the wall clocks say.
 */
export class OwnLease {
  readonly #elapsed: () => number
  #until = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#elapsed = () => (clock.elapsed?.() ?? { milliseconds: performance.now() }).milliseconds
  }

  /** For `renewed`, once the answer is there. */
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
