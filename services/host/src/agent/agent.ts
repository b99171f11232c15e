import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  BeatAnswer,
  BeatRequest,
  FleetInstallation,
  HostCall,
  HostCertificate,
  ReportAnswer,
  VmsReport,
  VmReport,
} from '@strongroom/contract'
import { ServiceError, systemClock, type Clock, type Logger } from '@strongroom/platform'
import { SimulatedCarrier, type Carrier } from './guests/carrier.ts'
import { FleetClient } from './membership/fleet-client.ts'
import { findIdentity, keepIdentity, notJoined, type HostIdentity } from './membership/host-identity.ts'
import { OwnLease } from './membership/lease.ts'

export { SimulatedCarrier, type Carrier } from './guests/carrier.ts'
export { joinFleet } from './membership/join.ts'

/** Delay after a failed call, in milliseconds. */
const retryMs = 500
/** Minimum between two beats, in milliseconds. */
const leastPauseMs = 50
/** A beat unanswered by then has failed: the next one still arrives within the lease. */
const beatMs = 5_000
/** A report is answered once all of it is accepted. */
const reportMs = 120_000
/** How often the lease is checked, in milliseconds. */
const lookMs = 100

/** A host's state, reported when it changes. */
export interface AgentState {
  name: string
  /** Whether the control plane counts on it. */
  leased: boolean
  /** Why not, from the answer to the last beat. */
  error?: string
}

/** Runs on a joined host: renews its lease and certificate, carries the VMs it is given, and ends them when the lease expires. */
export class HostAgent {
  readonly #directory: string
  readonly #logger: Logger
  readonly #clock: Clock
  #carrier: Carrier | undefined
  readonly #lease: OwnLease
  readonly #stopped = new AbortController()
  /** Reports that were accepted, by VM. */
  readonly #told = new Map<string, string>()
  #identity: HostIdentity
  #client: FleetClient
  #revision: number | undefined
  #wake: () => void = () => {}
  #running: Promise<unknown> | undefined

  private constructor(o: {
    directory: string
    identity: HostIdentity
    logger: Logger
    clock: Clock
    carrier: Carrier | undefined
  }) {
    this.#directory = o.directory
    this.#logger = o.logger
    this.#clock = o.clock
    this.#carrier = o.carrier
    this.#lease = new OwnLease(o.clock)
    this.#identity = o.identity
    this.#client = clientOf(o.identity)
  }

  /** @throws ServiceError HostNotJoined */
  /** @param o.carrier default: what the installation has hosts carry */
  static async open(o: { directory: string; logger: Logger; clock?: Clock; carrier?: Carrier }): Promise<HostAgent> {
    const identity = await findIdentity(o.directory)
    if (identity === undefined) throw notJoined(o.directory)
    return new HostAgent({ clock: systemClock, carrier: undefined, ...o, identity })
  }

