import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { MetadataLiar } from '../../apps/cli/src/drill/host/metadata-liar.ts'
import { HostQemu } from '../../apps/cli/src/drill/host/qemu.ts'
import { importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import type { VmView } from './support/vm.ts'
import { brokenLinks, resetMachine, whilePaused } from './support/who-answers.ts'

/**
 * A confidential VM of the minimal image, really booted: measured, unlocked and reported like every other. The tests
 * share it, in this order.
 */
const installation = await TestInstallation.create()
const name = 'minimal'
const qemu = new HostQemu(join(installation.home, 'host-qemu'))

beforeAll(async () => {
  await qemu.install(name)
  await installation.start({ PATH: `${qemu.folder}${delimiter}${process.env['PATH'] ?? ''}` })
  const image = await installation.must<ImageRecord>('image', 'build', '--minimal')
  const urn = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
  await installation.must('vm', 'create', name, '--image', urn)
})

afterAll(async () => await installation.remove())

async function inGuest(script: string): Promise<string> {
  const { stdout, stderr, code } = await installation.inGuest(name, script)
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout.trim()
}

const isTrusted = async (): Promise<boolean> =>
  (await installation.must<{ trusted: boolean }>('vm', 'trust', name)).trusted

describe('a VM of the minimal image', () => {
  it('is trusted: its boot, its registers and its volume are those of its image', async () => {
    expect(await isTrusted()).toBe(true)
  })

  it('has its name, its administrator with the key and sudo, and its disk opened by the vTPM', async () => {
    expect(await inGuest('hostname; id -un; sudo -n id -un; grep " / " /proc/mounts | cut -d " " -f 1')).toBe(
      `${name}\nazureuser\nroot\n/dev/mapper/root`,
    )
  })

  it('runs no service manager, no login and no service but SSH', async () => {
    const running = await inGuest('cat /proc/[0-9]*/comm | sort --unique')
    expect(running.split('\n')).toEqual(expect.arrayContaining(['init', 'sshd', 'busybox']))
    expect(running).not.toMatch(/systemd|udevd|dbus|getty|login|chronyd/)
  })

  it('uses all of its disk', async () => {
    expect(Number(await inGuest('df --output=size -BG / | tail -1 | tr -dc 0-9'))).toBeGreaterThan(1)
  })

  it('powers off when it is asked to, and is trusted again with what was written to its disk', async () => {
    await inGuest('echo kept > kept')
    const begun = performance.now()
    await installation.must('vm', 'stop', name)
    // A guest that ignores the power button is powered off after a minute.
    expect(performance.now() - begun).toBeLessThan(55_000)
    await installation.must('vm', 'start', name)
    expect(await inGuest('cat kept')).toBe('kept')
    expect(await isTrusted()).toBe(true)
  })
})

describe('its guest that runs now', () => {
  const [monitor, socket] = ['monitor', 'liar'].map((file) => join(installation.home, file)) as [string, string]
  /** Since the host reset the machine: what runs then does not report to the server. */
  let isReset = false
  const liar = new MetadataLiar({ keepsReport: () => isReset })
  const broken = async (): Promise<unknown> =>
    (await brokenLinks(installation, name)).map(({ id, code = 'no answer' }) => [id, code])

  beforeAll(async () => {
    await installation.must('vm', 'stop', name)
    qemu.takeOver('metadata', socket)
    qemu.add('-qmp', `unix:${monitor},server=on,wait=off`)
    qemu.replace('reboot=shutdown', 'reboot=reset')
    await qemu.install(name)
    await liar.listen(socket, async () => (await readFile(join(qemu.folder, 'runtime'), 'utf8')).trim())
    await installation.must('vm', 'start', name)
  })

  afterAll(async () => await liar.close())

  it('is not trusted while it does not answer, which the report says within 2 s (attack H27)', async () => {
    await whilePaused(await installation.must<VmView>('vm', 'show', name), async () => {
      const why = expect.stringContaining('The guest did not answer within 2 s.') as string
      expect(await brokenLinks(installation, name)).toMatchObject([
        { id: 'running-guest', outcome: 'not checked', why },
      ])
      expect((await installation.cli('vm', 'ssh', name, '--', 'true')).stderr).toContain('VmNotTrusted')
    })
    expect(await broken()).toEqual([])
  })

  it('is refused with a host key that was changed since it booted, and not with its own (attack H27)', async () => {
    expect(await broken()).toEqual([])
    const key = '/etc/ssh/ssh_host_ed25519_key'
    await installation.asRoot(
      name,
      `cp ${key} /run/own; ssh-keygen -q -t ed25519 -N '' -f /run/other; cp /run/other ${key}`,
    )
    expect(await broken()).toEqual([['running-guest', 'AnswerNotFresh']])
    await installation.asRoot(name, `cp /run/own ${key}; sync`)
    expect(await broken()).toEqual([])
  })

  it('is refused after its host reset it behind its boot report, and ssh does not connect (attack H27)', async () => {
    liar.heard = undefined
    isReset = true
    await resetMachine(monitor)
    expect(await broken()).toEqual([['running-guest', 'no answer']])
    await expect.poll(() => liar.heard, { interval: 1000, timeout: 600_000 }).toBeDefined()
    // The same guest, on the same disk: only that it started again is new.
    await expect.poll(broken, { interval: 1000, timeout: 120_000 }).toEqual([['running-guest', 'GuestWasReset']])
    expect((await installation.cli('vm', 'ssh', name, '--', 'true')).stderr).toContain('GuestWasReset')
  })
})
