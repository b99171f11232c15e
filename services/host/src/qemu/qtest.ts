import { createServer, type Server, type Socket } from 'node:net'
import { ServiceError } from '@strongroom/platform'

const answerLimitMs = 60_000

/** QEMU's test protocol (system/qtest.c): ports and memory of a machine whose processors have not run. */
export class QTest {
  readonly #server: Server
  readonly #connected: Promise<Socket>
  #received = ''
  #heard: ((line: string) => void) | undefined

  private constructor(server: Server) {
    this.#server = server
    this.#connected = new Promise((done) => server.once('connection', done))
  }

  /** Listens; QEMU connects. */
  static async listen(path: string): Promise<QTest> {
    const server = createServer()
    await new Promise<void>((done, fail) => server.once('error', fail).listen(path, done))
    return new QTest(server)
  }

  /** Waits for QEMU. @param o.ended settles with its output if it ends instead */
  async connect(o: { ended: Promise<string> }): Promise<void> {
    const socket = await Promise.race([this.#connected, o.ended.then((said) => Promise.reject(noMachine(said)))])
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      for (let end = this.#received.indexOf('\n'); end >= 0; end = this.#received.indexOf('\n')) {
        const line = this.#received.slice(0, end)
        this.#received = this.#received.slice(end + 1)
        // Interrupts arrive unsolicited.
        if (!line.startsWith('IRQ')) this.#heard?.(line)
      }
    })
  }

  async out(port: number, value: number): Promise<void> {
    await this.#send(`outl ${port} ${value >>> 0}`)
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    await this.#send(`write ${address} ${bytes.length} 0x${Buffer.from(bytes).toString('hex')}`)
  }

  async read(address: number, length: number): Promise<Uint8Array> {
    return Buffer.from(await this.#send(`b64read ${address} ${length}`), 'base64')
  }

  close(): void {
    this.#server.close()
    void this.#connected.then((socket) => socket.destroy())
  }

  /** @returns what follows OK */
  async #send(command: string): Promise<string> {
    const socket = await this.#connected
    const answer = await new Promise<string>((done, fail) => {
      const late = setTimeout(() => fail(noMachine(`no answer to ${command.slice(0, 40)}`)), answerLimitMs)
      const gone = (): void => fail(noMachine('QEMU ended'))
      socket.once('close', gone)
      this.#heard = (line) => {
        clearTimeout(late)
        socket.off('close', gone)
        done(line)
      }
      if (socket.closed) gone()
      else socket.write(`${command}\n`)
    })
    const [, rest] = /^OK ?(.*)$/.exec(answer) ?? []
    if (rest === undefined) throw noMachine(answer)
    return rest
  }
}

const noMachine = (found: string): ServiceError =>
  new ServiceError({
    code: 'MachineNotPredicted',
    message: 'QEMU does not report which ACPI tables it gives the VM’s firmware, so they cannot be compared.',
    expected: 'a QEMU with the test protocol (-qtest)',
    found,
    remedy: 'Install Debian’s qemu-system-x86.',
  })
