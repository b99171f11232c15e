import { PeerPace } from './peer-pace.ts'

interface Piece {
  work: () => void
  isWanted: () => boolean
}

const always = (): boolean => true

/** Time per event-loop turn for work that arrived at once: anything else waits no longer than that. */
const turnMs = 1
/** Maximum pieces begun in one turn. */
const mostInTurn = 8
/** How long more urgent work can hold everything up, before one more piece begins. */
const givesWayMs = 4
/** Length from which a peer's queue is served from both ends. */
const longQueue = 16

/**
 * Begins work of many peers, each piece at once if there is time. If more arrives in one turn of the event loop than it
 * has time for, the rest waits for later turns, one piece per peer in rotation: a busy peer waits for itself, and
 * started work continues in between (attacks W4 and W6). A peer that recently began much waits longer while others
 * call.
 */
export class FairQueue {
  /** Waiting pieces, by peer. The first peer is next. */
  readonly #waiting = new Map<string, Piece[]>()
  /** When this turn began its first piece; undefined if none. */
  #began: number | undefined
  #isPlanned = false
  /** Set while all waiting pieces belong to peers that must wait. */
  #later: NodeJS.Timeout | undefined
  readonly #pace: Pick<PeerPace, 'began' | 'wait'>
  readonly #fromBothEnds: boolean
  #takesLast = false

  /**
   * @param o.fromBothEnds whether a peer's long queue is served from both ends alternately. Peers that share an address
   *   are indistinguishable: of a thousand arriving at one moment some wait long either way, but later arrivals then
   *   do not, and nobody waits more than twice as long. For work whose order does not matter.
   */
  constructor(o: { fromBothEnds?: boolean; pace?: Pick<PeerPace, 'began' | 'wait'> } = {}) {
    this.#fromBothEnds = o.fromBothEnds ?? false
    this.#pace = o.pace ?? new PeerPace()
  }
  #givesWay = false
  /** Since when nothing has begun because of it. */
  #givesWaySince: number | undefined

  /**
   * Calls `work`, which must not throw, now or in a later turn, in order of arrival.
   * @param isWanted called when its turn comes; abandoned work takes no turn
   */
  begin(peer: string, work: () => void, isWanted: () => boolean = always): void {
    const own = this.#waiting.get(peer)
    if (own !== undefined) own.push({ work, isWanted })
    else if (this.#hasTime() && this.#pace.wait(peer) === 0) this.#start(peer, work)
    else this.#waiting.set(peer, [{ work, isWanted }])
    this.#plan()
  }

  /** More urgent work arrived: nothing more begins in this turn, though not forever. */
  giveWay(): void {
    const now = performance.now()
    this.#givesWaySince ??= now
    this.#givesWay = now - this.#givesWaySince < givesWayMs
    this.#plan()
  }

  #hasTime(): boolean {
    if (this.#givesWay) return false
    return this.#began === undefined || performance.now() - this.#began < turnMs
  }

  #start(peer: string, work: () => void): void {
    this.#began ??= performance.now()
    this.#pace.began(peer)
    work()
  }

  /** Each piece is a separate immediate, so its promises run before the next one begins, and its cost is visible. */
  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.#began = undefined
      const givesWay = this.#givesWay
      this.#givesWay = false
      if (!givesWay || this.#waiting.size === 0) this.#givesWaySince = undefined
      if (this.#waiting.size === 0) return
      if (!givesWay) this.#next()
      const wait = this.#wait()
      if (wait === 0) this.#plan()
      else if (this.#later === undefined) this.#later = setTimeout(() => this.#resume(), wait)
    })
    for (let more = 1; more < Math.min(this.#count(), mostInTurn); more++)
      setImmediate(() => {
        if (this.#began !== undefined && this.#hasTime()) this.#next()
      })
  }

  #resume(): void {
    this.#later = undefined
    this.#plan()
  }

  /** How long no waiting piece may begin, in ms. */
  #wait(): number {
    let least = Number.POSITIVE_INFINITY
    for (const peer of this.#waiting.keys()) {
      least = Math.min(least, this.#pace.wait(peer))
      if (least === 0) break
    }
    return Number.isFinite(least) ? least : 0
  }

  #count(): number {
    let count = 0
    for (const pieces of this.#waiting.values()) count += pieces.length
    return count
  }

  #next(): void {
    const peer = [...this.#waiting.keys()].find((each) => this.#pace.wait(each) === 0)
    if (peer === undefined) return
    const pieces = this.#waiting.get(peer)!
    this.#takesLast = this.#fromBothEnds && pieces.length > longQueue && !this.#takesLast
    let piece: Piece | undefined
    do piece = this.#takesLast ? pieces.pop() : pieces.shift()
    while (piece?.isWanted() === false)
    this.#waiting.delete(peer)
    if (pieces.length > 0) this.#waiting.set(peer, pieces)
    if (piece !== undefined) this.#start(peer, piece.work)
  }
}
