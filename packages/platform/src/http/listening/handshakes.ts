import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import { limitedAddress } from '../../network/caller.ts'
import { FairQueue } from './fair-queue.ts'

/**
 * Makes a server begin TLS only after the client has sent something, and queue handshakes of many connections: TLS
 * costs some hundred microseconds per connection, which a client that only opens connections cannot cause (attack W6).
 * Call before the server listens.
 * @param o.silentMs how long a connection may be silent
 */
export function beginHandshakesInTurn(server: Server, o: { silentMs: number }): void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  const [beginTls] = listeners
  if (beginTls === undefined || listeners.length !== 1)
    throw new TypeError(`a server of node:https has one listener for connections, not ${listeners.length}`)
  server.off('connection', beginTls)
  const queue = new FairQueue({ fromBothEnds: true })
  server.on('connection', (socket: Socket) => {
    // Node accepts one connection per turn: behind many at once, the last would wait for all their handshakes.
    queue.giveWay()
    const end = (): void => void socket.destroy()
    socket.setTimeout(o.silentMs, end)
    socket.once('error', end)
    socket.once('readable', () => {
      // The client has closed the connection without sending anything.
      if (socket.readableLength === 0) {
        end()
        return
      }
      // From here on it waits for us.
      socket.setTimeout(0, end)
      const begin = (): void => {
        socket.off('error', end)
        // TLS consumes already read bytes from the socket, and its own timeout starts.
        beginTls.call(server, socket)
      }
      queue.begin(limitedAddress(socket), begin, () => !socket.destroyed)
    })
  })
}
