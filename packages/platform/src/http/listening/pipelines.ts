import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Maximum unanswered requests per connection. Ordinary clients send one after the other. */
const mostUnanswered = 32

/**
 * Limits what one connection can queue: HTTP lets a client send further requests before the first is answered (RFC
 * 9112, section
 * 9.3.2), and Node accepts all that arrive meanwhile, a thousand per 64 KiB (attack W6).
 */
export class Pipelines {
  readonly #unanswered = new WeakMap<Socket, number>()

  /** False for a request that must be ignored: one too many, which ends the connection, or a later one. */
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
