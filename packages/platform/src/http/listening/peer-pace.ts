import { OtherPeers } from './other-peers.ts'

/** Pieces that a peer may begin without delay, and how many per second it regains. */
const mostAtOnce = 20
const perSecond = 20
/** Beyond them, while others call, its pieces begin this far apart; a late one may catch up this much. */
const apartMs = 8
const lateMs = 100
/** Maximum peers tracked; the one that began something longest ago is forgotten first. */
const countedPeers = 1_000

interface Pace {
  /** Pieces begun and not regained, at `at`. */
  taken: number
  at: number
  /** When the next one is due. */
  next: number
}

/**
 * Slows a peer that uses much of a thread while others call: rotation alone leaves it half of every turn, and a caller
 * needs many turns for one answer (attacks W4 to W6). A lone peer has all of it.
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

  /** How long the peer's next piece must wait, in ms; 0 if it may begin. */
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
