import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import type { Link } from '@strongroom/trust'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { laterFirmware } from '../system/support/firmware.ts'
import { TestInstallation } from '../system/support/installation.ts'

/**
 * VMs without guests whose host's firmware is replaced: launch, attestation and release are what they are elsewhere, and each
 * restart is another boot.
 */
const installation = await TestInstallation.create()
const host = join(installation.home, 'OVMF_CODE.fd')
const [before, after] = [guestFirmwarePath, join(installation.home, 'OVMF_LATER.fd')]

beforeAll(async () => {
  await laterFirmware(after)
  await copyFile(before, host)
  await installation.start({ STRONGROOM_FIRMWARE: host }, ['--compute', 'simulated'])
})
afterAll(async () => await installation.remove())

/** What the report shows for the next boot with this firmware, or the code that the boot is refused with. */
async function restarted(vm: string, firmware: string): Promise<string> {
  await copyFile(firmware, host)
  await installation.must('vm', 'restart', vm)
  let json: unknown
  // On a busy machine the evidence is not made in the time of one request: whoever repeats it asks about the same boot.
  do ({ json } = await installation.cli('vm', 'trust', vm, '--firmware', firmware))
  while ((json as { error?: { code: string } }).error?.code === 'PeerTimeout')
  const { links } = json as { links?: Link[] }
  const link = links?.find(({ id }) => id === 'firmware')
  return link === undefined ? JSON.stringify(json) : [link.outcome, link.code, ...link.shows].join('\n')
}

describe.each(['snp', 'tdx'])('a VM of %s whose host has other firmware', (tee) => {
  const release = `later for ${tee}`

  it('is released its key for what its owner allows of the list, and the report names the change', async () => {
    await installation.must('vm', 'create', tee, '--tee', tee)
    expect(await restarted(tee, before)).toMatch(/^verified\n\nOVMF_CODE\.fd, security version 1/)
    const unlisted = await restarted(tee, after)
    expect(unlisted).toContain('not in the installation’s signed list')
    await installation.must('vm', 'update', tee, '--firmware-updates', 'Pinned')
    await installation.must('firmware', 'sign', after, '--name', release, '--security-version', '2')
    expect(await restarted(tee, after)).toContain('pinned to the firmware that it ran last')
    expect(await restarted(tee, before)).toContain('allowed: what this VM ran last')
    await installation.must('vm', 'update', tee, '--firmware-updates', 'Listed')
    const changed = await restarted(tee, after)
    expect(changed).toMatch(/^verified\n/)
    expect(changed).toContain('changed since the last boot that you trusted')
    expect(changed).toContain(`to   ${release} (security version 2`)
  })

  it('is released none for the old firmware, unless its owner wants it, nor for what is listed no longer', async () => {
    expect(await restarted(tee, before)).toContain('older in security than what it ran last')
    await installation.must('vm', 'update', tee, '--firmware-updates', 'ListedOrOlder')
    expect(await restarted(tee, before)).toMatch(/^verified\n/)
    await installation.must('firmware', 'remove', release)
    expect(await restarted(tee, after)).toContain('not in the installation’s signed list')
  })
})
