import { setTimeout as sleep } from 'node:timers/promises'
import { open, type FileHandle } from 'node:fs/promises'
import { startProgram, type OwnedProcess } from '@strongroom/platform'
import { machineArguments, type MachineOptions } from './arguments.ts'
import { Qmp } from './qmp.ts'

/** Why a guest does not run any more. `reboot`: it asked for one. */
export type GuestEnd =
  | { kind: 'powerOff' }
  | { kind: 'reboot' }
  | { kind: 'crash'; code: number | null; signal: string | null; said: string }

/** One QEMU, in a session of its own, that dies with the server. After a power-off or reboot it stays, paused, until `kill`. */
export class VmProcess {
  readonly process: OwnedProcess
  /** Settles once. */
  readonly ended: Promise<GuestEnd>
  readonly #qmp: Qmp

  private constructor(process: OwnedProcess, qmp: Qmp, ended: Promise<GuestEnd>) {
    this.process = process
    this.#qmp = qmp
    this.ended = ended
  }

  /** @param o.errorLog file that QEMU's own complaints go to */
  static async start(o: { machine: MachineOptions; errorLog: string }): Promise<VmProcess> {
    const log = await open(o.errorLog, 'w+', 0o600)
    let process: OwnedProcess
    try {
      process = startProgram({
        command: 'qemu-system-x86_64',
        args: machineArguments(o.machine),
        stdio: ['ignore', log.fd, log.fd],
        newSession: true,
        noNewPrivileges: true,
        dieWithParent: true,
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
    const listener = ({ event, data }: { event: string; data?: Record<string, unknown> }): void => {
      if (event === 'SHUTDOWN') settle({ kind: data?.['reason'] === 'guest-reset' ? 'reboot' : 'powerOff' })
      if (event === 'GUEST_PANICKED') settle({ kind: 'powerOff' })
    }
    let qmp: Qmp
    try {
      qmp = await Qmp.connect({ path: o.machine.qmpSocket, listener, gaveUp: () => gone })
    } catch (error) {
      process.kill('SIGKILL')
      if (!gone) throw error
      // The caller hears of it by `ended`, with what QEMU said.
      throw new QemuEnded(await ended)
    }
    return new VmProcess(process, qmp, ended)
  }

  /** Asks the guest by ACPI and waits; false when it did not power off in time. */
  async powerDown(limitMs: number): Promise<boolean> {
    await this.#qmp.execute('system_powerdown').catch(() => {})
    const stop = new AbortController()
    const late = sleep(limitMs, 'late' as const, { signal: stop.signal }).catch(() => 'late' as const)
    const result = await Promise.race([this.ended, late])
    stop.abort()
    return result !== 'late'
  }

  /** Pulls the plug. QEMU is not asked to quit: it would end the TPM as well. */
  async kill(): Promise<void> {
    this.#qmp.close()
    this.process.kill('SIGKILL')
    await this.process.exited
  }
}

export class QemuEnded extends Error {
  readonly end: GuestEnd

  constructor(end: GuestEnd) {
    super('QEMU ended before it could be spoken to')
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
