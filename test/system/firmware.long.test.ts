import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { guestFirmwarePath, importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { laterFirmware } from './support/firmware.ts'
import { TestInstallation } from './support/installation.ts'

/**
 * Confidential VMs of the minimal image, really booted, whose host's firmware is replaced. The tests share them, in
 * this order; a refused
 * start is refused before anything boots.
 */
const installation = await TestInstallation.create()
const name = 'launched'
const host = join(installation.home, 'OVMF_CODE.fd')
const [before, after] = [guestFirmwarePath, join(installation.home, 'OVMF_LATER.fd')]
const list = join(installation.stateDir, 'firmware-list.jws')
let image: string
let versions: { was: string; is: string }

beforeAll(async () => {
  versions = await laterFirmware(after)
  await copyFile(before, host)
  await installation.start({ STRONGROOM_FIRMWARE: host })
  const { id } = await installation.must<ImageRecord>('image', 'build', '--minimal')
  image = `${referenceImageUrn.publisher}:${importedImageOffer}:${id}:latest`
  await installation.must('vm', 'create', name, '--image', image)
})

afterAll(async () => await installation.remove())

interface Measurements {
  sha256: string
  snp: { launchDigests: { vCPUs: number; launchDigest: string }[] }
  tdx: { mrtd: string; rtmrs: string[] }
}
const measurementsOf = async (...args: string[]): Promise<Measurements> =>
  await installation.must('firmware', 'measurements', ...args)

interface Link {
  id: string
  outcome: string
  code?: string
  shows: string[]
  stated: string[]
}

/** As a verifier with a copy of the firmware that it expects. */
async function trust(vm: string, firmware: string): Promise<{ trusted: boolean; link: (id: string) => string }> {
  const { json } = await installation.cli('vm', 'trust', vm, '--firmware', firmware)
  const { trusted, links } = json as { trusted: boolean; links: Link[] }
  const link = (id: string): string => {
    const found = links.find((each) => each.id === id)
    return [found?.outcome, found?.code, ...(found?.shows ?? []), ...(found?.stated ?? [])].join('\n')
  }
  return { trusted, link }
}

/** The error of a refused start. */
async function refusal(vm: string): Promise<string> {
  await installation.cli('vm', 'deallocate', vm)
  const { code, json } = await installation.cli('vm', 'start', vm)
  expect(code).toBe(1)
  return JSON.stringify(json)
}

describe('a VM whose host has other firmware', () => {
  it('is trusted at first with what the installation’s first boot listed', async () => {
    await installation.asRoot(name, 'echo kept >/root/kept')
    const { trusted, link } = await trust(name, before)
    expect(link('firmware')).toMatch(/^verified\n/)
    expect(link('measured-boot')).toContain(`(PCR 0): ${versions.was}`)
    expect(link('measured-boot')).toMatch(/the vTPM’s firmware version, as it reports: [0-9a-f]{8}\.[0-9a-f]{8}$/m)
    expect(link('measured-boot')).toMatch(/^the vTPM’s program: swtpm \d/m)
    expect(trusted).toBe(true)
  })

  it('does not start with firmware that is not listed, and is told what was launched (attack H17)', async () => {
    await copyFile(after, host)
    const { snp } = await measurementsOf(after, '--vcpus', '2')
    const said = await refusal(name)
    expect(said).toContain('not in the installation’s signed list')
    expect(said).toContain(snp.launchDigests.at(-1)?.launchDigest)
    expect(said).toContain('strongroom firmware sign')
  })

  it('does not start by a list that was altered, or that another installation signed (attack H17)', async () => {
    const genuine = await readFile(list, 'utf8')
    const [header, payload, signature] = genuine.split('.') as [string, string, string]
    const document = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { releases: { snp: object }[] }
    const { releases } = JSON.parse(JSON.stringify(document)) as typeof document
    Object.assign(releases[0]!, { securityVersion: 7 })
    const altered = Buffer.from(JSON.stringify({ ...document, releases })).toString('base64url')
    await writeFile(list, [header, altered, signature].join('.'))
    expect(await refusal(name)).toContain('FirmwareListInvalid')
    const other = await TestInstallation.create()
    try {
      await other.start({ STRONGROOM_FIRMWARE: host })
      await other.must('firmware', 'sign')
      await copyFile(join(other.stateDir, 'firmware-list.jws'), list)
      expect(await refusal(name)).toContain('FirmwareListInvalid')
    } finally {
      await other.remove()
    }
    await writeFile(list, genuine)
  })

  it('that is pinned does not start with new firmware, listed or not (attack H17)', async () => {
    await installation.must('vm', 'update', name, '--firmware-updates', 'Pinned')
    await installation.must('firmware', 'sign', after, '--name', 'ovmf later', '--security-version', '2')
    const said = await refusal(name)
    expect(said).toContain('pinned to the firmware that it ran last')
    expect(said).toContain('ovmf later (security version 2')
    expect(said).toContain('--firmware-updates Listed')
  })

  it('starts with listed firmware once its owner allows it: the disk opens, and the report says from what to what', async () => {
    await installation.must('vm', 'update', name, '--firmware-updates', 'Listed')
    const predicted = await measurementsOf('--release', 'ovmf later', '--vcpus', '2')
    await installation.must('vm', 'start', name)
    expect(await installation.asRoot(name, 'cat /root/kept')).toBe('kept')
    // A verifier that expects the former firmware is told so.
    expect((await trust(name, before)).link('measurement')).toMatch(/^refused/)
    const { trusted, link } = await trust(name, after)
    const digest = predicted.snp.launchDigests.at(-1)?.launchDigest ?? ''
    expect(link('firmware')).toContain('changed since the last boot that you trusted:')
    expect(link('firmware')).toMatch(
      / {2}from OVMF_CODE\.fd \(security version 1, SHA-256 .*launch measurement [0-9a-f]{96}/,
    )
    expect(link('firmware')).toContain(`launch measurement ${digest}`)
    expect(link('measured-boot')).toContain(`(PCR 0): ${versions.is}`)
    expect(trusted).toBe(true)
    expect((await trust(name, after)).link('firmware')).toContain('the firmware of the last boot that you trusted')
  })

  it('does not start once the host brings the old firmware back, or the old list (attack H17)', async () => {
    const now = await readFile(list, 'utf8')
    await copyFile(before, host)
    const said = await refusal(name)
    expect(said).toContain('older in security than what it ran last')
    expect(said).toContain('ovmf later')
    // The host has the list signed again, as if it were its first.
    await writeFile(list, '')
    expect(await refusal(name)).toContain('FirmwareListInvalid')
    await writeFile(list, now)
    await copyFile(after, host)
    await installation.must('vm', 'start', name)
    expect((await trust(name, after)).trusted).toBe(true)
  })
})

describe('a VM on TDX', () => {
  it('has the MRTD that was predicted, and takes no older firmware (attack H17)', async () => {
    await installation.must('vm', 'deallocate', name)
    const { tdx } = await measurementsOf(after)
    await installation.must('vm', 'create', 'domain', '--tee', 'tdx', '--image', image)
    const { trusted, link } = await trust('domain', after)
    expect(link('measurement')).toContain(tdx.mrtd.slice(0, 16))
    expect(link('firmware')).toContain('ovmf later, security version 2')
    expect(trusted).toBe(true)
    await copyFile(before, host)
    expect(await refusal('domain')).toContain('older in security than what it ran last')
  })
})
