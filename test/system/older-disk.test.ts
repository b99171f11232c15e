import { readdir, readFile, rename } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { MetadataLiar, type Provisioning } from '../../apps/cli/src/drill/host/metadata-liar.ts'
import { HostQemu } from '../../apps/cli/src/drill/host/qemu.ts'
import { runProgram } from '../../apps/cli/src/drill/host/programs.ts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'

/** One confidential VM, and a host that has kept its OS disk as it was before the first boot. */
const installation = await TestInstallation.create()
const name = 'put-back'
const at = (file: string): string => join(installation.home, file)
const [first, older, newest, socket] = [at('first.raw'), at('older.raw'), at('newest.raw'), at('liar')]
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostHostHostHostHostHostHostHostHostHostHos host'
let qemu: HostQemu
let liar: MetadataLiar

/** The host answers the guest in the metadata endpoint's place, from the next boot on. */
async function lies(
  provisioning: (told: Provisioning) => Provisioning,
  also: (own: HostQemu) => void = () => {},
): Promise<void> {
  liar = new MetadataLiar({ provisioning })
  qemu = new HostQemu(at('host-qemu'))
  qemu.takeOver('metadata', socket)
  also(qemu)
  await qemu.install(name)
  await liar.listen(socket, async () => (await readFile(join(qemu.folder, 'runtime'), 'utf8')).trim())
}

/** In the folder of the installation's only VM. */
async function fileOf(file: string): Promise<string> {
  const machines = join(installation.stateDir, 'machines')
  return join(machines, (await readdir(machines))[0]!, file)
}
const console = async (): Promise<string> => await readFile(await fileOf('serial.log'), 'latin1')

afterAll(async () => await installation.remove())

/** The VM does not start, for this reason, and its guest has not reported. */
async function refused(code: string, said: RegExp, ...command: string[]): Promise<void> {
  const outcome = await installation.cli(...command)
  const { error } = outcome.json as { error?: { code: string } }
  expect([outcome.code, error?.code], outcome.stdout).toEqual([1, code])
  expect(liar.heard).toBeUndefined()
  expect(await console()).toMatch(said)
}

const plusKey = (told: Provisioning): Provisioning => [...told, ['sshPublicKey', Buffer.from(key)]]

beforeAll(async () => {
  await lies(plusKey, (own) => own.copyDisk(first))
  await installation.start({ PATH: `${qemu.folder}${delimiter}${process.env['PATH'] ?? ''}` })
  await installation.must('image', 'build')
})

afterEach(async () => await liar.close())

describe('a VM that is created on a host that lies to its guest', () => {
  it('is set up for nobody whom its owner did not ask for: its guest ends the first boot without a report (attack H24)', async () => {
    const created = ['vm', 'create', name]
    const digests =
      /settings refused, nothing was applied: expected those with SHA-256 ([0-9a-f]{64}), .* those with SHA-256 (?!\1)[0-9a-f]{64}/
    await refused('SettingsRefused', digests, ...created)
    expect(liar.asked).toBe(true)
    expect((await installation.cli('vm', 'trust', name)).code).not.toBe(0)
  })

  it('is set up as its owner asked, once the host is honest', async () => {
    await lies((told) => told)
    await installation.must('vm', 'start', name)
    const trust = await installation.cli('vm', 'trust', name)
    expect([trust.code, trust.stdout.includes('in the attested claims')], trust.stdout).toEqual([0, true])
    await installation.must('vm', 'deallocate', name)
  })
})

describe('the disk of before the first boot, put back by the host', () => {
  it('is not started: one more key, or what cloud-init would run, comes to nothing (attack H24)', async () => {
    const disk = await fileOf('os-disk.raw')
    await rename(disk, newest)
    await rename(first, disk)
    await lies(plusKey)
    await refused('OsDiskDidNotUnlock', /no disk is the one that this VM was made with/, 'vm', 'start', name)
    expect(liar.asked).toBe(false)
    await rename(newest, disk)
  })

  it('leaves the newest disk as it was, which starts as ever and takes no other key', async () => {
    await lies(plusKey)
    await installation.must('vm', 'start', name)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
    expect(await installation.asRoot(name, 'grep -c Host /home/azureuser/.ssh/authorized_keys || true')).toBe('0')
  })

  it('is refused as older after any later boot, and its guest reports nothing (attack D7)', async () => {
    await installation.must('vm', 'deallocate', name)
    const disk = await fileOf('os-disk.raw')
    await runProgram('cp', ['--sparse=always', '--reflink=auto', disk, older])
    await lies((told) => told)
    await installation.must('vm', 'start', name)
    const trust = await installation.cli('vm', 'trust', name)
    expect([trust.code, /boot \d+ by the counts of disk and vTPM/.test(trust.stdout)], trust.stdout).toEqual([0, true])
    await installation.must('vm', 'deallocate', name)
    await rename(disk, newest)
    await rename(older, disk)
    await lies((told) => told)
    await refused(
      'OsDiskDidNotUnlock',
      /OS disk refused: it is older than the last boot of this VM/,
      'vm',
      'start',
      name,
    )
    expect(liar.asked).toBe(false)
    await rename(newest, disk)
    await lies((told) => told)
    await installation.must('vm', 'start', name)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
  })
})
