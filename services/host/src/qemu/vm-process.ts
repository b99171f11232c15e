import { setTimeout as sleep } from 'node:timers/promises'
import { open, stat, type FileHandle } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { ServiceError, type OwnedProcess } from '@strongroom/platform'
import { readForeignFile } from '@strongroom/paravisor/tpm'
import { machineArguments, type MachineOptions } from './arguments.ts'
import { fdSetOf } from './descriptors.ts'
import { DiskCapture, type CapturedDisk } from './disk-capture.ts'
import { FullDisk } from './full-disk.ts'
import { handMachine } from './handed-files.ts'
import { launchQemu } from './launch.ts'
import { mappedVariables, type FlashBytes, type PausedMachine } from '@strongroom/paravisor/expected'
import { Qmp, type QmpEvent } from './qmp.ts'
import { pausedMachine } from './paused-machine.ts'
import { deviceOf, plugCommands, type ScsiDisk } from './scsi-disks.ts'

/** How long QEMU may take to remove a device. A SCSI disk needs no reaction from the guest. */
const unplugLimitMs = 20_000

/** How long QEMU may take to exit after closing its control channel. */
const endLimitMs = 2_000
/** How long QEMU may take to stop the guest and show its variables: it answers at once, on a busy machine too. */
const stopLimitMs = 20_000
const pressEveryMs = 5000

/** Why a guest no longer runs. `reboot`: it requested one. */
export type GuestEnd =
  | { kind: 'powerOff' }
  | { kind: 'reboot' }
  | { kind: 'crash'; code: number | null; signal: string | null; said: string }
  | { kind: 'vtpmEnded'; code: number | null; signal: string | null }

type Listeners = Set<(device: unknown) => void>

/** One QEMU, in a separate session, that dies with the server. After a power-off or reboot it stays paused until `kill`. */
export class VmProcess {
  readonly process: OwnedProcess
  /** Settles once. */
  readonly ended: Promise<GuestEnd>
  readonly #qmp: Qmp
  /** Called with the device that QEMU has removed. */
  readonly #deleted: Listeners
  readonly #fullDisk: FullDisk
  readonly #capture: DiskCapture
  readonly #flash: FlashBytes
  readonly #writtenVariables: () => Promise<Buffer>
  #lastVariables: Buffer | undefined
  /** It closed its control channel. */
  #gone = false

  private constructor(o: {
    process: OwnedProcess
    qmp: Qmp
    ended: Promise<GuestEnd>
    deleted: Listeners
    fullDisk: FullDisk
    capture: DiskCapture
    flash: FlashBytes
    variables: string
  }) {
    this.process = o.process
    this.#qmp = o.qmp
    this.ended = o.ended
    this.#deleted = o.deleted
    this.#fullDisk = o.fullDisk
    this.#capture = o.capture
    this.#flash = o.flash
    const most = o.flash.variables
    this.#writtenVariables = async () => await readForeignFile({ path: o.variables, user: undefined, most })
    void o.qmp.closed.then(() => (this.#gone = true))
  }

  /**
   * QEMU runs as the VM's own user, is passed its files open and opens none by name.
   * @param o.errorLog file for QEMU's messages
   * @param o.user number; default: this process's own
   * @param o.admit asked before the first instruction: the machine runs if it does not throw
   * @throws ServiceError FirmwareExchanged, VariablesExchanged
   */
  static async start(o: {
    machine: MachineOptions
    errorLog: string
    user: number | undefined
    admit?: ((machine: PausedMachine) => Promise<void>) | undefined
  }): Promise<VmProcess> {
    const flash = { firmware: (await stat(o.machine.firmware)).size, variables: (await stat(o.machine.variables)).size }
    const log = await open(o.errorLog, 'w+', 0o600)
    let process: OwnedProcess
    try {
      process = await launchQemu({
        user: o.user,
        log: log.fd,
        args: async (files) => machineArguments(await handMachine(files, o.machine)),
      })
    } catch (error) {
      await log.close()
      throw error
    }
    let gone = false
    let settle: (end: GuestEnd) => void = () => {}
    const ended = new Promise<GuestEnd>((resolve) => (settle = resolve))
    void process.exited.then(async ({ code, signal }) => {
      gone = true
      settle({ kind: 'crash', code, signal, said: await tail(log) })
      await log.close()
    })
    const deleted: Listeners = new Set()
    const fullDisk: FullDisk = new FullDisk(async () => await qmp.execute('cont'))
    const capture: DiskCapture = new DiskCapture(() => qmp)
    const listener = (told: QmpEvent): void => {
      const { event, data } = told
      fullDisk.hear(told)
      capture.hear(told)
      if (event === 'SHUTDOWN') settle({ kind: data?.['reason'] === 'guest-reset' ? 'reboot' : 'powerOff' })
      if (event === 'DEVICE_DELETED') deleted.forEach((heard) => heard(data?.['device']))
      if (event === 'GUEST_PANICKED') settle({ kind: 'powerOff' })
    }
    let qmp: Qmp
    try {
      qmp = await Qmp.begin({ socket: process.child.stdio[3] as Socket, listener })
      await o.admit?.(pausedMachine(qmp))
      await qmp.execute('cont')
    } catch (error) {
      if (error instanceof ServiceError) process.kill('SIGKILL')
      // QEMU closes its end just before it exits.
      await Promise.race([process.exited, sleep(endLimitMs, undefined, { ref: false })])
      process.kill('SIGKILL')
      if (!gone || error instanceof ServiceError) throw error
      // The caller learns it from `ended`, with QEMU's output.
      throw new QemuEnded(await ended)
    }
    return new VmProcess({ process, qmp, ended, deleted, fullDisk, capture, flash, variables: o.machine.variables })
  }

  /** A guest disk found no room on this machine: the guest is paused until there is. */
  get waitsForRoom(): boolean {
    return this.#fullDisk.waits
  }

  /**
   * Presses the guest's power button and waits; false if it did not power off in time. Nothing reacts before the
   * guest's login manager runs, so it is pressed repeatedly.
   */
  async powerDown(limitMs: number): Promise<boolean> {
    const stop = new AbortController()
    const late = sleep(limitMs, 'late' as const, { signal: stop.signal }).catch(() => 'late' as const)
    const press = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await this.#qmp.execute('system_powerdown').catch(() => {})
        await sleep(pressEveryMs, undefined, { signal: stop.signal }).catch(() => {})
      }
    }
    const pressing = press()
    const result = await Promise.race([this.ended, late])
    stop.abort()
    await pressing
    return result !== 'late'
  }

