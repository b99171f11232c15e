import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BootEvidence } from '@strongroom/contract'
import { createSealer, openRootKey } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Link } from '@strongroom/trust'
import { measurementKey, openMeasurementKey } from '../../services/host/src/image/measurement-key.ts'
import { TestInstallation } from '../system/support/installation.ts'
import type { VmView } from '../system/support/vm.ts'
import { KeptEvidence } from './support/kept-evidence.ts'

/**
 * The host's operator edits its record of a boot, or runs another image; the owner runs `strongroom vm trust` on their
 * own machine. Evidence of an installation without guests: silicon, vTPM, quote and log are real.
 */
const cache = await mkdtemp(join(tmpdir(), 'strongroom-cache-'))
process.env['STRONGROOM_CACHE_DIR'] = cache
const installation = await TestInstallation.create()
const otherFirmware = '/usr/share/OVMF/OVMF_CODE_4M.fd'
let vmId: string

const kept = new KeptEvidence(installation)

beforeAll(async () => {
  await installation.start({}, ['--compute', 'simulated'])
  vmId = await create('vm', 'Standard_DC2as_v5')
  expect((await linksOf()).get('measured-boot')?.outcome).toBe('verified')
})
afterAll(async () => {
  await installation.remove()
  delete process.env['STRONGROOM_CACHE_DIR']
  await rm(cache, { recursive: true, force: true })
})

async function create(name: string, size: string): Promise<string> {
  const vm = await installation.must<VmView>('vm', 'create', name, '--size', size)
  return vm.properties.vmId.toUpperCase()
}

/** As the owner sees them. Evidence without a guest is made on request: a machine that needs more than a minute is asked again. */
async function linksOf(...args: string[]): Promise<Map<string, Link>> {
  let outcome = await installation.cli('vm', 'trust', 'vm', ...args)
  for (let times = 0; times < 3 && outcome.stdout.includes('"PeerTimeout"'); times++)
    outcome = await installation.cli('vm', 'trust', 'vm', ...args)
  const { json, stdout, stderr } = outcome
  const { links } = (json ?? {}) as { links?: Link[] }
  if (links === undefined) throw new Error(`no report: ${stdout}${stderr}`)
  return new Map(links.map((link) => [link.id, link]))
}

/** The owner's view after the host has edited the stored evidence. */
async function after(edit: (evidence: BootEvidence) => void): Promise<Map<string, Link>> {
  return await kept.edited(vmId, edit, async () => await linksOf())
}

interface Document {
  image: { id: string; name: string; version: string; source: string }
  bootFile: { loader: string }
}

/** The document shown by the host, changed, with its signature or signed again. */
async function changedDocument(
  change: (document: Document) => void,
  sign?: (text: Uint8Array) => string,
): Promise<string> {
  const [header = '', payload = '', signature = ''] = (await kept.read(vmId)).measurements!.split('.')
  const document = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Document
  change(document)
  const text = Buffer.from(JSON.stringify(document))
  return sign === undefined ? [header, text.toString('base64url'), signature].join('.') : sign(text)
}

/** By the installation's own key, which its operator has. */
async function operator(): Promise<(text: Uint8Array) => string> {
  const { stateDir } = installation
  const { id } = JSON.parse(await readFile(join(stateDir, 'installation.json'), 'utf8')) as { id: string }
  process.env['XDG_CONFIG_HOME'] = join(installation.home, 'config')
  const key = await openMeasurementKey({
    stateDir,
    sealer: createSealer(await openRootKey({ stateDir, installationId: id })),
  })
  return (text) => key.sign(text)
}

