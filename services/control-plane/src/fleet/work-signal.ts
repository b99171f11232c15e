/** Wakes held requests of hosts when there is news, in this process. */
export class WorkSignal {
  readonly #waiting = new Map<string, Set<() => void>>()

  notify(host: string | undefined | null): void {
    for (const wake of this.#waiting.get(host ?? '') ?? []) wake()
  }

  /** Until the host is notified, the time is up, or the request is abandoned. */
  async wait(host: string, milliseconds: number, givenUp: AbortSignal): Promise<void> {
    await new Promise<void>((done) => {
      const waiting = this.#waiting.get(host) ?? new Set()
      this.#waiting.set(host, waiting)
      const end = (): void => {
        clearTimeout(timer)
        givenUp.removeEventListener('abort', end)
        waiting.delete(end)
        if (waiting.size === 0) this.#waiting.delete(host)
        done()
      }
      const timer = setTimeout(end, milliseconds)
      waiting.add(end)
      givenUp.addEventListener('abort', end, { once: true })
      if (givenUp.aborted) end()
    })
  }
}
