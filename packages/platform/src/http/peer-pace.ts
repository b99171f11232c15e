import { OtherPeers } from './other-peers.ts'

/** Pieces that a peer may begin as fast as there is time, and how many a second it gets back of them. */
const mostAtOnce = 20
const perSecond = 20
/** Beyond them, while others call, its pieces are begun this far apart; one that was late is made up for so long. */
const apartMs = 8
const lateMs = 100
/** Peers that are counted; the one that began something longest ago is forgotten first. */
const countedPeers = 1_000

interface Pace {
  /** Pieces that were begun and not given back, at `at`. */
  taken: number
  at: number
  /** When the next one is due. */
  next: number
}

/**
 * Anyone who takes much of a thread takes it slowly while others call: turns alone leave it half of every turn, and whoever calls needs
 * many turns for one answer (attacks W4 to W6). Anyone who is alone has all of it.
 */
export class PeerPace {
  readonly #others: OtherPeers
  readonly #paces = new Map<string, Pace>()
  readonly #now: () => number

  /** @param now milliseconds of a clock that is never set back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#others = new OtherPeers(now)
  }

  /** Counts a piece that the peer begins. */
  began(peer: string): void {
    const now = this.#now()
    this.#others.note(peer)
    const taken = this.#taken(peer, now)
    const due = Math.min(now, Math.max(this.#paces.get(peer)?.next ?? now, now - lateMs))
    this.#paces.delete(peer)
    this.#paces.set(peer, { taken: Math.min(taken + 1, mostAtOnce), at: now, next: due + apartMs })
    if (this.#paces.size > countedPeers) this.#paces.delete(this.#paces.keys().next().value!)
  }

  /** How long the peer's next piece has to wait, in ms; 0 where it may begin. */
  wait(peer: string): number {
    const pace = this.#paces.get(peer)
    if (pace === undefined) return 0
    const now = this.#now()
    const wait = pace.next - now
    return wait <= 0 || this.#taken(peer, now) + 1 <= mostAtOnce || !this.#others.call(peer) ? 0 : wait
  }

  #taken(peer: string, now: number): number {
    const pace = this.#paces.get(peer)
    return pace === undefined ? 0 : Math.max(0, pace.taken - ((now - pace.at) * perSecond) / 1000)
  }
}
