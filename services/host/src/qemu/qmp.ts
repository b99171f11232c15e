import { open } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { startProgram } from '@strongroom/platform'

export interface QmpEvent {
  event: string
  data?: Record<string, unknown>
}

interface Reply {
  id?: number
  return?: unknown
  error?: { class: string; desc: string }
  event?: string
  data?: Record<string, unknown>
}

/** Sends its input over the socket on descriptor 3, together with descriptor 4 (unix(7), SCM_RIGHTS), which Node cannot do. */
const sender = `import socket, sys
socket.send_fds(socket.socket(fileno=3), [sys.stdin.buffer.read()], [4])`

/** Client of QEMU's machine protocol on a stream: JSON lines, replies by id, events in between. */
export class Qmp {
  readonly #socket: Socket
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  readonly #listener: (event: QmpEvent) => void
  /** Settles, with nothing, when QEMU has closed its end. */
  readonly closed: Promise<undefined>
  #next = 1
  #rest = ''

  private constructor(socket: Socket, listener: (event: QmpEvent) => void) {
    this.#socket = socket
    this.#listener = listener
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#fail())
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(undefined)))
  }

  /** Waits until QEMU answers. @param o.socket this end of its control channel, which QEMU's end closes */
  static async begin(o: { socket: Socket; listener: (event: QmpEvent) => void }): Promise<Qmp> {
    const qmp = new Qmp(o.socket, o.listener)
    await qmp.execute('qmp_capabilities')
    return qmp
  }

  async execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    return await this.#send(command, args, (line) => void this.#socket.write(line))
  }

  /** Passes QEMU a file as one of a descriptor set, from which it is opened as /dev/fdset/{set}. */
  async handFile(path: string, set: number): Promise<void> {
    const file = await open(path, 'r+')
    try {
      await this.#send('add-fd', { 'fdset-id': set, opaque: path }, (line) => this.#sendWith(file.fd, line))
    } finally {
      await file.close()
    }
  }

  async #send(
    command: string,
    args: Record<string, unknown> | undefined,
    write: (line: string) => void | Promise<void>,
  ): Promise<unknown> {
    const id = this.#next++
    if (this.#socket.destroyed) throw new Error(`QEMU exited before ${command}`)
    const reply = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }))
    reply.catch(() => {})
    await write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`)
    return await reply
  }

  async #sendWith(descriptor: number, line: string): Promise<void> {
    const program = startProgram({
      command: 'python3',
      args: ['-I', '-S', '-c', sender],
      stdio: ['pipe', 'ignore', 'ignore', this.#socket, descriptor],
      dieWithParent: true,
    })
    // A stream lent to a program does not resume reading here by itself.
    this.#socket.resume()
    program.child.stdin?.on('error', () => {})
    program.child.stdin?.end(line)
    const { code } = await program.exited
    if (code !== 0) throw new Error('QEMU did not accept a file descriptor')
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.trim() === '') continue
      let message: Reply
      try {
        message = JSON.parse(line) as Reply
      } catch {
        this.#socket.destroy()
        return
      }
      if (message.event !== undefined)
        this.#listener({ event: message.event, ...(message.data && { data: message.data }) })
      const waiting = message.id === undefined ? undefined : this.#pending.get(message.id)
      if (waiting === undefined || message.id === undefined) continue
      this.#pending.delete(message.id)
      if (message.error === undefined) waiting.resolve(message.return)
      else waiting.reject(new Error(`QEMU: ${message.error.desc}`))
    }
  }

  #fail(): void {
    for (const waiting of this.#pending.values()) waiting.reject(new Error('QEMU closed its control channel'))
    this.#pending.clear()
  }
}
