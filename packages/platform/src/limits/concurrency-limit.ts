/** Lets so many works run at once and so many wait, who came first goes first. */
export class ConcurrencyLimit {
  readonly #atOnce: () => number
  readonly #mostWaiting: number
  readonly #refuse: () => Error
  readonly #waiting: (() => void)[] = []
  #running = 0

  /**
   * @param o.atOnce asked whenever a work comes or ends, where it changes
   * @param o.waiting default any number
   * @param o.refuse what is thrown where too many wait already
   */
  constructor(o: { atOnce: number | (() => number); waiting?: number; refuse?: () => Error }) {
    const { atOnce } = o
    this.#atOnce = typeof atOnce === 'number' ? () => atOnce : atOnce
    this.#mostWaiting = o.waiting ?? Number.POSITIVE_INFINITY
    this.#refuse = o.refuse ?? (() => new Error(`more than ${this.#mostWaiting} are waiting`))
  }

  /** Whether nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0
  }

  /** Whether the next work would be refused. */
  get isFull(): boolean {
    return this.#running >= this.#atOnce() && this.#waiting.length >= this.#mostWaiting
  }

  /** @throws what `refuse` gives */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.enter()
    try {
      return await work()
    } finally {
      this.leave()
    }
  }

  /** Resolves when the work may begin; `leave` has to follow, once. @throws what `refuse` gives, and then nothing has to follow */
  async enter(): Promise<void> {
    if (this.#running < this.#atOnce()) {
      this.#running++
      return
    }
    if (this.isFull) throw this.#refuse()
    // The place is handed over by the one that ends, so that a newcomer cannot slip in between.
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  leave(): void {
    this.#running--
    while (this.#waiting.length > 0 && this.#running < this.#atOnce()) {
      this.#running++
      this.#waiting.shift()!()
    }
  }
}
