import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import { Arrival } from './challenges/arrival.ts'
import { QuoteChallenges } from './challenges/quote-challenges.ts'

/** How many finished commands a host remembers. */
const kept = 50

interface Entry {
  request: CommandRequest
  status: CommandStatus
}

/**
 * Commands for one running guest. The guest fetches them one at a time and decides itself whether to run them: the host
 * only transports them, each at most once. They live as long as this boot.
 */
export class CommandQueue {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #arrival = new Arrival<CommandRequest>()
  #closed = false
  /** For the same agent, in the same boot. */
  readonly challenges: QuoteChallenges = new QuoteChallenges()
  /** The number that the guest gave this boot, which scripts are signed for. Only the guest compares it. */
  bootNumber: string | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Idempotent by its id. */
  submit(request: CommandRequest): CommandStatus {
    const present = this.#entries.get(request.id)
    if (present !== undefined) return present.status
    const entry: Entry = { request, status: { id: request.id, state: 'Pending' } }
    this.#entries.set(request.id, entry)
    if (this.#closed) this.#lose(['Pending'])
    for (const [id, { status }] of this.#entries) {
      if (this.#entries.size <= kept) break
      if (status.endedAt !== undefined) this.#entries.delete(id)
    }
    if (this.#arrival.isAwaited) this.#arrival.give(this.#take())
    return entry.status
  }

  find(id: string): CommandStatus | undefined {
    return this.#entries.get(id)?.status
  }

  /**
   * The next command, which counts as running from now on; undefined if none arrives for a while. The guest runs one at
   * a time: when its agent returns, the result of the previous one was lost.
   * @param gone aborts once nobody reads the answer
   */
  async next(gone?: AbortSignal): Promise<CommandRequest | undefined> {
    this.#lose(['Running'])
    this.#arrival.give(undefined)
    return this.#take() ?? (this.#closed ? undefined : await this.#arrival.next(gone))
  }

  /** The guest's answer. @throws ServiceError CommandNotFound */
  finish(id: string, result: Omit<CommandStatus, 'id' | 'state' | 'startedAt' | 'endedAt'>): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.status.state !== 'Running')
      throw new ServiceError({ code: 'CommandNotFound', message: 'No such command is running.' })
    const state = result.refused === undefined ? 'Done' : 'Refused'
    entry.status = { ...entry.status, ...result, state, endedAt: this.#now() }
  }

  /** The guest has ended: what has no result gets none, and runs in no later boot. */
  close(): void {
    this.#closed = true
    this.#lose(['Pending', 'Running'])
    this.#arrival.give(undefined)
    this.challenges.close()
  }

  #take(): CommandRequest | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.status.state !== 'Pending') continue
      entry.status = { ...entry.status, state: 'Running', startedAt: this.#now() }
      return entry.request
    }
    return undefined
  }

  #lose(states: CommandStatus['state'][]): void {
    for (const entry of this.#entries.values())
      if (states.includes(entry.status.state))
        entry.status = { ...entry.status, state: 'Unknown', endedAt: this.#now() }
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}