describe('the registers that a boot is held to', () => {
  it.each<[string, (pcrs: Record<string, string>) => void]>([
    ['nothing', (pcrs) => Object.keys(pcrs).forEach((index) => delete pcrs[index])],
    ['another boot loader and a command line of the host’s', (pcrs) => Object.assign(pcrs, { 4: 'aa', 12: 'bb' })],
  ])('are predicted by the verifier, and the same where the host predicts %s (attack H6)', async (_what, edit) => {
    const links = await after((evidence) => edit(evidence.expected.pcrs))
    expect(links.get('measured-boot')).toEqual((await linksOf()).get('measured-boot'))
    expect(links.get('measured-boot')?.outcome).toBe('verified')
  })

  it('begin with PCR 0, which the host holds its boots to and the verifier computes (attack H34)', async () => {
    const { expected, measuredBoot } = await kept.read(vmId)
    expect(expected.pcrs['0']).toMatch(/^[0-9a-f]{64}$/)
    expect(measuredBoot?.pcrs['0']).toBe(expected.pcrs['0'])
    expect((await linksOf()).get('measured-boot')?.shows).toContain(
      `as computed here from your copy of the firmware: PCR 0 ${expected.pcrs['0']?.slice(0, 16)}…`,
    )
  })

  it('are those of the image that was asked for: another one is refused, however the host predicts it (attack H6)', async () => {
    const path = join(cache, 'stand-in/boot.efi')
    const honest = await readFile(path)
    const evil = Buffer.from(honest)
    evil.write('sh guest runs', evil.indexOf('no guest runs'))
    await writeFile(path, evil)
    try {
      await installation.must('vm', 'restart', 'vm')
      const links = await linksOf()
      expect(links.get('image')?.outcome).toBe('verified')
      expect(links.get('measured-boot')).toMatchObject({
        outcome: 'refused',
        code: 'RegisterNotPredicted',
        why: expect.stringMatching(
          /^PCR 4 is not what image debian-13-cvm yields .*The host predicted exactly that\.$/,
        ),
        expected: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        actual: (await kept.read(vmId)).expected.pcrs['4'],
      })
      expect(links.get('settings')?.outcome).toBe('not checked')
      // The operator re-signs measurements: they differ from what the creator saw at the first boot.
      await rm(join(installation.stateDir, 'image-measurements'), { recursive: true })
      await installation.must('vm', 'restart', 'vm')
      expect((await linksOf()).get('image')).toMatchObject({ outcome: 'refused', code: 'AnotherBootFile' })
    } finally {
      await writeFile(path, honest)
      await rm(join(installation.stateDir, 'image-measurements'), { recursive: true })
      await installation.must('vm', 'restart', 'vm')
    }
    expect((await linksOf()).get('measured-boot')?.outcome).toBe('verified')
  })

  it('are predicted without Secure Boot too, where the kernel inside the boot file is measured beside it', async () => {
    await installation.must('vm', 'create', 'open', '--encryption', 'VMGuestStateOnly', '--no-secure-boot')
    const { json } = await installation.cli('vm', 'trust', 'open')
    expect((json as { links: Link[] }).links.find(({ id }) => id === 'measured-boot')).toMatchObject({
      outcome: 'verified',
      shows: expect.arrayContaining([expect.stringContaining('with Secure Boot off')]) as string[],
    })
  })

  it('are those of Secure Boot as it was asked for (attack H6)', async () => {
    expect((await linksOf('--secure-boot', 'off')).get('measured-boot')).toMatchObject({
      outcome: 'refused',
      code: 'RegisterNotPredicted',
      why: expect.stringContaining('with Secure Boot off') as string,
    })
    expect((await installation.cli('vm', 'trust', 'vm', '--secure-boot', 'maybe')).code).toBe(2)
  })
})

