import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { keyOf } from '../connections.ts'

/** In milliseconds. */
export interface Patience {
  /** How long a connection may still send a request after the server began to end: clients at work do so within this time. */
  idle: number
  /** How long requests may take from then on. */
  answer: number
}

/**
 * Ends listeners without cutting off a request: each connection closes with its next answer, and connections without a
 * request a moment later. A client that finds its connection closed opens another, which waits for the next server if
 * that takes over the listener.
 */
export class Drain {
  readonly #sockets = new Set<Socket>()
  readonly #responses = new Set<ServerResponse>()
  #isBegun = false
  #wake: () => void = () => {}

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        if (this.#sockets.size === 0) this.#wake()
      })
    })
  }

  /** Each request of the watched servers. */
  answering(response: ServerResponse): void {
    if (this.#isBegun) endsConnection(response)
    this.#responses.add(response)
    response.once('close', () => this.#responses.delete(response))
  }

  /** After the listeners have stopped accepting. Resolves when all connections are closed. */
  async end(patience: Patience): Promise<void> {
    this.#isBegun = true
    for (const response of this.#responses) endsConnection(response)
    await this.#allClosed(patience.idle)
    const busy = new Set([...this.#responses].map(({ req }) => keyOf(req.socket)))
    for (const socket of this.#sockets) if (!busy.has(keyOf(socket))) socket.destroy()
    await this.#allClosed(patience.answer)
    for (const socket of this.#sockets) socket.destroy()
  }

  async #allClosed(limitMs: number): Promise<void> {
    if (this.#sockets.size === 0) return
    await new Promise<void>((done) => {
      const timer = setTimeout(done, limitMs)
      this.#wake = () => {
        clearTimeout(timer)
        done()
      }
    })
  }
}

function endsConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}
