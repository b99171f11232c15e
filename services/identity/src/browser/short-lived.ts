import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '@strongroom/platform'

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')

/**
 * This process's short-lived secrets with their values, stored as digests. Beyond `most` the oldest is dropped:
 * requesting many invalidates earlier ones, and uses no memory.
 */
export class ShortLived<Value> {
  readonly #clock: Clock
  readonly #seconds: number
  readonly #most: number
  readonly #held = new Map<string, { value: Value; expiresAt: number }>()

  constructor(o: { clock: Clock; seconds: number; most: number }) {
    this.#clock = o.clock
    this.#seconds = o.seconds
    this.#most = o.most
  }

  /** 256 random bits, base64url. */
  issue(value: Value): string {
    const secret = randomBytes(32).toString('base64url')
    const [oldest] = this.#held.keys()
    if (this.#held.size >= this.#most && oldest !== undefined) this.#held.delete(oldest)
    this.#held.set(digest(secret), { value, expiresAt: this.#clock.now().getTime() + this.#seconds * 1000 })
    return secret
  }

  read(secret: string): Value | undefined {
    const entry = this.#held.get(digest(secret))
    return entry !== undefined && entry.expiresAt > this.#clock.now().getTime() ? entry.value : undefined
  }

  /** Reads it for the last time. */
  take(secret: string): Value | undefined {
    const value = this.read(secret)
    this.#held.delete(digest(secret))
    return value
  }

  drop(secret: string): void {
    this.#held.delete(digest(secret))
  }
}
