/** Maximum windows tracked; the least recent caller is forgotten first. */
const keysKept = 10_000

interface Window {
  /** Milliseconds. */
  end: number
  count: number
}

export interface Excess {
  /** Count in this window, including this one. */
  count: number
  /** Whole seconds until its end, at least one, for Retry-After. */
  retryAfter: number
}

/** Counts each key's uses within a time window. Refusals count too, so that retrying at once does not help. */
export class RateLimit {
  readonly #windowMs: number
  readonly #aligned: boolean
  readonly #now: () => number
  readonly #windows = new Map<string, Window>()

  /**
   * @param o.aligned whether windows begin at multiples of their length, the same for all keys; otherwise with a key's
   * first use
   * @param o.now milliseconds
   */
  constructor(o: { windowMs: number; aligned?: boolean; now?: () => number }) {
    this.#windowMs = o.windowMs
    this.#aligned = o.aligned ?? false
    this.#now = o.now ?? (() => performance.now())
  }

  /** Takes one of `most`. @returns undefined if within the limit */
  take(key: string, most: number): Excess | undefined {
    const now = this.#now()
    const kept = this.#windows.get(key)
    // After the clock was set back, no window ends later than a new one would.
    const goesOn = kept !== undefined && now < kept.end && kept.end - now <= this.#windowMs
    const window = goesOn ? kept : { end: this.#endOf(now), count: 0 }
    window.count++
    this.#windows.delete(key)
    this.#windows.set(key, window)
    if (this.#windows.size > keysKept) this.#windows.delete(this.#windows.keys().next().value!)
    if (window.count <= most) return undefined
    return { count: window.count, retryAfter: Math.max(1, Math.ceil((window.end - now) / 1000)) }
  }

  #endOf(now: number): number {
    return (this.#aligned ? Math.floor(now / this.#windowMs) * this.#windowMs : now) + this.#windowMs
  }
}
