import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuModels, firmwareListFile, guestFirmwarePath } from '@strongroom/contract'
import { guestFirmware } from '@strongroom/firmware'
import { toHex } from '@strongroom/evidence'
import {
  findFirmware,
  mrtd,
  snpLaunchDigest,
  verifyFirmwareList,
  type FirmwareList,
} from '@strongroom/evidence/expected'
import { SettableClock } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { measurementKey } from '../image/measurement-key.ts'
import { FirmwareReleases } from './firmware-releases.ts'

const key = measurementKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const clock = new SettableClock()
// Packing firmware takes seconds on an idle machine.
vi.setConfig({ testTimeout: 120_000 })

describe.skipIf(!existsSync(guestFirmwarePath))('the firmware that an installation lists', () => {
  let stateDir: string
  let releases: FirmwareReleases
  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'strongroom-releases-'))
    releases = new FirmwareReleases({ stateDir, key, clock })
  })
  afterAll(async () => await rm(stateDir, { recursive: true, force: true }))
  const path = (): string => join(stateDir, firmwareListFile)
  const read = async (): Promise<FirmwareList> =>
    await verifyFirmwareList({ jws: await readFile(path(), 'utf8'), keys: [key.publicJwk] })

  it('is what its first boot finds, by package and version, with what either technology measures of it', async () => {
    await Promise.all([releases.ensure(), releases.ensure()])
    const list = await read()
    const firmware = await guestFirmware(guestFirmwarePath)
    expect(list).toMatchObject({ first: true, releases: [{ securityVersion: 1 }] })
    expect(list.releases[0]!.version).toMatch(/^ovmf \d/)
    expect(list.releases[0]!.builtAt.getTime()).toBeLessThan(Date.now())
    const measurement = await snpLaunchDigest({ firmware, vCPUs: 4, vcpuType: cpuModels.SNP })
    const launch = { vcpuType: cpuModels.SNP, vCPUs: 8 }
    expect(await findFirmware(list, { tee: 'SNP', measurement, ...launch })).toEqual(list.releases[0])
    const domain = await mrtd({ firmware })
    expect(await findFirmware(list, { tee: 'TDX', measurement: domain, ...launch })).toEqual(list.releases[0])
  })

  it('stays as it is at later boots, whatever the host has then', async () => {
    const before = await readFile(path(), 'utf8')
    await releases.ensure()
    expect(await readFile(path(), 'utf8')).toBe(before)
    expect((await releases.document()).current).toBe(toHex((await read()).releases[0]!.sha256))
  })

  it('changes by its operator’s act alone: each list is later than the one before, and says each firmware once', async () => {
    const first = await read()
    clock.set(new Date(0))
    await releases.sign({ version: 'named', securityVersion: 3 })
    const second = await read()
    expect(second).toMatchObject({ first: false, releases: [{ version: 'named', securityVersion: 3 }] })
    expect(second.signedAt > first.signedAt).toBe(true)
    await releases.sign({})
    expect((await read()).releases).toMatchObject([{ securityVersion: 3 }])
    await releases.remove(toHex(second.releases[0]!.sha256))
    expect((await read()).releases).toEqual([])
  })

  it('is not gone on from where somebody altered it (attack H17)', async () => {
    const genuine = await readFile(path(), 'utf8')
    await writeFile(path(), genuine.replace(/\.[^.]+\./, '.e30.'))
    for (const work of [() => releases.sign({}), () => releases.remove('00'.repeat(32)), () => releases.document()])
      await expect(work()).rejects.toMatchObject({ code: 'FirmwareListInvalid' })
    await writeFile(path(), genuine)
  })

  it('is refused where it is not firmware, or not there', async () => {
    const file = join(stateDir, 'other.fd')
    await expect(releases.sign({ path: file })).rejects.toMatchObject({ code: 'MissingFirmware', expected: file })
    await writeFile(file, 'no firmware')
    await expect(releases.sign({ path: file })).rejects.toMatchObject({ code: 'FirmwareNotHardened' })
  })
})