describe('the signed measurements of an image', () => {
  it.each<[string, string, () => Promise<string>]>([
    [
      'with one hash changed',
      'TokenSignatureInvalid',
      async () => await changedDocument((document) => (document.bootFile.loader = '11'.repeat(32))),
    ],
    [
      'signed by another key',
      'TokenKeyUnknown',
      async () => {
        const { generateKeyPairSync } = await import('node:crypto')
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        return await changedDocument(
          () => {},
          (text) => measurementKey(privateKey).sign(text),
        )
      },
    ],
    [
      'of another image, which the operator imported',
      'AnotherImage',
      async () =>
        await changedDocument(
          (document) => {
            document.image = { id: 'debian-13-1', name: 'debian-13', version: '13.0.0', source: 'import' }
          },
          await operator(),
        ),
    ],
    [
      'of another boot file, by the operator’s own key',
      'AnotherBootFile',
      async () => await changedDocument((document) => (document.bootFile.loader = '11'.repeat(32)), await operator()),
    ],
    ['that are a token', 'TokenOfAnotherKind', async () => (await kept.read(vmId)).attestation.token],
  ])('are refused %s: %s (attack H6)', async (_what, code, make) => {
    const measurements = await make()
    const links = await after((evidence) => void (evidence.measurements = measurements))
    expect(links.get('image')).toMatchObject({ outcome: 'refused', code, why: expect.any(String) as string })
    expect(links.get('measured-boot')?.outcome).toBe('not checked')
  })

  it('are missed where the host shows none (attack H6)', async () => {
    const links = await after((evidence) => void delete evidence.measurements)
    expect(links.get('image')).toMatchObject({ outcome: 'not checked' })
    expect(links.get('image')?.why).toContain('--measurements')
  })

  it('are shown to who asks, and come with whoever exported them', async () => {
    const { stdout, code } = await installation.cli('image', 'measurements')
    expect(code).toBe(0)
    const { registers } = JSON.parse(stdout) as { registers: Record<'on' | 'off', Record<string, string>> }
    const { pcrs } = (await kept.read(vmId)).measuredBoot!
    const ofImage = ['2', '3', '4', '6', '7', '11', '12', '13'].map((index) => [index, pcrs[index]])
    expect(registers.on).toEqual(Object.fromEntries(ofImage))
    expect(registers.off['7']).not.toBe(registers.on['7'])
    const file = join(installation.home, 'measurements.json')
    await writeFile(file, stdout)
    const honest = await kept.read(vmId)
    const { measurements: _none, ...silent } = honest
    await kept.write(vmId, silent as BootEvidence)
    try {
      const links = await linksOf('--measurements', file)
      expect(links.get('image')?.outcome).toBe('verified')
      expect(links.get('measured-boot')?.outcome).toBe('verified')
    } finally {
      await kept.write(vmId, honest)
    }
    expect((await installation.cli('image', 'measurements', 'nothing')).code).not.toBe(0)
  })
})

describe('the launch measurement', () => {
  it('is held to the verifier’s own firmware, whatever the host says that it launched (attack H6)', async () => {
    const refused = (await linksOf('--firmware', otherFirmware)).get('measurement')
    expect(refused).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining(`not that of ${otherFirmware}, of 1 to 2 vCPUs`) as string,
    })
    const said = await after((evidence) => {
      evidence.expected.firmwareSha256 = '00'.repeat(32)
      evidence.expected.launchMeasurement = '00'.repeat(48)
      evidence.expected.vCPUs = 1
      evidence.expected.vcpuType = 'EPYC-Genoa'
    })
    expect(said.get('measurement')).toEqual((await linksOf()).get('measurement'))
    expect((await linksOf('--firmware', '/nowhere')).get('measurement')).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining('--firmware') as string,
    })
  })

  it('is of no more processors than the size has that was asked for (attack H6)', async () => {
    const large = await create('large', 'Standard_DC4as_v5')
    const { json } = await installation.cli('vm', 'trust', 'large')
    expect((json as { links: Link[] }).links.find(({ id }) => id === 'measurement')).toMatchObject({
      outcome: 'verified',
      shows: [expect.stringContaining('4 vCPUs EPYC-Milan')],
    })
    // The large VM's evidence instead of the small one's.
    const ofLarge = await kept.read(large)
    const links = await after((evidence) => void Object.assign(evidence, ofLarge, { bootId: evidence.bootId }))
    expect(links.get('measurement')).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('of 1 to 2 vCPUs EPYC-Milan (Standard_DC2as_v5)') as string,
    })
  })
})