  /** Until `stop`. @throws anything that is not an answer of the control plane: a bug, or an unwritable directory */
  async run(onChange: (state: AgentState) => void): Promise<void> {
    let told = ''
    const tell = (state: Omit<AgentState, 'name'>): void => {
      const whole = { name: this.#identity.name, ...state }
      if (JSON.stringify(whole) !== told) onChange(whole)
      told = JSON.stringify(whole)
    }
    const watch = setInterval(() => {
      if (this.#lease.isOver) this.#endAll()
    }, lookMs)
    try {
      await (this.#running = this.#work(tell))
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error
    } finally {
      clearInterval(watch)
      this.#endAll()
      await this.#carrier?.close?.()
    }
  }

  async #work(tell: (state: Omit<AgentState, 'name'>) => void): Promise<void> {
    const carrier = this.#carrier ?? (await this.#ownCarrier(tell))
    if (carrier === undefined) return
    this.#carrier = carrier
    carrier.onChange = () => this.#wake()
    await Promise.all([this.#beats(tell, carrier), this.#reports(carrier)])
  }

  /** What the installation has hosts carry, once it answers. */
  async #ownCarrier(tell: (state: Omit<AgentState, 'name'>) => void): Promise<Carrier | undefined> {
    let installation: FleetInstallation | undefined
    const refused = (error: ServiceError): void => tell({ leased: false, error: `${error.code}: ${error.message}` })
    await this.#again(
      async () => {
        installation = JSON.parse(await this.#client.text('/installation')) as FleetInstallation
        return 0
      },
      refused,
      () => installation === undefined,
    )
    if (installation === undefined) return undefined
    if (installation.compute === 'simulated') return new SimulatedCarrier()
    // Neither a host of VMs without guests nor the server, which loads this module too, uses QEMU here.
    const { GuestCarrier } = await import('./guests/guest-carrier.ts')
    const [identity, client] = [() => this.#identity, () => this.#client]
    const { directory, clock, logger } = { directory: this.#directory, clock: this.#clock, logger: this.#logger }
    return await GuestCarrier.open({ directory, installation, identity, client, clock, logger })
  }

  /**
   * Powers the guests off properly and then stops. The lease is renewed meanwhile: what guests write last needs it.
   * Afterwards it expires, and the VMs start elsewhere, unless this host has started again by then.
   */
  async shutDown(): Promise<void> {
    await this.#carrier?.shutDown?.()
    await this.stop()
  }

  /** Ends everything at once, like a host that is lost. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#client.close()
    this.#wake()
    await this.#running?.catch(() => {})
  }

  /** Self-fence: what runs without a lease may also run elsewhere. */
  #endAll(): void {
    this.#carrier?.endAll()
    this.#revision = undefined
    this.#told.clear()
  }

  async #beats(tell: (state: Omit<AgentState, 'name'>) => void, carrier: Carrier): Promise<void> {
    await this.#again(
      async () => {
        const sentAt = this.#lease.sentAt
        const asked: BeatRequest = this.#revision === undefined ? {} : { revision: this.#revision }
        const {
          leaseSeconds,
          revision,
          carry,
          calls = [],
        } = await this.#client.post<BeatAnswer>('/beat', asked, beatMs)
        this.#lease.renewed(sentAt, leaseSeconds)
        // An answer that arrives too late renews no lease, nor does one to a question from before its end.
        if (this.#lease.isOver || asked.revision !== this.#revision) return leastPauseMs
        if (carry !== undefined) {
          carrier.carry(carry)
          this.#revision = revision
        }
        for (const call of calls) void this.#answer(carrier, call)
        tell({ leased: true })
        await this.#renewCertificate()
        return leastPauseMs
      },
      (error) => tell({ leased: false, error: `${error.code}: ${error.message}` }),
    )
  }

  async #answer(carrier: Carrier, call: HostCall): Promise<void> {
    try {
      const answer = await carrier.answer?.(call)
      if (answer !== undefined) await this.#client.post('/answer', { id: call.id, ...answer }, reportMs)
    } catch (error) {
      this.#logger.warn({ err: error }, 'a call of the control plane was not answered')
    }
  }

  async #reports(carrier: Carrier): Promise<void> {
    await this.#again(async () => {
      const vms = this.#untold(carrier)
      if (vms.length === 0) {
        await new Promise<void>((done) => (this.#wake = done))
        return 0
      }
      const { over } = await this.#client.post<ReportAnswer>('/report', { vms } satisfies VmsReport, reportMs)
      for (const vm of vms) this.#told.set(vm.vmId, JSON.stringify(vm))
      // The next beat returns what to carry instead.
      if (over.length > 0) this.#logger.info({ over }, 'VMs that are placed elsewhere')
      return 0
    })
  }

  #untold(carrier: Carrier): VmReport[] {
    const reports = carrier.reports()
    return reports.filter((vm) => this.#told.get(vm.vmId) !== JSON.stringify(vm))
  }

  /** Runs `work` until the agent is stopped, with the pause it returns; refusals and lost connections are retried. */
  async #again(
    work: () => Promise<number>,
    onRefused: (error: ServiceError) => void = () => {},
    goesOn: () => boolean = () => true,
  ): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted && goesOn()) {
      let pauseMs = retryMs
      try {
        pauseMs = await work()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof ServiceError)) throw error
        this.#logger.warn({ code: error.code, message: error.message }, 'the control plane did not accept a call')
        onRefused(error)
      }
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal })
    }
  }

  /** After two thirds of its validity; for the same key. */
  async #renewCertificate(): Promise<void> {
    const { validFromDate, validToDate } = new X509Certificate(this.#identity.certificate)
    const [from, to] = [validFromDate.getTime(), validToDate.getTime()]
    if (this.#clock.now().getTime() < from + ((to - from) * 2) / 3) return
    const { certificate } = await this.#client.post<HostCertificate>('/certificate', {})
    this.#identity = { ...this.#identity, certificate }
    await keepIdentity(this.#directory, this.#identity)
    const before = this.#client
    this.#client = clientOf(this.#identity)
    before.close()
    this.#logger.info('the certificate was renewed')
  }
}

const clientOf = (identity: HostIdentity): FleetClient =>
  FleetClient.under({ address: identity.address, authority: identity.authority, identity })
