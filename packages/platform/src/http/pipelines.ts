import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests of one connection that wait for their answers. Clients that people use send one after the other. */
const mostUnanswered = 32

/**
 * Bounds what is kept for one connection: HTTP lets a client send its next requests before the first is answered (RFC 9112, section
 * 9.3.2), and Node takes in all that come while nothing is answered yet, a thousand in each 64 KiB (attack W6).
 */
export class Pipelines {
  readonly #unanswered = new WeakMap<Socket, number>()

  /** False for a request that is not to be looked at: one too many, which ends the connection, or what came behind it. */
  admits({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (socket.destroyed) return false
    const count = (this.#unanswered.get(socket) ?? 0) + 1
    if (count > mostUnanswered) {
      socket.destroy()
      return false
    }
    this.#unanswered.set(socket, count)
    response.once('close', () => this.#unanswered.set(socket, this.#unanswered.get(socket)! - 1))
    return true
  }
}
