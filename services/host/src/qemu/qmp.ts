import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

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

/** Client of QEMU's machine protocol on a unix socket: JSON lines, replies by id, events in between. */
export class Qmp {
  readonly #socket: Socket
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  readonly #listener: (event: QmpEvent) => void
  #next = 1
  #rest = ''

  private constructor(socket: Socket, listener: (event: QmpEvent) => void) {
    this.#socket = socket
    this.#listener = listener
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#fail())
  }

  /** Waits until QEMU listens. @param o.gaveUp true once QEMU has ended, so that the wait ends as well */
  static async connect(o: { path: string; listener: (event: QmpEvent) => void; gaveUp: () => boolean }): Promise<Qmp> {
    for (let attempt = 0; ; attempt++) {
      try {
        const qmp = new Qmp(await dial(o.path), o.listener)
        await qmp.execute('qmp_capabilities')
        return qmp
      } catch (error) {
        if (attempt >= 500 || o.gaveUp()) throw error
        await sleep(20)
      }
    }
  }

  async execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    const id = this.#next++
    if (this.#socket.destroyed) throw new Error(`QEMU is gone before ${command}`)
    return await new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`)
    })
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

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}
