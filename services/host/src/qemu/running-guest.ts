import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyBootEvidence } from '@strongroom/contract'
import { type Logger, ServiceError } from '@strongroom/platform'
import type { MachineOptions } from './arguments.ts'
import type { DiskPlace } from '../disks/disk-driver.ts'
import type { ScsiDisk } from './scsi-disks.ts'
import { QemuEnded, VmProcess, type GuestEnd } from './vm-process.ts'
import type { CapturedDisk } from './disk-capture.ts'
import { readRegistersAfterGuest, stopSwtpm, vtpmEnded, type Swtpm } from '@strongroom/paravisor/tpm'
import { WriteBack, type GuestFiles, type PoweredState, type ReportOnUserData } from '@strongroom/paravisor'
import type { Closable, DiskDoors } from '../disks/disk-doors.ts'

/** A powered-on guest with everything that belongs to it. `stop` ends everything and leaves only the encrypted guest state. */
export class RunningGuest {
  readonly evidence: AnyBootEvidence | undefined
  /** Settles once. */
  readonly ended: Promise<GuestEnd>
  readonly #opened: PoweredState
  readonly #vm: VmProcess
  readonly #writeBack: WriteBack
  /** Where it runs, and as which user. */
  readonly place: DiskPlace
  readonly #doors: DiskDoors
  readonly #endpoints: Closable[]
  readonly #logger: Logger
  #stopped: Promise<void> | undefined

