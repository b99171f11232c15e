/** So long after its last call a peer counts as one that calls. */
const callingMs = 1_000

interface Call {
  peer: string
  at: number
}

/** Whether others call while one does: who is alone may take all that there is. */
export class OtherPeers {
  /** Who called last, and who did before of all others. */
  #last: Call | undefined
  #lastOther: Call | undefined
  readonly #now: () => number

  /** @param now milliseconds of a clock that is never set back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  note(peer: string): void {
    if (this.#last !== undefined && this.#last.peer !== peer) this.#lastOther = this.#last
    this.#last = { peer, at: this.#now() }
  }

  /** Whether anybody but this peer called a moment ago. */
  call(peer: string): boolean {
    const other = this.#last?.peer === peer ? this.#lastOther : this.#last
    return other !== undefined && this.#now() - other.at < callingMs
  }
}
