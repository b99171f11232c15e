import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'

/** How many finished commands a host remembers. */
const kept = 50
/** How long the guest's agent waits for a command, in milliseconds. */
const waitMs = 25_000

interface Entry {
  request: CommandRequest
  status: CommandStatus
}

/**
 * Commands for one running guest. The guest fetches them one at a time and decides itself whether to run them: the host
 * only transports them. They live as long as this boot.
 */
export class CommandQueue {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  #waiting: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Idempotent by its id. */
  submit(request: CommandRequest): CommandStatus {
    const present = this.#entries.get(request.id)
    if (present !== undefined) return present.status
    const status: CommandStatus = { id: request.id, state: 'Pending' }
    this.#entries.set(request.id, { request, status })
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= kept) break
      if (entry.status.state === 'Done' || entry.status.state === 'Refused') this.#entries.delete(id)
    }
    for (const wake of this.#waiting.splice(0)) wake()
    return status
  }

  find(id: string): CommandStatus | undefined {
    return this.#entries.get(id)?.status
  }

  /** The next command, which counts as running from now on; undefined if none arrives for a while. */
  async next(): Promise<CommandRequest | undefined> {
    const found = this.#take()
    if (found !== undefined) return found
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      timer.unref()
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return this.#take()
  }

  /** The guest's answer. @throws ServiceError CommandNotFound */
  finish(id: string, result: Omit<CommandStatus, 'id' | 'state' | 'startedAt' | 'endedAt'>): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.status.state !== 'Running')
      throw new ServiceError({ code: 'CommandNotFound', message: 'No such command is running.' })
    const state = result.refused === undefined ? 'Done' : 'Refused'
    entry.status = { ...entry.status, ...result, state, endedAt: this.#clock.now().toISOString() }
  }

  /** The guest has ended: nobody waits any longer. */
  close(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #take(): CommandRequest | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.status.state !== 'Pending') continue
      entry.status = { ...entry.status, state: 'Running', startedAt: this.#clock.now().toISOString() }
      return entry.request
    }
    return undefined
  }
}
