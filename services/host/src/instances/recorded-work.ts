import type { PowerState } from '@strongroom/contract'
import type { Logger } from '@strongroom/platform'
import { beingDeleted, describeFailure, notProvisioned, notStopped } from '../records/errors.ts'
import { beginStep, endStep, setPower, type InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

/** A VM's stored record, and its work, one piece at a time. */
export class RecordedWork {
  readonly record: InstanceRecord
  readonly logger: Logger
  readonly #services: Pick<HostServices, 'store' | 'clock'>
  #queue: Promise<void> = Promise.resolve()
  #removed = false

  constructor(services: Pick<HostServices, 'store' | 'clock'>, record: InstanceRecord, logger: Logger) {
    this.#services = services
    this.record = record
    this.logger = logger
  }

  get isDeleted(): boolean {
    return this.record.desired === 'deleted'
  }

  /** The VM is gone, including its record. */
  get removed(): boolean {
    return this.#removed
  }

  /** Resolves when all work queued so far is done. Never rejects. */
  get idle(): Promise<void> {
    return this.#queue
  }

  async save(): Promise<void> {
    if (!this.#removed) await this.#services.store.save(this.record)
  }

  /** Stops recording: the VM belongs to another host. */
  leave(): void {
    this.#removed = true
  }

  /** Deletes the record; nothing more is written to it. */
  async forget(): Promise<void> {
    await this.#services.store.remove(this.record.spec.vmId)
    this.#removed = true
  }

  async power(state: PowerState, error?: unknown): Promise<void> {
    const failure = error === undefined ? undefined : describeFailure(error, this.logger)
    setPower(this.record, state, this.now(), failure)
    await this.save()
  }

  /** The next step of the boot in progress. */
  beginStep(name: string): void {
    beginStep(this.record.power.steps, name, this.now())
    void this.save().catch((error: unknown) => this.logger.error({ err: error }, 'a record was not written'))
  }

  endStep(): void {
    endStep(this.record.power.steps, this.now())
  }

  /** Failed work marks the VM as failed. */
  enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).catch(async (error: unknown) => {
      this.logger.error({ err: error }, 'work on a VM failed')
      await this.power('Failed', error).catch(() => {})
    })
  }

  /** Awaited work, after everything requested of the VM before. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.requireExisting()
    const done = this.#queue.then(work)
    this.#queue = done.then(
      () => {},
      () => {},
    )
    return await done
  }

  /** Works on disk and guest state at rest; other requests for the VM wait. @throws ServiceError InstanceNotStopped */
  async whileOff<T>(work: () => Promise<T>): Promise<T> {
    return await this.inTurn(async () => {
      this.requireStopped()
      return await work()
    })
  }

  /** @throws ServiceError InstanceDeleting, InstanceNotStopped */
  requireStopped(): void {
    this.requireExisting()
    const { state } = this.record.power
    if (!['Stopped', 'Failed'].includes(state)) throw notStopped(state)
  }

  /** @throws ServiceError InstanceDeleting */
  requireExisting(): void {
    if (this.isDeleted) throw beingDeleted()
  }

  /** @throws ServiceError InstanceNotProvisioned */
  requireProvisioned(): void {
    if (this.record.provisioning.state !== 'Succeeded') throw notProvisioned(this.record)
  }

  now(): Date {
    return this.#services.clock.now()
  }
}
