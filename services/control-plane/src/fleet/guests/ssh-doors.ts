import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { ServiceError } from '@strongroom/platform'
import type { Placements } from '../placements.ts'
import type { HostCalls } from './host-calls.ts'

/** Concurrent connections to one guest. */
const mostConnections = 32

/**
 * SSH of guests on joined hosts: a loopback port on this machine for each requested one, as for the server's own host.
 * The host is asked for a stream to the guest, and opens it.
 */
export class SshDoors {
  readonly #calls: HostCalls
  readonly #placements: Placements
  readonly #doors = new Map<string, Promise<Server>>()
  /** Connections waiting for their host's stream, by name. */
  readonly #waiting = new Map<string, { host: string; vmId: string; socket: Socket }>()
  readonly #open = new Set<Socket>()

  constructor(o: { calls: HostCalls; placements: Placements }) {
    this.#calls = o.calls
    this.#placements = o.placements
  }

  async addressOf(vmId: string): Promise<{ host: string; port: number }> {
    const opening = this.#doors.get(vmId) ?? this.#listen(vmId)
    this.#doors.set(vmId, opening)
    opening.catch(() => this.#doors.delete(vmId))
    return { host: '127.0.0.1', port: ((await opening).address() as AddressInfo).port }
  }

  /** The connection that the host was asked a stream for; only for that host, once. @throws ServiceError NotFound */
  take(host: string, vmId: string, name: string): Socket {
    const waiting = this.#waiting.get(name)
    if (waiting === undefined || waiting.host !== host || waiting.vmId !== vmId)
      throw new ServiceError({ code: 'NotFound', message: 'Nothing is waiting for such a stream.' })
    this.#waiting.delete(name)
    return waiting.socket
  }

  async forget(vmId: string): Promise<void> {
    const door = await this.#doors.get(vmId)
    this.#doors.delete(vmId)
    door?.close()
  }

  async close(): Promise<void> {
    for (const vmId of this.#doors.keys()) await this.forget(vmId)
    for (const socket of this.#open) socket.destroy()
  }

  async #listen(vmId: string): Promise<Server> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
      socket.on('error', () => socket.destroy())
      void this.#ask(vmId, socket).catch(() => socket.destroy())
    })
    server.maxConnections = mostConnections
    await new Promise<void>((done, fail) => {
      server.once('error', fail)
      server.listen({ host: '127.0.0.1', port: 0 }, done)
    })
    server.unref()
    return server
  }

  async #ask(vmId: string, socket: Socket): Promise<void> {
    const host = (await this.#placements.find(vmId))?.host
    if (host === undefined || host === null) return void socket.destroy()
    const name = randomUUID()
    this.#waiting.set(name, { host, vmId, socket })
    try {
      const path = `/instances/${vmId}/ssh`
      const { status } = await this.#calls.ask(host, { vmId, method: 'POST', path, body: { stream: name } })
      if (status !== 200) socket.destroy()
    } finally {
      this.#waiting.delete(name)
    }
  }
}