  private constructor(o: {
    opened: PoweredState
    vm: VmProcess
    writeBack: WriteBack
    runtimeDir: string
    user: number | undefined
    diskDoors: DiskDoors
    endpoints: Closable[]
    logger: Logger
  }) {
    this.evidence = o.opened.evidence
    this.#opened = o.opened
    this.#vm = o.vm
    this.#writeBack = o.writeBack
    this.place = { runtimeDir: o.runtimeDir, user: o.user }
    this.#doors = o.diskDoors
    this.#endpoints = o.endpoints
    this.#logger = o.logger
    // A guest that lost its vTPM is no longer the one that was started.
    void o.opened.tpm?.process.exited.then(() => {
      if (this.#stopped === undefined) this.#vm.process.kill('SIGKILL')
    })
    this.ended = o.vm.ended.then(async (end) => (this.#stopped === undefined ? await cause(end, o.opened.tpm) : end))
  }

  /**
   * Takes ownership of what was opened, even on failure.
   * @throws ServiceError GuestDidNotStart, VtpmEnded, FirmwareExchanged, VariablesExchanged
   */
  static async powerOn(o: {
    opened: PoweredState
    machine: MachineOptions
    runtimeDir: string
    /** QEMU's user. */
    user: number | undefined
    /** To its data disks. */
    diskDoors: DiskDoors
    /** Closed once it has ended. */
    endpoints: Closable[]
    errorLog: string
    logger: Logger
  }): Promise<RunningGuest> {
    const { opened } = o
    let vm: VmProcess | undefined
    const readVariables = async (): Promise<Buffer | undefined> => await vm?.variables()
    const writeBack = new WriteBack({ state: opened.state, ...opened.files, readVariables, logger: o.logger })
    writeBack.start()
    try {
      const { machine, errorLog, user } = o
      vm = await VmProcess.start({ machine, errorLog, user, admit: opened.admit })
      return new RunningGuest({ ...o, vm, writeBack })
    } catch (error) {
      const end = error instanceof QemuEnded ? await cause(error.end, opened.tpm) : undefined
      try {
        if (opened.tpm !== undefined) await stopSwtpm(opened.tpm)
        await writeBack.stop()
      } finally {
        await opened.state.close()
      }
      if (end?.kind !== 'crash' && end?.kind !== 'vtpmEnded') throw error
      throw guestEnded(end, 'before the guest was ready')
    }
  }

  get processes(): { qemu: number; swtpm?: number } {
    const { tpm } = this.#opened
    return { qemu: this.#vm.process.pid, ...(tpm !== undefined && { swtpm: tpm.process.pid }) }
  }

  /** See VmProcess. */
  get waitsForRoom(): boolean {
    return this.#vm.waitsForRoom
  }

  /** @param door closed once the disk is unplugged, or if it cannot be plugged */
  async plug(disk: ScsiDisk, door: Closable): Promise<void> {
    this.#doors.add(disk.lun, door)
    try {
      await this.#vm.plug(disk)
    } catch (error) {
      await this.#doors.shut(disk.lun)
      throw error
    }
  }

  async unplug(lun: number): Promise<void> {
    await this.#vm.unplug(lun)
    await this.#doors.shut(lun)
  }

  async resize(lun: number, bytes: number): Promise<void> {
    await this.#vm.resize(lun, bytes)
  }

  /** Copies disks, and the matching parts of the guest state, as of one moment. @throws Error */
  async capture(
    disks: CapturedDisk[],
    signal: AbortSignal,
  ): Promise<GuestFiles & { variableRecord?: Buffer; generation: number; copiedBytes: number; incremental: boolean }> {
    let files: GuestFiles | undefined
    const atMoment = async (): Promise<void> => void (files = await this.#writeBack.read())
    const copied = await this.#vm.capture(disks, { atMoment, signal })
    if (files === undefined) throw new TypeError('the guest state is read before the guest goes on')
    const { state } = this.#opened
    const variableRecord = state.variableRecord?.()
    return { ...copied, ...files, ...(variableRecord && { variableRecord }), generation: state.generation ?? 0 }
  }

  /** See OpenedGuest. */
  get report(): ReportOnUserData | undefined {
    return this.#opened.report
  }

  /** False if the guest did not power off in time. */
  async powerDown(limitMs: number): Promise<boolean> {
    return await this.#vm.powerDown(limitMs)
  }

  /** Powers off hard and writes nothing: the VM is another host's. Removes everything in clear, like `stop`. */
  async discard(): Promise<void> {
    this.#stopped ??= (async () => {
      await this.#vm.kill()
      const { tpm } = this.#opened
      if (tpm !== undefined) await stopSwtpm(tpm)
      await this.#writeBack.abandon()
      await this.#opened.state.close().catch(() => {})
      for (const endpoint of this.#endpoints) await endpoint.close()
      await rm(this.place.runtimeDir, { recursive: true, force: true })
    })()
    await this.#stopped
  }

  /** SHA-256 registers as the guest left them. Powers off hard; call `stop` afterwards. Undefined if unavailable. */
  async registers(): Promise<Record<string, string> | undefined> {
    await this.#vm.kill()
    const { tpm } = this.#opened
    return tpm && (await readRegistersAfterGuest(tpm, this.place.runtimeDir).catch(() => undefined))
  }

  /**
   * Powers off hard, writes pending changes back, ends the vTPM, and removes everything in clear. Idempotent.
   * @throws ServiceError GuestStateExchanged, afterwards: the guest state was kept beside the file that the host put
   * there
   */
  async stop(): Promise<void> {
    this.#stopped ??= (async () => {
      await this.#vm.kill()
      const { tpm } = this.#opened
      if (tpm !== undefined) await stopSwtpm(tpm)
      try {
        await this.#writeBack.stop()
        await this.#opened.retire().catch((error: unknown) => {
          this.#logger.warn({ err: error }, 'the generation of the guest state was not incremented at this stop')
        })
      } finally {
        try {
          await this.#opened.state.close()
        } finally {
          for (const endpoint of this.#endpoints) await endpoint.close()
          await rm(this.place.runtimeDir, { recursive: true, force: true })
        }
      }
    })()
    await this.#stopped
  }
}

/** A QEMU that ended is not the cause if its vTPM ended too: each is killed with the other, and QEMU leaves its vTPM running. */
async function cause(end: GuestEnd, tpm: Swtpm | undefined): Promise<GuestEnd> {
  if (end.kind !== 'crash' || tpm === undefined) return end
  // Two processes' ends are reported in any order.
  const gone = await Promise.race([tpm.process.exited, sleep(100, undefined, { ref: false })])
  return gone === undefined ? end : { kind: 'vtpmEnded', ...gone }
}

/** An unexpected end, as an error for the instance view. */
export function guestEnded(
  end: Extract<GuestEnd, { kind: 'crash' | 'vtpmEnded' }>,
  when: 'before the guest was ready' | 'while the guest ran',
): ServiceError {
  const how = end.signal ?? `exit code ${end.code}`
  if (end.kind === 'vtpmEnded') return vtpmEnded({ when, found: `swtpm: ${how}` })
  const said = end.said.split('\n').slice(-2).join(' | ')
  return new ServiceError({
    code: when === 'while the guest ran' ? 'GuestEnded' : 'GuestDidNotStart',
    message: `QEMU ended ${when}${said === '' ? '.' : `: ${said}`}`,
    expected: 'a running guest',
    found: how,
    remedy: 'Check the VM’s qemu.log and serial.log, then start it again.',
  })
}
