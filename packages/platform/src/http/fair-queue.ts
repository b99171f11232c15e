import { PeerPace } from './peer-pace.ts'

interface Piece {
  work: () => void
  isWanted: () => boolean
}

const always = (): boolean => true

/** What one turn of the event loop may take of work that came at once: what comes meanwhile waits no longer than that. */
const turnMs = 1
/** Pieces that are begun in one turn at most. */
const mostInTurn = 8
/** How long nothing is begun because of what is more urgent, before one more piece is. */
const givesWayMs = 4
/** How long a queue of one peer has to be to be served from both ends. */
const longQueue = 16

/**
 * Begins work of many peers, each piece at once where there is time. Where more comes in one turn of the event loop than it has
 * time for, the rest waits for later queue, one of each peer after the other: who sends much waits for itself, and
 * everything that has begun goes on in between (attacks W4 and W6). Anyone who has begun much lately waits longer while others call.
 */
export class FairQueue {
  /** Pieces that wait, by peer. The first peer is the next one. */
  readonly #waiting = new Map<string, Piece[]>()
  /** When this turn began its first piece; undefined where it has begun none. */
  #began: number | undefined
  #isPlanned = false
  /** Set while all that waits is of peers that have to wait. */
  #later: NodeJS.Timeout | undefined
  readonly #pace: Pick<PeerPace, 'began' | 'wait'>
  readonly #fromBothEnds: boolean
  #takesLast = false

  /**
   * @param o.fromBothEnds whether of a long queue of one peer the first and the last are taken in turn. Peers that share an address
   *   cannot be told apart: of a thousand that came at one moment some wait long either way, but so whoever comes after them does
   *   not, and nobody waits more than twice as long. For work whose order does not count.
   */
  constructor(o: { fromBothEnds?: boolean; pace?: Pick<PeerPace, 'began' | 'wait'> } = {}) {
    this.#fromBothEnds = o.fromBothEnds ?? false
    this.#pace = o.pace ?? new PeerPace()
  }
  #givesWay = false
  /** Since when nothing was begun because of it. */
  #givesWaySince: number | undefined

  /**
   * Calls `work`, which must not throw, now or in a later turn. In the order in which it came.
   * @param isWanted asked when its turn comes; what nobody waits for any more takes no turn
   */
  begin(peer: string, work: () => void, isWanted: () => boolean = always): void {
    const own = this.#waiting.get(peer)
    if (own !== undefined) own.push({ work, isWanted })
    else if (this.#hasTime() && this.#pace.wait(peer) === 0) this.#start(peer, work)
    else this.#waiting.set(peer, [{ work, isWanted }])
    this.#plan()
  }

  /** Something more urgent came: nothing more is begun in this turn, though not for ever. */
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

  /** Promises of one piece go on before the next is begun, for each is an immediate of its own: so what it took is seen. */
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

  /** How long nothing of what waits may begin, in ms. */
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
