import { ConcurrencyLimit, OtherPeers, ServiceError } from '@strongroom/platform'

/** Calls of one caller that are judged at a time: while others call too, and while nobody else does. */
const amongOthers = 1
const alone = 16
/** Of one caller, each with a body of up to 4 MiB. */
const mostWaiting = 128

/**
 * Judges the calls of each caller one after the other while others call too: all are judged by one thread, and whoever has many under
 * way takes as many turns of it for each turn of another (attack W4).
 */
export class FairCalls {
  readonly #calls = new Map<string, ConcurrencyLimit>()
  readonly #others = new OtherPeers()

  /** Somebody calls who never waits. */
  note(caller: string): void {
    this.#others.note(caller)
  }

  /**
   * Resolves when the call may be judged; `leave` has to follow, once.
   * @throws ServiceError TooManyRequests, after which nothing has to follow
   */
  async enter(caller: string): Promise<void> {
    this.note(caller)
    const calls = this.#calls.get(caller) ?? this.#limitOf(caller)
    this.#calls.set(caller, calls)
    await calls.enter()
  }

  leave(caller: string): void {
    const calls = this.#calls.get(caller)
    calls?.leave()
    if (calls?.isIdle === true) this.#calls.delete(caller)
  }

  #limitOf(caller: string): ConcurrencyLimit {
    return new ConcurrencyLimit({
      atOnce: () => this.#most(caller),
      waiting: mostWaiting,
      refuse: () => tooMany(caller),
    })
  }

  #most(caller: string): number {
    return this.#others.call(caller) ? amongOthers : alone
  }
}

function tooMany(caller: string): ServiceError {
  return new ServiceError({
    code: 'TooManyRequests',
    message: `The caller ${caller} has too many attest calls in progress.`,
    expected: `at most ${mostWaiting} waiting`,
    found: 'one more',
    remedy: 'Wait for responses before sending more.',
    headers: { 'retry-after': '1' },
  })
}
