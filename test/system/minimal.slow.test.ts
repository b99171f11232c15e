import { importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'

/**
 * A confidential VM of the minimal image, really booted: measured, unlocked and reported like every other. The tests
 * share it, in this order.
 */
const installation = await TestInstallation.create()
const name = 'minimal'

beforeAll(async () => {
  await installation.start()
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
