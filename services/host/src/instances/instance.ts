import {
  isOrdinary,
  type AnySpec,
  type AttachedDisk,
  type AnyBootEvidence,
  type CommandStatus,
  type CustomerKey,
  type InstancePatch,
  type InstanceStatus,
} from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { guestEnded } from '../qemu/running-guest.ts'
import { CommandQueue } from '../network/command-queue.ts'
import { adoptChanges } from './adopt.ts'
import { boot, rewrapGuestState, type Booted } from './boot.ts'
import { afterFailedBoot } from './boot-failure.ts'
import { awaitBoot, type BootOutcome } from './boot-watch.ts'
import type { ChangeAtRest } from './change-at-rest.ts'
import { currentBoot, recordBoot, runningWork, type Current, type RunningWork } from './current-boot.ts'
import { placeDataDisks } from './data-disks.ts'
import { deferred } from './deferred.ts'
import { notProvisioned, notReady, withoutCustomerKey } from '../records/errors.ts'
import { removeTraces, sweepRuntime, vmFiles, type VmFiles } from '../records/layout.ts'
import { noRoom, powerDownLimitMs, rebootLimit } from './limits.ts'
import { applyPatch, newRecord, setPower, toStatus, type InstanceRecord } from '../records/record.ts'
import { provisionRecorded } from './recorded-provisioning.ts'
import { RecordedWork } from './recorded-work.ts'
import type { HostServices } from './services.ts'

/**
 * One VM of this host: its record, its work one piece at a time, and its running guest. Requests are recorded before
 * they are executed, so that a killed server finishes them at its next start.
 */
export class Instance {
  readonly #services: HostServices
  readonly #work: RecordedWork
  readonly #files: VmFiles
  /** Of the running boot. */
  #commands: CommandQueue
  /** Aborts the boot in progress. */
  #abort = new AbortController()
  /** Aborts provisioning, which a stop does not. */
  readonly #discard = new AbortController()
  #current: Current | undefined
  #reboots = 0
  /** Outcome of the previous boot, which this one automatically follows. */
  readonly #follows: string[] = []
  /** Disks about to be attached, besides those in the record. */
  #claimed: string[] = []
  #closing = false

  constructor(services: HostServices, record: InstanceRecord) {
    this.#services = services
    this.#files = vmFiles(services.stateDir, record.spec.vmId)
    this.#commands = new CommandQueue(services.clock)
    this.#work = new RecordedWork(services, record, services.logger.child({ vmId: record.spec.vmId }))
  }

  static async create(services: HostServices, spec: AnySpec): Promise<Instance> {
    const instance = new Instance(services, newRecord(spec, services.clock.now()))
    await instance.#work.save()
    instance.#work.enqueue(() => instance.#provision())
    return instance
  }

