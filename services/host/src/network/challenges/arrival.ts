/** How long the guest's agent waits, in milliseconds. */
const waitMs = 25_000

/** What the guest's agent waits for, one request at a time: a later one takes the place of an earlier. */
export class Arrival<T> {
  #hand: ((value: T | undefined) => void) | undefined

  get isAwaited(): boolean {
    return this.#hand !== undefined
  }

  /** Answers the waiting agent, if there is one. */
  give(value: T | undefined): void {
    this.#hand?.(value)
  }

  /**
   * Undefined if nothing arrives for a while.
   * @param gone aborts once nobody reads the answer
   */
  next(gone?: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve) => {
      const end = (): void => hand(undefined)
      const timer = setTimeout(end, waitMs)
      timer.unref()
      const hand = (value: T | undefined): void => {
        clearTimeout(timer)
        gone?.removeEventListener('abort', end)
        if (this.#hand === hand) this.#hand = undefined
        resolve(value)
      }
      gone?.addEventListener('abort', end)
      this.#hand = hand
    })
  }
}
