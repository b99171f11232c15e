import { createServer, type Socket } from 'node:net'
import { connectionLimit, openDoor } from './door.ts'

/** Length of an NTP packet without extension fields (RFC 5905, section 7.3). */
const packetLength = 48
const secondsFrom1900To1970 = 2_208_988_800
const clientMode = 3
const serverMode = 4
/** As for a server on its own clock: whether the host's clock is synchronised with UTC is unknown here. */
const localStratum = 10
/** log2 of a millisecond, in seconds. */
const precision = -10

/**
 * The host's clock for one guest, over NTP. A guest cannot send datagrams to the host, so each packet uses a separate
 * stream on a unix socket that only this guest's network leads to; a relay in the guest converts chrony's datagrams.
 */
export async function startTimeServer(o: { socket: string; now(): Date }): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    let received = Buffer.alloc(0)
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < packetLength) return
      const reply = answerTime(received.subarray(0, packetLength), o.now())
      if (reply === undefined) socket.destroy()
      else socket.end(reply)
    })
  })
  server.maxConnections = connectionLimit
  await openDoor(server, o.socket)
  return {
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** The answer to a client's 48-byte packet; undefined unless it is a client packet of version 3 or 4. */
export function answerTime(request: Uint8Array, now: Date): Buffer | undefined {
  const version = (request[0]! >> 3) & 7
  if (request.length !== packetLength || (request[0]! & 7) !== clientMode || version < 3 || version > 4)
    return undefined
  const reply = Buffer.alloc(packetLength)
  reply[0] = (version << 3) | serverMode
  reply[1] = localStratum
  reply[2] = request[2]!
  reply.writeInt8(precision, 3)
  // Root dispersion of one millisecond in 16.16 seconds; the reference of a local clock.
  reply.writeUInt32BE(66, 8)
  reply.set([127, 127, 1, 1], 12)
  const timestamp = toTimestamp(now)
  reply.set(timestamp, 16)
  // The client expects its transmit time as the answer's origin, and accepts no other answer.
  reply.set(request.subarray(40, 48), 24)
  reply.set(timestamp, 32)
  reply.set(timestamp, 40)
  return reply
}

/** Seconds since 1900 in 32.32 bits (RFC 5905, section 6). */
function toTimestamp(time: Date): Uint8Array {
  const milliseconds = time.getTime()
  const seconds = Math.floor(milliseconds / 1000)
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE((seconds + secondsFrom1900To1970) % 2 ** 32, 0)
  bytes.writeUInt32BE(Math.floor(((milliseconds - seconds * 1000) / 1000) * 2 ** 32), 4)
  return bytes
}
