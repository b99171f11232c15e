import type { Clock } from '@strongroom/platform'
import { busy } from './oauth/oauth-error.ts'

/** After this many consecutive wrong secrets, attempts on an application are slowed down. */
const freeAttempts = 5
const maxPauseMs = 2_000
const forgetMs = 15 * 60_000
/** Attackers choose names, so what is stored for them is limited. */
const limit = 1_000
/** Refusals delayed at a time; further ones are told to retry later. Fewer than one address may have connections. */
const mostHeld = 1_000
/** All refusals leave one after the other, this far apart, apart from a short burst. */
const apartMs = 10
const freeMs = 250

/**
 * Slows down guessing; never locks an application out, which would let anyone deny service. However many guess at once,
 * each must wait before it tries again, which leaves the processor to others (attack W5).
 */
export class Failures {
  readonly #clock: Clock
  #held = 0
  /** Earliest time of the next refusal. */
  #next = 0
  readonly #counts = new Map<string, { count: number; at: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws OAuthError 429 where too many wait */
  async pause(appId: string, sleep: (ms: number) => Promise<unknown>): Promise<void> {
    const now = performance.now()
    const turn = Math.max(now, this.#next) - now - freeMs
    const wait = Math.max(turn, this.#pauseOf(appId))
    if (this.#held >= mostHeld) throw busy()
    this.#next = Math.max(now, this.#next) + apartMs
    if (wait <= 0) return
    this.#held += 1
    try {
      await sleep(wait)
    } finally {
      this.#held -= 1
    }
  }

  #pauseOf(appId: string): number {
    const kept = this.#counts.get(appId.toLowerCase())
    if (!kept || this.#clock.now().getTime() - kept.at > forgetMs || kept.count < freeAttempts) return 0
    return Math.min(maxPauseMs, 100 * 2 ** (kept.count - freeAttempts))
  }

  add(appId: string): void {
    const id = appId.toLowerCase()
    const count = (this.#counts.get(id)?.count ?? 0) + 1
    this.#counts.delete(id)
    this.#counts.set(id, { count, at: this.#clock.now().getTime() })
    const oldest = this.#counts.keys().next().value
    if (this.#counts.size > limit && oldest !== undefined) this.#counts.delete(oldest)
  }

  clear(appId: string): void {
    this.#counts.delete(appId.toLowerCase())
  }
}
