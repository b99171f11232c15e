import { randomUUID } from 'node:crypto'
import type { FreshQuote, QuoteChallenge } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Arrival } from './arrival.ts'

/**
 * From the challenge to the answer, in milliseconds. The whole time: the guest's agent always waits for a challenge, so
 * one that has to be waited for is already an answer.
 */
const limitMs = 2000
/** At a time, for one guest. */
const most = 16

export interface HandedChallenge extends QuoteChallenge {
  id: string
}

interface Waiting {
  challenge: HandedChallenge
  isHanded: boolean
  answer: (quote: FreshQuote) => void
  lose: () => void
}

/**
 * Verifiers' challenges to one running guest, whose TPM answers with a quote. The host only transports both: the
 * verifier judges the answer.
 */
export class QuoteChallenges {
  readonly #waiting = new Map<string, Waiting>()
  readonly #arrival = new Arrival<HandedChallenge>()
  #isClosed = false

  /** @throws ServiceError GuestDidNotAnswer, TooManyRequests */
  async ask({ nonce }: QuoteChallenge): Promise<FreshQuote> {
    if (this.#isClosed) throw silent()
    if (this.#waiting.size >= most) throw tooMany()
    const challenge = { id: randomUUID(), nonce }
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<FreshQuote>((answer, fail) => {
        const lose = (): void => fail(silent())
        timer = setTimeout(lose, limitMs)
        this.#waiting.set(challenge.id, { challenge, isHanded: false, answer, lose })
        if (this.#arrival.isAwaited) this.#arrival.give(this.#take())
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(challenge.id)
    }
  }

  /** The next challenge; undefined if none arrives for a while. */
  async next(gone?: AbortSignal): Promise<HandedChallenge | undefined> {
    this.#arrival.give(undefined)
    return this.#take() ?? (this.#isClosed ? undefined : await this.#arrival.next(gone))
  }

  /** @throws ServiceError ChallengeNotFound if nobody waits for it, or no longer */
  answer(id: string, quote: FreshQuote): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined)
      throw new ServiceError({ code: 'ChallengeNotFound', message: 'Nobody waits for an answer to this challenge.' })
    waiting.answer(quote)
  }

  /** The guest has ended. */
  close(): void {
    this.#isClosed = true
    for (const { lose } of this.#waiting.values()) lose()
    this.#arrival.give(undefined)
  }

  #take(): HandedChallenge | undefined {
    for (const waiting of this.#waiting.values()) {
      if (waiting.isHanded) continue
      waiting.isHanded = true
      return waiting.challenge
    }
    return undefined
  }
}

const silent = (): ServiceError =>
  new ServiceError({
    code: 'GuestDidNotAnswer',
    message: `The guest did not answer within ${limitMs / 1000} s.`,
    expected: 'a quote by the agent of a guest that runs',
    found: 'none',
    remedy: 'Try again. If it stays silent, restart the VM; one of an earlier image has to be recreated.',
  })

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'TooManyRequests',
    message: 'Too many challenges wait for this guest.',
    expected: `at most ${most} at a time`,
    found: 'one more',
    headers: { 'retry-after': '2' },
  })
