import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { keyOf } from './connections.ts'

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
  /**
   * Requests in progress, by connection. Not a set of all responses: V8 replaces the table of a set that changes often,
   * and an old table that was promoted keeps what it contained, and every later table, until the next full collection.
   */
  readonly #connections = new Map<ReturnType<typeof keyOf>, { socket: Socket; responses: ServerResponse[] }>()
  #isBegun = false
  #wake: () => void = () => {}

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket)
      this.#connections.set(key, { socket, responses: [] })
      socket.once('close', () => {
        // Another connection may have the same address and port by now.
        if (this.#connections.get(key)?.socket === socket) this.#connections.delete(key)
        if (this.#connections.size === 0) this.#wake()
      })
    })
  }

  /** Each request of the watched servers. */
  answering(response: ServerResponse): void {
    if (this.#isBegun) endsConnection(response)
    const responses = this.#connections.get(keyOf(response.req.socket))?.responses
    if (responses === undefined) return
    responses.push(response)
    response.once('close', () => responses.splice(responses.indexOf(response), 1))
  }

  /** After the listeners have stopped accepting. Resolves when all connections are closed. */
  async end(patience: Patience): Promise<void> {
    this.#isBegun = true
    for (const { responses } of this.#connections.values()) for (const each of responses) endsConnection(each)
    await this.#allClosed(patience.idle)
    for (const { socket, responses } of this.#connections.values()) if (responses.length === 0) socket.destroy()
    await this.#allClosed(patience.answer)
    for (const { socket } of this.#connections.values()) socket.destroy()
  }

  async #allClosed(limitMs: number): Promise<void> {
    if (this.#connections.size === 0) return
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
