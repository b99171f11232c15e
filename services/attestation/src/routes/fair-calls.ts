import { OtherPeers, ServiceError } from '@strongroom/platform'

/** Calls of one caller that are judged at a time: while others call too, and while nobody else does. */
const amongOthers = 1
const alone = 16
/** Of one caller, each with a body of up to 4 MiB. */
const mostWaiting = 128

interface Calls {
  running: number
  waiting: (() => void)[]
}

/**
 * Judges the calls of each caller one after the other while others call too: all are judged by one thread, and whoever has many under
 * way takes as many turns of it for each turn of another (attack W4).
 */
export class FairCalls {
  readonly #calls = new Map<string, Calls>()
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
    const calls = this.#calls.get(caller) ?? { running: 0, waiting: [] }
    this.#calls.set(caller, calls)
    if (calls.running < this.#most(caller)) {
      calls.running++
      return
    }
    if (calls.waiting.length >= mostWaiting) throw tooMany(caller)
    await new Promise<void>((resolve) => calls.waiting.push(resolve))
  }

  leave(caller: string): void {
    const calls = this.#calls.get(caller)
    if (calls === undefined) return
    calls.running--
    while (calls.waiting.length > 0 && calls.running < this.#most(caller)) {
      calls.running++
      calls.waiting.shift()!()
    }
    if (calls.running === 0 && calls.waiting.length === 0) this.#calls.delete(caller)
  }

  #most(caller: string): number {
    return this.#others.call(caller) ? amongOthers : alone
  }
}

function tooMany(caller: string): ServiceError {
  return new ServiceError({
    code: 'TooManyRequests',
    status: 429,
    message: `The caller ${caller} has too many attest calls under way.`,
    expected: `at most ${mostWaiting} that wait`,
    found: 'one more',
    remedy: 'Wait for answers before more is sent.',
    headers: { 'retry-after': '1' },
  })
}
