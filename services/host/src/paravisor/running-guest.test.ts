import { existsSync } from 'node:fs'
import { copyFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger, freePort, memoryBackedDirectory, ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { giveUser } from '../confinement/vm-user.ts'
import { readSerialLog, SerialLog } from '../qemu/serial-log.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { startSwtpm } from '../tpm/swtpm.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { exchanged } from '../vmgs/exchanged.ts'
import { DiskDoors } from '../disks/disk-doors.ts'
import { guestEnded, RunningGuest } from './running-guest.ts'
import type { SavedState } from './write-back.ts'

const ovmf = '/usr/share/OVMF'
const programs = ['/usr/bin/qemu-system-x86_64', '/usr/bin/swtpm', `${ovmf}/OVMF_CODE_4M.secboot.fd`]
const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const logger = createLogger({ level: 'silent' })

let runtimeDir: string
let guest: RunningGuest | undefined
let saved: { tpm?: Buffer; variables?: Buffer }
let closed: number

beforeEach(async () => {
  runtimeDir = await memoryBackedDirectory('running-guest-test')
  saved = {}
  closed = 0
})
afterEach(async () => {
  await guest?.stop().catch(() => {})
  guest = undefined
  await rm(runtimeDir, { recursive: true, force: true })
})

const keeping = (close: () => void = () => {}): SavedState => ({
  save: async (changes) => void Object.assign(saved, changes),
  close: async () => {
    closed += 1
    close()
  },
})

/** In its firmware, with an empty disk. */
async function powerOn(
  state: SavedState,
  o: { before?(swtpm: number): void; console?: string; endpoints?: SerialLog[] } = {},
): Promise<RunningGuest> {
  const at = (name: string): string => join(runtimeDir, name)
  const { console = at('serial.log'), endpoints = [] } = o
  const user = await giveUser(runtimeDir, vmId)
  const directory = await TpmDirectory.make({ path: at('tpm'), user })
  await copyFile(`${ovmf}/OVMF_VARS_4M.fd`, at('variables.fd'))
  await writeFile(at('disk'), '')
  await truncate(at('disk'), 2 ** 20)
  await manufactureTpm({ directory })
  const tpm = await startSwtpm({ directory, name: 'vtpm', startup: 'qemu' })
  o.before?.(tpm.process.pid)
  guest = await RunningGuest.powerOn({
    opened: {
      state,
      tpm,
      files: { firmware: '', variables: at('variables.fd'), tpmState: directory },
      retire: async () => {},
    },
    runtimeDir,
    user,
    diskDoors: new DiskDoors(),
    endpoints,
    errorLog: at('qemu.log'),
    logger,
    machine: {
      name: 'running',
      vmId,
      acceleration: 'tcg',
      cpuModel: 'max',
      vCPUs: 1,
      memoryMiB: 128,
      firmware: `${ovmf}/OVMF_CODE_4M.secboot.fd`,
      variables: at('variables.fd'),
      disk: at('disk'),
      dataDisks: [],
      tpmSocket: tpm.controlSocket,
      serialLog: console,
      network: {
        macAddress: '02-53-52-19-EF-25',
        sshPort: await freePort(),
        doors: { metadata: at('m'), time: at('c'), proxy: at('p'), services: at('s'), web: at('w'), names: at('n') },
      },
    },
  })
  return guest
}

describe.skipIf(!programs.every((path) => existsSync(path)))('a running guest', () => {
  it('whose vTPM is killed ends with it, and the vTPM is told as the cause (attack V11)', async () => {
    const { ended, processes } = await powerOn(keeping())
    process.kill(processes.swtpm!, 'SIGKILL')
    const end = await ended
    expect(end).toEqual({ kind: 'vtpmEnded', code: null, signal: 'SIGKILL' })
    expect(() => process.kill(processes.qemu, 0)).toThrow('ESRCH')
    if (end.kind === 'vtpmEnded')
      expect(guestEnded(end, 'while the guest ran')).toMatchObject({
        code: 'VtpmEnded',
        message: 'The software TPM exited while the guest ran. It is not replaced.',
        found: 'swtpm: SIGKILL',
      })
  })

  it('whose vTPM is killed before QEMU has spoken to it did not start for that (attack V11)', async () => {
    const starting = powerOn(keeping(), { before: (pid) => process.kill(pid, 'SIGKILL') })
    await expect(starting).rejects.toMatchObject({
      code: 'VtpmEnded',
      message: 'The software TPM exited before the guest was ready. It is not replaced.',
    })
    expect(closed).toBe(1)
  })

  it('whose QEMU is killed ends, and its vTPM is not blamed', async () => {
    const { ended, processes } = await powerOn(keeping())
    process.kill(processes.qemu, 'SIGKILL')
    const end = await ended
    expect(end).toMatchObject({ kind: 'crash', signal: 'SIGKILL' })
    if (end.kind === 'crash')
      expect(guestEnded(end, 'while the guest ran')).toMatchObject({ code: 'GuestEnded', found: 'SIGKILL' })
  })

  it('has what its firmware said in its serial log, which QEMU writes by a FIFO', async () => {
    const [fifo, path] = ['console', 'log'].map((name) => join(runtimeDir, name)) as [string, string]
    const log = await SerialLog.start({ fifo, path, logger })
    const running = await powerOn(keeping(), { console: fifo, endpoints: [log] })
    await vi.waitFor(() => expect(log.head()).toContain('BdsDxe'), { timeout: 100_000, interval: 500 })
    expect((await log.lastLines()).join()).toContain('BdsDxe')
    expect((await readSerialLog(path)).toString('latin1')).toContain('BdsDxe')
    await running.stop()
  })

  it('whose guest state was exchanged stops with that, and leaves nothing in clear all the same (attack H10)', async () => {
    const running = await powerOn(
      keeping(() => {
        throw exchanged('/s/machines/VM/guest-state.vmgs', 'another file')
      }),
    )
    await expect(running.stop()).rejects.toMatchObject({ code: 'GuestStateExchanged' })
    await expect(running.stop()).rejects.toBeInstanceOf(ServiceError)
    expect(Object.keys(saved).toSorted()).toEqual(['tpm', 'variables'])
    expect(await readdir(runtimeDir).catch(() => 'none')).toBe('none')
  })
})
