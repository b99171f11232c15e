import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { guestQemu, processesOf, type SeenProcess } from './support/processes.ts'
import { readEvidence, statusOf, type VmView } from './support/vm.ts'

interface Refusal {
  error: { code: string; message: string; innererror?: { expected?: string; found?: string; remedy?: string } }
}

/**
 * A VM with VMGuestStateOnly, really booted, and failures around it: each is reported with its remedy, leaves nothing
 * running, and the VM starts again once its cause is gone.
 */
const installation = await TestInstallation.create()
let vm: VmView

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', 'plain', '--encryption', 'VMGuestStateOnly')
})

afterAll(async () => await installation.remove())

async function refused(...args: string[]): Promise<Refusal['error']> {
  const outcome = await installation.cli(...args)
  expect(outcome.code, outcome.stdout).not.toBe(0)
  return (outcome.json as Refusal).error
}

describe('a VM whose guest state alone is encrypted', () => {
  it('runs on the disk as it is in the image, is trusted, and its report says what that leaves open', async () => {
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/running')
    const seen = await installation.inGuest('plain', 'findmnt -no SOURCE /; lsblk -no TYPE | sort -u | tr "\\n" " "')
    expect(seen.stdout).toMatch(/^\/dev\/vda\d/)
    expect(seen.stdout).not.toContain('crypt')
    expect((await readEvidence(installation, 'plain')).osDisk).toEqual({ encryption: 'none' })
    const outcome = await installation.cli('vm', 'trust', 'plain')
    const { links } = outcome.json as { links: { id: string; outcome: string; shows: string[] }[] }
    expect(links.filter((link) => link.outcome !== 'verified')).toEqual([])
    expect(links.find((link) => link.id === 'disk')?.shows.join()).toContain('VMGuestStateOnly does not encrypt it')
  })

  it("keeps its clock by chrony, from the host's", async () => {
    const seen = await installation.inGuest(
      'plain',
      'for i in $(seq 60); do chronyc -c sources | grep -q "^^,\\*" && break; sleep 1; done; chronyc -c sources; chronyc -c tracking',
    )
    const [source = '', tracking = ''] = seen.stdout.trim().split('\n')
    expect(source).toMatch(/^\^,\*,127\.0\.0\.1,10,/)
    // The fourth field is the time of the last update, the fifth the guest's clock offset from the host, in seconds.
    expect(Math.abs(Number(tracking.split(',')[4]))).toBeLessThan(1)
  })
})

/** Starts the VM and kills the first process that `find` sees meanwhile. @returns the error that the start ends with */
async function startAndKill(find: (mark: string) => Promise<SeenProcess | undefined>): Promise<Refusal['error']> {
  const { outcome } = installation.startCli('vm', 'start', 'plain')
  let pid: number | undefined
  await expect
    .poll(async () => (pid = (await find(vm.properties.vmId))?.pid), { timeout: 120_000, interval: 20 })
    .toBeGreaterThan(0)
  process.kill(pid!, 'SIGKILL')
  const { code, json } = await outcome
  expect(code).not.toBe(0)
  return (json as Refusal).error
}

describe('QEMU', () => {
  it('that dies in firmware: the start fails with what ended it, and the next one succeeds', async () => {
    await installation.must('vm', 'deallocate', 'plain')
    const error = await startAndKill(guestQemu)
    expect(error.code).toBe('GuestDidNotStart')
    expect(error.innererror).toMatchObject({
      found: 'SIGKILL',
      remedy: expect.stringContaining('serial.log') as string,
    })
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await installation.must('vm', 'start', 'plain')
  })
})

describe('a guest that never reports that it is ready', () => {
  it('is ended at the limit; the error says how long was waited and what the console said last', async () => {
    await installation.inGuest('plain', 'sudo ln -sf /dev/null /etc/systemd/system/strongroom-agent.service && sync')
    await installation.must('vm', 'deallocate', 'plain')
    await installation.stop()
    await installation.start({ STRONGROOM_BOOT_LIMIT_SECONDS: '20' })
    const error = await refused('vm', 'start', 'plain')
    expect(error.code).toBe('GuestBootTimeout')
    expect(error.message).toContain('20 s')
    expect(error.innererror).toMatchObject({
      found: expect.stringMatching(/last on the console: ./) as string,
      remedy: expect.stringContaining('STRONGROOM_BOOT_LIMIT_SECONDS') as string,
    })
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await installation.must('vm', 'delete', 'plain', '--yes')
  })
})

describe('a missing package', () => {
  it('is named, with the command that installs it; the VM is taken back', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-programs-'))
    try {
      for (const directory of ['/usr/local/bin', '/usr/bin', '/usr/sbin']) {
        for (const name of await readdir(directory)) {
          if (name === 'swtpm') continue
          await symlink(join(directory, name), join(folder, name)).catch(() => {})
        }
      }
      await installation.stop()
      await installation.start({ PATH: folder })
      const error = await refused('vm', 'create', 'bare')
      expect(JSON.stringify(error)).toMatch(/MissingProgram.*swtpm.*apt-get install/)
      expect(await processesOf(installation.stateDir)).toEqual([])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

/** A tmpfs of a few MiB needs CAP_SYS_ADMIN, which a plain container lacks. */
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0

describe.skipIf(!mayMount)('a full disk', () => {
  it('fails the create with how much was missing, leaves no half disk, and what ran keeps running', async () => {
    const small = await TestInstallation.create()
    await mkdir(small.stateDir, { recursive: true, mode: 0o700 })
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'none', small.stateDir])
    expect(mounted.stderr.toString()).toBe('')
    try {
      await small.start()
      await small.must('image', 'build')
      const outcome = await small.cli('vm', 'create', 'big')
      expect(outcome.code).not.toBe(0)
      const text = JSON.stringify((outcome.json as Refusal).error)
      expect(text).toMatch(/StorageFull.*\d+ MiB free for the OS disk.*\d+ MiB free.*Free space/)
      const machines = await readdir(join(small.stateDir, 'machines')).catch(() => [])
      expect(machines).toEqual([])
      expect(await processesOf(small.stateDir)).toEqual([])
      expect((await small.cli('status')).code).toBe(0)
    } finally {
      await small.stop()
      spawnSync('umount', [small.stateDir])
      await small.remove()
    }
  })
})
