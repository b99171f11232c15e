import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'

const packetBytes = 48
const secondsFrom1900To1970 = 2_208_988_800

/** Answers the guest's NTP packets (RFC 5905, section 7.3) with another time; each uses a separate stream. */
export class TimeLiar {
  /** Offset from the machine's time, in milliseconds: the reported time advances normally. */
  readonly #offset: number
  #server: Server | undefined

  constructor(now: Date) {
    this.#offset = now.getTime() - Date.now()
  }

  async listen(socket: string): Promise<void> {
    await rm(socket, { force: true })
    const server = createServer((stream) => {
      let received = Buffer.alloc(0)
      stream.on('error', () => stream.destroy())
      stream.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        if (received.length >= packetBytes) stream.end(this.#answer(received))
      })
    })
    this.#server = server
    await new Promise<void>((done) => server.listen(socket, done))
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server !== undefined) await new Promise((done) => server.close(done))
  }

  #answer(request: Buffer): Buffer {
    const reply = Buffer.alloc(packetBytes)
    // Requested version, mode 4 (server), stratum 1, precision of a microsecond.
    reply.set([(request[0]! & 0x38) | 4, 1, request[2]!, 0xec])
    reply.write('GPS', 12)
    const seconds = Math.floor((Date.now() + this.#offset) / 1000) + secondsFrom1900To1970
    for (const at of [16, 32, 40]) reply.writeUInt32BE(seconds, at)
    // The client's transmit time is returned as the origin.
    request.copy(reply, 24, 40, 48)
    return reply
  }
}
