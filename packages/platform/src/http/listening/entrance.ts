import type { IncomingMessage, ServerResponse } from 'node:http'
import { limitedAddress } from '../../network/caller.ts'
import { FairQueue } from './fair-queue.ts'
import { Pipelines } from './pipelines.ts'
import type { Drain } from './drain.ts'

type Begin = (request: IncomingMessage, response: ServerResponse) => void

/** Where a server's requests come in: in turn, and those from outside once every service is up. */
export class Entrance {
  readonly #queue = new FairQueue()
  readonly #pipelines = new Pipelines()
  readonly #early: (() => void)[] = []
  readonly #arrived: Begin
  readonly #begin: Begin
  readonly #drain: Drain
  readonly #isReady: () => boolean

  /** @param o.arrived for each admitted request, before its turn */
  constructor(o: { arrived: Begin; begin: Begin; drain: Drain; isReady: () => boolean }) {
    this.#arrived = o.arrived
    this.#begin = o.begin
    this.#drain = o.drain
    this.#isReady = o.isReady
  }

  fromOutside(request: IncomingMessage, response: ServerResponse): void {
    this.admit(request, response, () => {
      this.#arrived(request, response)
      this.#drain.answering(response)
      if (this.#isReady()) this.#inTurn(request, response)
      else this.#early.push(() => this.#inTurn(request, response))
    })
  }

  /** Of services of this installation, which call each other while they start and end. */
  fromServices(request: IncomingMessage, response: ServerResponse): void {
    this.admit(request, response, () => {
      this.#arrived(request, response)
      this.#inTurn(request, response)
    })
  }

  /** Calls `answer` unless the connection has sent too much at once. */
  admit(request: IncomingMessage, response: ServerResponse, answer: () => void): void {
    if (this.#pipelines.admits(request, response)) answer()
  }

  /** Every service is up. */
  open(): void {
    for (const begin of this.#early.splice(0)) begin()
  }

  #inTurn(request: IncomingMessage, response: ServerResponse): void {
    const begin = (): void => this.#begin(request, response)
    this.#queue.begin(limitedAddress(request.socket), begin, () => !request.socket.destroyed)
  }
}
