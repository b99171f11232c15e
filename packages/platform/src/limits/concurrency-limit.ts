/** Limits how many works run and wait at once, first come first served. */
export class ConcurrencyLimit {
  readonly #atOnce: () => number
  readonly #mostWaiting: number
  readonly #refuse: () => Error
  readonly #waiting: (() => void)[] = []
  #running = 0

  /**
   * @param o.atOnce called whenever a work arrives or ends, if it varies
   * @param o.waiting default unlimited
   * @param o.refuse the error if too many already wait
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

  /** @throws the error from `refuse` */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.enter()
    try {
      return await work()
    } finally {
      this.leave()
    }
  }

  /** Resolves when the work may begin; `leave` must follow, once. @throws the error from `refuse`; `leave` must not follow then */
  async enter(): Promise<void> {
    if (this.#running < this.#atOnce()) {
      this.#running++
      return
    }
    if (this.isFull) throw this.#refuse()
    // The finishing work hands its place over, so that a newcomer cannot slip in between.
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
