import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findVictim, firmwareQemu, manufacture, starts, type Victim } from './support/boot-victims.ts'
import { TestInstallation, type CliOutcome } from './support/installation.ts'
import { guestQemu, processesOf } from './support/processes.ts'
import { statusOf, type Status, type VmView } from './support/vm.ts'

/**
 * QEMU and swtpm are killed (SIGKILL) at each step of a VM's creation and start, and the disk that holds everything
 * fills up under a running guest. Each case ends with an error that says what happened, leaves nothing running and
 * nothing lost, and the next start succeeds.
 */
interface Refusal {
  error: { code: string; message: string; innererror?: { expected?: string; found?: string; remedy?: string } }
}

/** Room for two VMs' disks: they share nothing with the image, which is in the cache. */
const roomMiB = 1400
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0

const installation = await TestInstallation.create()
const name = 'faulty'
let vm: VmView

beforeAll(async () => {
  await mkdir(installation.stateDir, { recursive: true, mode: 0o700 })
  if (mayMount) spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${roomMiB}m,mode=0700`, 'none', installation.stateDir])
  await installation.start()
  await installation.must('image', 'build')
})

afterAll(async () => {
  await installation.stop()
  if (mayMount) spawnSync('umount', [installation.stateDir])
  await installation.remove()
})

const show = async (): Promise<VmView> => await installation.must<VmView>('vm', 'show', name)
const power = async (): Promise<Status> => statusOf(await show(), 'PowerState/')

const textOf = async (path: string): Promise<string> => await readFile(path, 'latin1').catch(() => '')
const fileOf = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.ino

/** Runs a command and sends the victim a signal once it has reached its step. */
async function runAndSignal(signal: NodeJS.Signals, victim: Victim, ...args: string[]): Promise<CliOutcome> {
  const server = installation.server!.pid!
  const serialLog = (): string =>
    vm === undefined ? '' : join(installation.vmFolder(vm.properties.vmId.toUpperCase()), 'serial.log')
  const before = await fileOf(serialLog())
  const { outcome } = installation.startCli(...args)
  // The previous boot's log is there until this boot's replaces it.
  const begun = async (): Promise<boolean> => (await fileOf(serialLog())) !== before
  let ended = false
  void outcome.then(() => (ended = true))
  // What only prepares a boot runs for milliseconds.
  const pause = victim.console === undefined ? 5 : 200
  for (let pid: number | undefined; ; await sleep(pause)) {
    if (ended)
      throw new Error(`${victim.at}: the command ended before it was found: ${JSON.stringify((await outcome).json)}`)
    pid = await findVictim(server, victim)
    if (pid === undefined) continue
    if (victim.console !== undefined && !((await begun()) && victim.console.test(await textOf(serialLog())))) continue
    process.kill(pid, signal)
    break
  }
  return await outcome
}

/** @returns the error that the command ends with */
async function runAndKill(victim: Victim, ...args: string[]): Promise<Refusal['error']> {
  const { code, json } = await runAndSignal('SIGKILL', victim, ...args)
  expect(code, JSON.stringify(json)).not.toBe(0)
  return (json as Refusal).error
}

function expectWords({ ends }: Victim, error: Refusal['error']): void {
  expect(error).toMatchObject({
    code: expect.stringMatching(ends.code) as string,
    message: expect.stringMatching(ends.says) as string,
    innererror: {
      found: expect.stringMatching(ends.found) as string,
      remedy: expect.stringMatching(/./) as string,
    },
  })
}

describe('a program that is killed while a VM is created', () => {
  it.each(manufacture)('$at: the error names it, and the VM is kept as failed, to be deleted', async (victim) => {
    expectWords(victim, await runAndKill(victim, 'vm', 'create', name))
    expect((await show()).properties.provisioningState).toBe('Failed')
    expect((await power()).code).toBe('PowerState/deallocated')
    expect(await processesOf(installation.stateDir)).toEqual([])
    await installation.must('vm', 'delete', name, '--yes')
    expect(await installation.must('vm', 'list')).toEqual([])
  })

  it('its first boot, firmware: QEMU: the error names it, and the VM is kept, off', async () => {
    expectWords(firmwareQemu, await runAndKill(firmwareQemu, 'vm', 'create', name))
    vm = await show()
    expect((await power()).code).toBe('PowerState/stopped')
    expect(await processesOf(installation.stateDir)).toEqual([])
  })
})

describe('a program that is killed while a VM starts', () => {
  it.each(starts)('$at: the error names it, and nothing of the guest runs', async (victim) => {
    expectWords(victim, await runAndKill(victim, 'vm', 'start', name))
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    const { code, message } = await power()
    expect(code).toBe('PowerState/stopped')
    expect(message).toMatch(victim.ends.says)
  })

  it('is begun again where the guest stands still in its boot, and the owner is told', async () => {
    const { code, stdout } = await runAndSignal('SIGSTOP', firmwareQemu, 'vm', 'start', name)
    expect(code, stdout).toBe(0)
    const told = ((await show()).properties.instanceView?.statuses ?? []).map(({ message }) => message ?? '').join()
    expect(told).toMatch(/^.*The guest stood still: its console showed no progress for 240 s\. It was started again\./)
    await installation.must('vm', 'stop', name)
  })

  it('has lost nothing by all of them: the next start is trusted', async () => {
    await installation.must('vm', 'start', name)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
  })
})

describe.skipIf(!mayMount)('the disk that holds a running guest', () => {
  const filler = join(installation.stateDir, 'filler')
  const fill = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(installation.stateDir)
    spawnSync('fallocate', ['-l', String(bavail * bsize), filler])
    expect((await statfs(installation.stateDir)).bavail).toBe(0)
  }
  const noRoom = async (): Promise<boolean> =>
    ((await show()).properties.instanceView?.statuses ?? []).some(({ message }) =>
      /is full, and the guest is paused/.test(message ?? ''),
    )

  it('is full: the guest waits in the midst of its write, which is said, and goes on where there is room', async () => {
    // A waiting guest accepts no logins.
    await installation.asRoot(
      name,
      `systemd-run --quiet bash -c 'sleep 3; cd /var/lib; head -c 64M /dev/urandom >data; sync; sha256sum data >sum; sync; touch done'`,
    )
    await fill()
    await expect.poll(noRoom, { timeout: 120_000, interval: 1000 }).toBe(true)
    expect((await power()).code).toBe('PowerState/running')
    await rm(filler)
    await expect.poll(noRoom, { timeout: 60_000, interval: 1000 }).toBe(false)
    await expect
      .poll(async () => (await installation.inGuest(name, 'ls /var/lib/done')).code, {
        timeout: 120_000,
        interval: 3000,
      })
      .toBe(0)
  })

  // The guest state's room is reserved from the start; the databases may have none left to record a stop.
  it('is full when the VM is to stop: it stops or is refused for that, and nothing is lost', async () => {
    const kept = 'tpm2_nvread 0x01500001 -C o -s 4'
    await installation.asRoot(
      name,
      'tpm2_nvdefine --quiet 0x01500001 -C o -s 4; printf kept | tpm2_nvwrite --quiet 0x01500001 -C o -i -',
    )
    await fill()
    const { code, json } = await installation.cli('vm', 'deallocate', name)
    await rm(filler)
    if (code !== 0) {
      expect((json as Refusal).error.code).toBe('StorageFull')
      await installation.must('vm', 'deallocate', name)
    }
    expect((await power()).code).toBe('PowerState/deallocated')
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await installation.must('vm', 'start', name)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
    expect(await installation.asRoot(name, `cd /var/lib; sha256sum --check --quiet sum; ${kept}`)).toBe('kept')
  })
})

describe('QEMU that is killed under a running guest', () => {
  it('is named in the VM’s state, and the VM starts again', async () => {
    process.kill((await guestQemu(vm.properties.vmId))!.pid, 'SIGKILL')
    await expect.poll(power, { timeout: 60_000, interval: 500 }).toMatchObject({
      code: 'PowerState/stopped',
      message: expect.stringContaining('QEMU ended while the guest ran') as string,
    })
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await installation.must('vm', 'start', name)
    await installation.must('vm', 'delete', name, '--yes')
  })
})
