/** How long after its last call a peer counts as calling. */
const callingMs = 1_000

interface Call {
  peer: string
  at: number
}

/** Whether others are calling at the same time: a lone peer may use everything. */
export class OtherPeers {
  /** The last caller, and the last one before it that differs. */
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

  /** Whether anybody but this peer called recently. */
  call(peer: string): boolean {
    const other = this.#last?.peer === peer ? this.#lastOther : this.#last
    return other !== undefined && this.#now() - other.at < callingMs
  }
}
