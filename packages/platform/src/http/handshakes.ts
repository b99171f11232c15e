import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import { addressOf } from './connections.ts'
import { FairQueue } from './fair-queue.ts'

/**
 * Has a server begin TLS with a connection only once it has said something, and handshakes of many connections in queue: what TLS
 * needs for one is some hundred microseconds, which whoever only opens connections cannot have spent (attack W6).
 * Called before the server listens.
 * @param o.silentMs how long a connection may say nothing
 */
export function beginHandshakesInTurn(server: Server, o: { silentMs: number }): void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  const [beginTls] = listeners
  if (beginTls === undefined || listeners.length !== 1)
    throw new TypeError(`a server of node:https has one listener for connections, not ${listeners.length}`)
  server.off('connection', beginTls)
  const queue = new FairQueue({ fromBothEnds: true })
  server.on('connection', (socket: Socket) => {
    // Node takes one connection in a turn: behind many that come at once, whoever comes last would wait for all their handshakes.
    queue.giveWay()
    const end = (): void => void socket.destroy()
    socket.setTimeout(o.silentMs, end)
    socket.once('error', end)
    socket.once('readable', () => {
      // The client has closed the connection without a word.
      if (socket.readableLength === 0) {
        end()
        return
      }
      // From here on it waits for us.
      socket.setTimeout(0, end)
      const begin = (): void => {
        socket.off('error', end)
        // TLS takes what was read already from the socket, and its own time limit begins.
        beginTls.call(server, socket)
      }
      queue.begin(addressOf(socket), begin, () => !socket.destroyed)
    })
  })
}