  /** Attaches a disk to the running guest, completely or not at all. */
  async plug(disk: ScsiDisk): Promise<void> {
    try {
      if (!disk.nbd) await this.#qmp.handFile(disk.path, fdSetOf(disk.lun))
      for (const [command, args] of plugCommands(disk)) await this.#qmp.execute(command, args)
    } catch (error) {
      await this.#removeNodes(disk.lun)
      throw error
    }
  }

  /** Removes a disk, whatever the guest does with it, and waits until QEMU has closed its file. */
  async unplug(lun: number): Promise<void> {
    const stop = new AbortController()
    let heard: (device: unknown) => void = () => {}
    const gone = new Promise<void>((resolve) => (heard = (device) => void (device === deviceOf(lun) && resolve())))
    this.#deleted.add(heard)
    try {
      await this.#qmp.execute('device_del', { id: deviceOf(lun) })
      const late = sleep(unplugLimitMs, 'late' as const, { signal: stop.signal }).catch(() => 'late' as const)
      if ((await Promise.race([gone, late])) === 'late') throw new Error(`QEMU has not detached LUN ${lun}`)
    } finally {
      stop.abort()
      this.#deleted.delete(heard)
    }
    await this.#removeNodes(lun)
  }

  /** See DiskCapture. */
  async capture(
    disks: CapturedDisk[],
    o: { atMoment(): Promise<void>; signal: AbortSignal },
  ): Promise<{ copiedBytes: number; incremental: boolean }> {
    return await this.#capture.run(disks, o)
  }

  async resize(lun: number, bytes: number): Promise<void> {
    this.#capture.forget(deviceOf(lun), { gone: false })
    await this.#qmp.execute('block_resize', { 'node-name': deviceOf(lun), size: bytes })
  }

  /** The file is closed once its nodes and its set are gone. */
  async #removeNodes(lun: number): Promise<void> {
    this.#capture.forget(deviceOf(lun), { gone: true })
    for (const node of [deviceOf(lun), `${deviceOf(lun)}-file`])
      await this.#qmp.execute('blockdev-del', { 'node-name': node }).catch(() => {})
    await this.#qmp.execute('remove-fd', { 'fdset-id': fdSetOf(lun) }).catch(() => {})
  }

  /** UEFI variables of the guest, as last read from the machine: after `kill`, as the guest left them. Undefined if they never were. */
  async variables(): Promise<Buffer | undefined> {
    try {
      const written = await this.#writtenVariables().catch(() => Buffer.alloc(0))
      this.#lastVariables = await mappedVariables(pausedMachine(this.#qmp), this.#flash, written)
    } catch (error) {
      if (!this.#gone) throw error
    }
    return this.#lastVariables
  }

  /** Powers off hard. QEMU is not asked to quit: that would end the TPM as well. */
  async kill(): Promise<void> {
    this.#fullDisk.close()
    const stopped = this.#qmp.execute('stop').then(async () => await this.variables())
    await Promise.race([stopped.catch(() => {}), this.process.exited, sleep(stopLimitMs, undefined, { ref: false })])
    this.#qmp.close()
    this.process.kill('SIGKILL')
    await this.process.exited
  }
}

export class QemuEnded extends Error {
  readonly end: GuestEnd

  constructor(end: GuestEnd) {
    super('QEMU exited before its control channel opened')
    this.name = 'QemuEnded'
    this.end = end
  }
}

async function tail(log: FileHandle): Promise<string> {
  const { size } = await log.stat()
  const length = Math.min(size, 1000)
  const bytes = Buffer.alloc(length)
  await log.read(bytes, 0, length, size - length)
  return bytes.toString('utf8').trim()
}
