import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { joinStreams } from '@strongroom/platform'

/** Joins each connection to a separate stream. */
export function streamDoor(open: (from: Socket) => Promise<Duplex>): { server: Server; close(): Promise<void> } {
  const all = new Set<Duplex>()
  const track = (stream: Duplex): void => {
    all.add(stream)
    stream.once('close', () => all.delete(stream))
    stream.on('error', () => stream.destroy())
  }
  const server = createServer((socket) => {
    track(socket)
    socket.pause()
    open(socket).then(
      (stream) => {
        track(stream)
        if (socket.destroyed) return void stream.destroy()
        joinStreams(socket, stream)
      },
      () => socket.destroy(),
    )
  })
  return {
    server,
    close: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()))
      for (const stream of all) stream.destroy()
      await closed
    },
  }
}
