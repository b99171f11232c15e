import { ConcurrencyLimit, OtherPeers, ServiceError } from '@strongroom/platform'

/** How many calls of one caller are judged at a time: while others call too, and otherwise. */
const amongOthers = 1
const alone = 16
/** Per caller, each with a body of up to 4 MiB. */
const mostWaiting = 128

/**
 * Judges each caller's calls one after the other while others call too: one thread judges all of them, so concurrent
 * calls would otherwise get a turn each for every turn of another caller (attack W4).
 */
export class FairCalls {
  readonly #calls = new Map<string, ConcurrencyLimit>()
  readonly #others = new OtherPeers()

  /** Records a call that never waits. */
  note(caller: string): void {
    this.#others.note(caller)
  }

  /**
   * Resolves when the call may be judged; `leave` must follow, once.
   * @throws ServiceError TooManyRequests; `leave` must not follow then
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