  /** Resumes the VM in the state that an earlier server left. */
  async resume(): Promise<void> {
    await sweepRuntime(this.spec.vmId)
    const record = this.#work.record
    if (record.desired === 'deleted') {
      this.#work.enqueue(() => this.#destroy())
      return
    }
    if (this.#services.keepVmsOff === true) record.desired = 'stopped'
    await adoptChanges(this.#recorded)
    if (!['Stopped', 'Failed'].includes(record.power.state)) setPower(record, 'Stopped', this.#work.now())
    await this.#work.save()
    if (record.provisioning.state === 'Running') this.#work.enqueue(() => this.#provision())
    if (record.desired === 'running') await this.start()
  }

  get spec(): AnySpec {
    return this.#work.record.spec
  }

  get #recorded(): Pick<ChangeAtRest, 'record' | 'files' | 'save'> {
    return { record: this.#work.record, files: this.#files, save: () => this.#work.save() }
  }

  get removed(): boolean {
    return this.#work.removed
  }

  get serialLog(): string {
    return this.#files.serialLog
  }

  status(): InstanceStatus {
    const { guest, health } = this.#current ?? {}
    const status = toStatus(this.#work.record, guest?.processes, this.#commands.bootNumber)
    const notices = [...(guest?.waitsForRoom === true ? [noRoom] : []), ...status.notices]
    return structuredClone({ ...status, notices, ...(health && { guest: health }) })
  }

  evidence(): Promise<AnyBootEvidence | undefined> {
    return this.#services.store.evidence(this.spec.vmId)
  }

  /** What the agent of the running guest fetches. @throws ServiceError InstanceNotReady */
  agent(): CommandQueue {
    if (this.#work.record.power.state !== 'Ready') throw notReady(this.#work.record.power.state)
    return this.#commands
  }

  findCommand(id: string): CommandStatus | undefined {
    return this.#commands.find(id)
  }

  /** Retries a failed provisioning; otherwise does nothing. */
  async provisionAgain(): Promise<void> {
    if (this.#work.record.provisioning.state !== 'Failed') return
    this.#work.record.provisioning = { state: 'Running', steps: [] }
    await this.#work.save()
    this.#work.enqueue(() => this.#provision())
  }

  async start(): Promise<void> {
    this.#work.requireExisting()
    if (this.#work.record.provisioning.state === 'Failed') throw notProvisioned(this.#work.record)
    this.#work.record.desired = 'running'
    if (['Starting', 'Booting', 'Ready'].includes(this.#work.record.power.state)) return
    this.#abort = new AbortController()
    this.#reboots = 0
    await this.#work.power('Starting')
    this.#work.enqueue(() => this.#boot())
  }

  async stop(graceful: boolean): Promise<void> {
    this.#work.requireExisting()
    this.#work.record.desired = 'stopped'
    if (this.#work.record.power.state === 'Stopped') return await this.#work.save()
    this.#abort.abort()
    if (this.#work.record.power.state !== 'Stopping') await this.#work.power('Stopping')
    this.#work.enqueue(async () => {
      await this.#halt(graceful)
      if (this.#work.record.desired === 'stopped') await this.#work.power('Stopped')
    })
  }

  async restart(): Promise<void> {
    this.#work.requireExisting()
    if (this.#work.record.power.state === 'Starting') return
    this.#work.record.desired = 'running'
    this.#abort.abort()
    this.#abort = new AbortController()
    this.#reboots = 0
    await this.#work.power('Starting')
    this.#work.enqueue(async () => {
      await this.#halt(true)
      await this.#boot()
    })
  }

  /** Works on disk and guest state at rest; other requests for the VM wait. @throws ServiceError InstanceNotStopped */
  async whileOff<T>(work: (record: InstanceRecord, files: VmFiles) => Promise<T>): Promise<T> {
    return await this.#work.whileOff(async () => {
      await adoptChanges(this.#recorded)
      return await work(this.#work.record, this.#files)
    })
  }

  /** Runs a task on the running guest, in turn; a requested stop aborts it. @throws ServiceError InstanceNotReady */
  async withGuest<T>(work: (o: RunningWork) => Promise<T>): Promise<T> {
    const running = (): RunningWork => runningWork(this.#work.record, this.#files, this.#current, this.#abort.signal)
    return await this.#work.inTurn(async () => await work(running()))
  }

  async patch(patch: InstancePatch): Promise<void> {
    // The next boot reads updates of Secure Boot variables, and nothing of this one does.
    if (patch.secureBootUpdates === undefined || Object.keys(patch).length > 1) this.#work.requireStopped()
    applyPatch(this.#work.record, patch)
    await this.#work.save()
  }

  /** Whether the data disk is attached to it, or about to be. */
  holds(disk: string): boolean {
    return this.#claimed.includes(disk) || (this.#work.record.dataDisks ?? []).some((each) => each.disk === disk)
  }

  /** Attaches exactly these data disks, also while running. They count as held from the call on. */
  async setDataDisks(disks: AttachedDisk[]): Promise<void> {
    const claims = disks.map(({ disk }) => disk)
    this.#claimed.push(...claims)
    const { record } = this.#work
    const save = (): Promise<void> => this.#work.save()
    try {
      await this.#work.inTurn(async () => {
        this.#work.requireExisting()
        await placeDataDisks({ services: this.#services, record, guest: this.#current?.guest, save }, disks)
      })
    } finally {
      for (const claim of claims) this.#claimed.splice(this.#claimed.indexOf(claim), 1)
    }
  }

  /** Rewraps the guest state under the first of the keys. Both keys are recorded first, for a boot in between. */
  async rewrap(customerKey: CustomerKey): Promise<void> {
    this.#work.requireStopped()
    this.#work.requireProvisioned()
    const { spec } = this
    if (isOrdinary(spec) || spec.customerKey === undefined) throw withoutCustomerKey(spec)
    spec.customerKey = customerKey
    await this.#work.save()
    const [services, { signal }] = [this.#services, this.#discard]
    await this.whileOff(async (record, files) => {
      record.wrappedBy = await rewrapGuestState({ services, record, files, signal })
      await this.#work.save()
    })
  }

  /** Changes disk and guest state of a VM that is off. @param doing for the log */
  async changeAtRest(doing: string, work: (o: ChangeAtRest) => Promise<void>): Promise<void> {
    this.#work.requireStopped()
    this.#work.requireProvisioned()
    const [services, { signal }] = [this.#services, this.#discard]
    const step = (name: string): void => this.#work.logger.info({ step: name }, doing)
    await this.whileOff(async () => await work({ ...this.#recorded, services, step, signal }))
  }

  /** Destroys disk, guest state and vTPM; resolves when everything is gone. */
  async remove(): Promise<void> {
    if (this.#work.removed) return
    this.#work.record.desired = 'deleted'
    await this.#work.save()
    this.#abort.abort()
    this.#discard.abort()
    this.#work.enqueue(() => this.#destroy())
    await this.#work.idle
  }

  /** The host's program ends: the guest is powered off, and booted again at the next start if requested. */
  async close(): Promise<void> {
    this.#closing = true
    this.#abort.abort()
    this.#discard.abort()
    this.#work.enqueue(async () => {
      if (this.#current !== undefined) await this.#work.power('Stopping')
      await this.#halt(true)
      // Not as `Stopped`, which nobody asked for.
      await this.#work.save()
    })
    await this.#work.idle
  }

  /** The VM belongs to another host: whatever runs here ends at once without writing anything to its disk or guest state. */
  async discard(): Promise<void> {
    this.#closing = true
    this.#abort.abort()
    this.#discard.abort()
    this.#work.leave()
    // Stops what runs without waiting for work in progress, which may wait for an unresponsive control plane.
    await this.#halt(false, 'discard')
    this.#work.enqueue(async () => {
      await this.#halt(false, 'discard')
      await removeTraces(this.spec.vmId, this.#files)
    })
    await this.#work.idle
  }

  async #provision(): Promise<void> {
    await provisionRecorded({
      services: this.#services,
      work: this.#work,
      files: this.#files,
      signal: this.#discard.signal,
      closing: () => this.#closing,
    })
  }

  async #boot(): Promise<void> {
    const record = this.#work.record
    if (record.desired !== 'running' || this.#closing || this.#current !== undefined) return
    if (record.provisioning.state !== 'Succeeded') {
      record.desired = 'stopped'
      return await this.#work.power('Failed', notProvisioned(record))
    }
    if (this.#services.keepVmsOff === true) record.desired = 'stopped'
    await adoptChanges(this.#recorded)
    const { signal } = this.#abort
    const ready = deferred<void>()
    const refused = deferred<ServiceError>()
    await this.#work.power('Starting')
    this.#commands = new CommandQueue(this.#services.clock)
    let booted: Booted
    try {
      booted = await boot({
        services: this.#services,
        record,
        files: this.#files,
        signal,
        commands: this.#commands,
        step: (name) => this.#work.beginStep(name),
        onReady: async (evidence) => {
          if (evidence !== undefined) await this.#services.store.saveEvidence(this.spec.vmId, evidence)
          ready.resolve(undefined)
        },
        onRefused: refused.resolve,
        onHealth: (health) => {
          if (this.#current !== undefined) this.#current.health = health
        },
      })
    } catch (error) {
      this.#work.endStep()
      if (signal.aborted) return
      record.desired = 'stopped'
      return await this.#work.power('Failed', error)
    }
    recordBoot(record, booted, this.#follows.splice(0))
    const current = currentBoot(booted, { ready, refused })
    this.#current = current
    const { evidence } = booted.guest
    if (evidence !== undefined) await this.#services.store.saveEvidence(this.spec.vmId, evidence)
    this.#work.beginStep('Firmware, kernel, disk')
    await this.#work.power('Booting')
    void this.#watch(current)
  }

  /** Watches a guest until it has ended; every change goes through the queue. */
  async #watch(current: Current): Promise<void> {
    const outcome = await awaitBoot({
      ended: current.guest.ended,
      ready: current.ready.promise,
      refused: current.refused.promise,
      console: current.console,
      acceleration: current.acceleration,
      // Once: a guest without a serial console then has the whole limit. Under KVM that is a minute, so nothing is lost.
      silenceExcused: () => this.#reboots > 0 || current.acceleration === 'kvm' || current.guest.waitsForRoom,
      ...(this.#services.bootLimitSeconds !== undefined && { limitSeconds: this.#services.bootLimitSeconds }),
    })
    this.#work.enqueue(async () => {
      if (this.#current !== current || this.#work.record.power.state !== 'Booting') return
      if (outcome.kind !== 'ready') return await this.#bootFailed(current, outcome)
      this.#work.endStep()
      this.#reboots = 0
      current.reported = true
      await this.#work.power('Ready')
    })
    const end = await current.guest.ended
    this.#work.enqueue(async () => {
      if (this.#current !== current || this.#work.record.power.state !== 'Ready' || this.#closing) return
      await this.#halt(false)
      if (end.kind === 'reboot') {
        await this.#work.power('Starting')
        return await this.#boot()
      }
      this.#work.record.desired = 'stopped'
      const wanted = end.kind === 'powerOff'
      await this.#work.power(wanted ? 'Stopped' : 'Failed', wanted ? undefined : guestEnded(end, 'while the guest ran'))
    })
  }

  async #bootFailed(current: Current, outcome: Exclude<BootOutcome, { kind: 'ready' }>): Promise<void> {
    this.#work.endStep()
    const failed = { outcome, current, record: this.#work.record, mayRepeat: this.#reboots < rebootLimit }
    const { again, notice, error } = await afterFailedBoot(failed)
    await this.#halt(false)
    if (!again) {
      this.#work.record.desired = 'stopped'
      return await this.#work.power('Failed', error)
    }
    this.#work.logger.warn({ err: error }, 'a boot that did not come up is followed by another')
    if (notice !== undefined) this.#follows.push(notice)
    this.#reboots += 1
    await this.#work.power('Starting')
    await this.#boot()
  }

  async #halt(graceful: boolean, end: 'stop' | 'discard' = 'stop'): Promise<void> {
    const current = this.#current
    if (current === undefined) return
    this.#commands.close()
    if (graceful && current.reported) await current.guest.powerDown(powerDownLimitMs[current.acceleration])
    try {
      await current.guest[end]()
    } finally {
      // Even if the state could not be written back, the guest no longer runs.
      this.#current = undefined
    }
  }

  async #destroy(): Promise<void> {
    await this.#halt(false).catch((error: unknown) => {
      this.#work.logger.warn({ err: error }, 'a deleted guest left its state unwritten')
    })
    await removeTraces(this.spec.vmId, this.#files)
    await this.#work.forget()
  }
}
