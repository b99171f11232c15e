import { connect, type Socket } from 'node:net'

const option = 'IHAVEOPT'
const [requestMagic, replyMagic] = [0x25609513, 0x67446698]
const commands = { read: 0, write: 1, flush: 3 }

/** A minimal NBD client (fixed newstyle, simple replies) with one request at a time, for guest stand-ins. */
export class NbdClient {
  readonly #socket: Socket
  #had = Buffer.alloc(0)
  #wake: () => void = () => {}
  #isOver = false

  private constructor(socket: Socket) {
    this.#socket = socket
    const over = (): void => {
      this.#isOver = true
      this.#wake()
    }
    socket.on('data', (piece: Buffer) => {
      this.#had = Buffer.concat([this.#had, piece])
      this.#wake()
    })
    socket.once('close', over).once('end', over).on('error', over)
  }

  /** @throws if the peer closes the connection */
  static async open(path: string, name: string): Promise<NbdClient> {
    const client = new NbdClient(connect({ path }))
    const greeting = await client.#take(18)
    if (greeting.toString('latin1', 8, 16) !== option) throw new Error('no NBD server of the new style')
    const head = Buffer.alloc(4 + 16)
    head.writeUInt32BE(3, 0)
    head.write(option, 4, 'latin1')
    head.writeUInt32BE(1, 12)
    head.writeUInt32BE(name.length, 16)
    client.#socket.write(Buffer.concat([head, Buffer.from(name, 'latin1')]))
    await client.#take(10)
    return client
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return await this.#ask('read', offset, length)
  }

  async write(offset: number, bytes: Buffer): Promise<void> {
    await this.#ask('write', offset, bytes.length, bytes)
  }

  /** Resolves when all that was written before is confirmed. */
  async flush(): Promise<void> {
    await this.#ask('flush', 0, 0)
  }

  close(): void {
    this.#socket.destroy()
  }

  async #ask(command: keyof typeof commands, offset: number, length: number, bytes?: Buffer): Promise<Buffer> {
    const head = Buffer.alloc(28)
    head.writeUInt32BE(requestMagic, 0)
    head.writeUInt16BE(commands[command], 6)
    head.writeBigUInt64BE(BigInt(offset), 16)
    head.writeUInt32BE(length, 24)
    this.#socket.write(bytes === undefined ? head : Buffer.concat([head, bytes]))
    const reply = await this.#take(16)
    const error = reply.readUInt32BE(4)
    if (reply.readUInt32BE(0) !== replyMagic || error !== 0) throw new Error(`${command} was refused: ${error}`)
    return command === 'read' ? await this.#take(length) : Buffer.alloc(0)
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#had.length < length) {
      if (this.#isOver) throw new Error('the connection was closed')
      await new Promise<void>((done) => (this.#wake = done))
    }
    const taken = this.#had.subarray(0, length)
    this.#had = this.#had.subarray(length)
    return taken
  }
}
