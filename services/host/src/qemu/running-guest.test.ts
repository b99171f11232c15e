import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger, freePort, memoryBackedDirectory, ServiceError, giveUser } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readSerialLog, SerialLog } from './serial-log.ts'
import { manufactureTpm, startSwtpm, TpmDirectory } from '@strongroom/paravisor/tpm'
import { assertMapped, exchanged, flashOf } from '@strongroom/paravisor/testing'
import { parseVariableStore } from '@strongroom/evidence/expected'
import { DiskDoors } from '../disks/disk-doors.ts'
import { guestEnded, RunningGuest } from './running-guest.ts'
import type { SavedState } from '@strongroom/paravisor'

const ovmf = '/usr/share/OVMF'
const firmware = `${ovmf}/OVMF_CODE_4M.secboot.fd`
const programs = ['/usr/bin/qemu-system-x86_64', '/usr/bin/swtpm', firmware]
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

const digestOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

/** In its firmware, with an empty disk. */
async function powerOn(
  state: SavedState,
  o: {
    before?(swtpm: number): void
    console?: string
    endpoints?: SerialLog[]
    measured?: string
    variables?: string
  } = {},
): Promise<RunningGuest> {
  const at = (name: string): string => join(runtimeDir, name)
  const { console = at('serial.log'), endpoints = [], measured } = o
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
      admit:
        measured === undefined
          ? undefined
          : async (machine) => {
              const [code, variables] = await Promise.all([stat(firmware), stat(at('variables.fd'))])
              const expected = o.variables ?? (await digestOf(at('variables.fd')))
              await assertMapped(
                machine,
                { firmware: code.size, variables: variables.size },
                { firmware: measured, variables: expected },
              )
            },
      files: { firmware, variables: at('variables.fd'), tpmState: directory },
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
      firmware,
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

  it('runs the firmware that was measured, and not one instruction of other firmware (attack E24)', async () => {
    const own = await digestOf(firmware)
    const { processes } = await powerOn(keeping(), { measured: own })
    const printed = async (): Promise<number> => (await stat(join(runtimeDir, 'serial.log'))).size
    await expect.poll(printed, { timeout: 60_000 }).toBeGreaterThan(0)
    await guest?.stop()
    expect(() => process.kill(processes.qemu, 0)).toThrow('ESRCH')
    await rm(runtimeDir, { recursive: true, force: true })
    runtimeDir = await memoryBackedDirectory('running-guest-test')
    let vtpm = 0
    const measured = 'ab'.repeat(32)
    await expect(powerOn(keeping(), { measured, before: (pid) => void (vtpm = pid) })).rejects.toMatchObject({
      code: 'FirmwareExchanged',
      expected: `SHA-256 ${measured}`,
      found: `SHA-256 ${own}`,
    })
    expect(await printed()).toBe(0)
    expect(() => process.kill(vtpm, 0)).toThrow('ESRCH')
    expect(closed).toBe(2)
  })

  it('runs not one instruction with other UEFI variables than were laid down for it (attack H36)', async () => {
    const variables = 'cd'.repeat(32)
    const starting = powerOn(keeping(), { measured: await digestOf(firmware), variables })
    await expect(starting).rejects.toMatchObject({ code: 'VariablesExchanged', expected: `SHA-256 ${variables}` })
    expect((await stat(join(runtimeDir, 'serial.log'))).size).toBe(0)
    expect([closed, saved.variables]).toEqual([1, undefined])
  })

  it('leaves the UEFI variables that it wrote, and none that the host wrote into their file (attack H36)', async () => {
    const running = await powerOn(keeping())
    const names = (): string[] => parseVariableStore(saved.variables ?? Buffer.alloc(0)).map(({ name }) => name)
    await expect.poll(() => saved.variables && names(), { timeout: 100_000 }).toContain('BootOrder')
    const vendor = '8cf2644b-4b0b-428f-9387-6d876050dc67'
    const planted = { name: 'Planted', vendor, attributes: 7, timestamp: new Uint8Array(16), data: Uint8Array.of(1) }
    await writeFile(join(runtimeDir, 'variables.fd'), await flashOf([planted]))
    await running.stop()
    expect(names()).toContain('BootOrder')
    expect(names()).not.toContain('Planted')
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
