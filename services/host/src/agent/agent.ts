import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BeatAnswer, BeatRequest, HostCertificate } from '@strongroom/contract'
import { ServiceError, systemClock, type Clock, type Logger } from '@strongroom/platform'
import { FleetClient } from './fleet-client.ts'
import { findIdentity, keepIdentity, notJoined, type HostIdentity } from './host-identity.ts'

export { joinFleet } from './join.ts'

/** After a beat that failed, in milliseconds. */
const retryMs = 1_000
/** How often a lease is renewed while it holds. */
const beatsOfLease = 3

/** What a host says of itself when it changes. */
export interface AgentState {
  name: string
  /** Whether the control plane counts on it. */
  leased: boolean
  /** Why not, as the last beat was answered. */
  error?: string
}

/** What runs on a joined host: renews its lease and its certificate. */
export class HostAgent {
  readonly #directory: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #stopped = new AbortController()
  #identity: HostIdentity
  #client: FleetClient
  #running: Promise<void> | undefined

  private constructor(o: { directory: string; identity: HostIdentity; logger: Logger; clock: Clock }) {
    this.#directory = o.directory
    this.#logger = o.logger
    this.#clock = o.clock
    this.#identity = o.identity
    this.#client = clientOf(o.identity)
  }

  /** @throws ServiceError HostNotJoined */
  static async open(o: { directory: string; logger: Logger; clock?: Clock }): Promise<HostAgent> {
    const identity = await findIdentity(o.directory)
    if (identity === undefined) throw notJoined(o.directory)
    return new HostAgent({ ...o, identity, clock: o.clock ?? systemClock })
  }

  /** Until `stop`. @throws what is no answer of the control plane: a defect, or a directory that cannot be written */
  async run(onChange: (state: AgentState) => void): Promise<void> {
    try {
      await (this.#running = this.#run(onChange))
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#client.close()
    await this.#running?.catch(() => {})
  }

  async #run(onChange: (state: AgentState) => void): Promise<void> {
    const { name } = this.#identity
    let told = ''
    const tell = (state: AgentState): void => {
      const text = JSON.stringify(state)
      if (text !== told) onChange(state)
      told = text
    }
    while (!this.#stopped.signal.aborted) {
      let pauseMs = retryMs
      try {
        const { leaseSeconds } = await this.#client.post<BeatAnswer>('/beat', {} satisfies BeatRequest)
        pauseMs = (leaseSeconds * 1000) / beatsOfLease
        tell({ name, leased: true })
        await this.#renewCertificate()
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        const reason = error instanceof ServiceError ? error : undefined
        if (reason === undefined) throw error
        this.#logger.warn({ code: reason.code, message: reason.message }, 'a beat was not answered')
        tell({ name, leased: false, error: `${reason.code}: ${reason.message}` })
      }
      await sleep(pauseMs, undefined, { signal: this.#stopped.signal })
    }
  }

  /** Once two thirds of its time are over; for the same key. */
  async #renewCertificate(): Promise<void> {
    const { validFromDate, validToDate } = new X509Certificate(this.#identity.certificate)
    const [from, to] = [validFromDate.getTime(), validToDate.getTime()]
    if (this.#clock.now().getTime() < from + ((to - from) * 2) / 3) return
    const { certificate } = await this.#client.post<HostCertificate>('/certificate', {})
    this.#identity = { ...this.#identity, certificate }
    await keepIdentity(this.#directory, this.#identity)
    this.#client.close()
    this.#client = clientOf(this.#identity)
    this.#logger.info('the certificate was renewed')
  }
}

const clientOf = (identity: HostIdentity): FleetClient =>
  FleetClient.under({ address: identity.address, authority: identity.authority, identity })
