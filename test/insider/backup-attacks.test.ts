import { createHash, generateKeyPairSync } from 'node:crypto'
import type { BackupManifest, InstanceSpec } from '@strongroom/contract'
import { buildHclReport, signBackup, type Certificate, type TrustAnchor } from '@strongroom/evidence'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { verifyBackupReport, verifyRestoreOffer, type Roots } from '@strongroom/trust'
import { describe, expect, it } from 'vitest'
import { vtpmClaims } from '../../services/paravisor/src/release/claims.ts'
import { launchForRestore } from '../../services/paravisor/src/guest/restore-guest.ts'
import { launchOnSilicon } from '../../services/paravisor/src/release/silicon.ts'
import { exampleSpec } from '../../services/paravisor/src/testing.ts'

/** Attacks by a host that passes on the requests for backups and restores, judged as the CLI judges them. */
const clock = settableClock()
const [silicon, another] = [
  await createSilicon({ keys: memoryKeyStore(), clock }),
  await createSilicon({ keys: memoryKeyStore(), clock }),
]
const rootsAt = (of: Silicon): Roots => ({
  anchors: of.anchors,
  authority: { certificate: {} as Certificate, root: {} as TrustAnchor },
})
const roots = rootsAt(silicon)
const firmware = { name: 'firmware.fd', bytes: tinyFirmware() }
const size = 'Standard_DC2as_v5'
const digest = 'ab'.repeat(32)
const payload: BackupManifest = {
  version: 1,
  id: '1A1B2C3D-0000-4000-8000-00000000000B',
  madeAt: '2026-11-29T05:00:00.000Z',
  consistency: 'CrashConsistent',
  vm: {
    vmId: '2A1B2C3D-0000-4000-8000-00000000000B',
    name: 'old',
    size,
    tee: 'SNP',
    encryption: 'DiskWithVMGuestState',
    secureBoot: true,
  },
  generation: 7,
  settled: 'aG9zdG5hbWU',
  identity: { akSpki: 'AAAA', ekSpki: 'AAAA' },
  image: {
    id: 'a',
    name: 'a',
    version: '1',
    path: '',
    sizeBytes: 1,
    sha256: '',
    builtAt: '',
    source: 'reference',
    osType: 'Linux',
    qualifies: { confidential: true, diskEncryption: true, reasons: [] },
    os: { id: 'a', versionId: '1', kernel: '1' },
  },
  disks: [{ name: 'os', sizeBytes: 65_536, chunkBytes: 65_536, digest }],
  files: [
    { name: 'guest-state', bytes: 1, sha256: digest },
    { name: 'boot.efi', bytes: 1, sha256: digest },
    { name: 'db.pem', bytes: 1, sha256: digest },
  ],
  recipient: { spkiSha256: digest },
  wrappedKey: 'AAAA',
}
const signed = async (generation: number): Promise<string> =>
  await signBackup({ payload: JSON.stringify({ ...payload, generation }), dataKey: new Uint8Array(32) })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const [manifest, older] = [await signed(7), await signed(6)]
const spec: InstanceSpec = { ...exampleSpec, restore: { manifest } }
const at = clock.now()

async function offered(
  o: { firmware?: Uint8Array; spec?: InstanceSpec; silicon?: Silicon } = {},
): ReturnType<typeof launchForRestore> {
  const asked = o.spec ?? spec
  return await launchForRestore({
    silicon: o.silicon ?? silicon,
    spec: asked,
    manifest: asked.restore!.manifest,
    firmware: o.firmware ?? firmware.bytes,
    vCPUs: 1,
  })
}
const judged = async (
  evidence: Awaited<ReturnType<typeof offered>>['evidence'],
): ReturnType<typeof verifyRestoreOffer> =>
  await verifyRestoreOffer({ evidence, vmId: spec.vmId, size, manifest: sha256(manifest), roots, firmware, at })
const refusedAt = async (evidence: Awaited<ReturnType<typeof offered>>['evidence']): Promise<string[]> => {
  const { links, transferKey } = await judged(evidence)
  expect(transferKey).toBeUndefined()
  return links.filter(({ outcome }) => outcome === 'refused').map(({ id }) => id)
}

describe('a paravisor that asks for the key of a backup', () => {
  it('gets it where it is genuine, of this VM and launched for this backup', async () => {
    const { links, transferKey } = await judged((await offered()).evidence)
    expect(links.filter(({ outcome }) => outcome !== 'verified')).toEqual([])
    expect(transferKey?.['kid']).toBe('HCLTransferKey')
  })

  it('gets none where it is a program of the host’s, of another processor, VM or backup (attack H18)', async () => {
    const changed = firmware.bytes.slice()
    changed[changed.length >> 1]! ^= 1
    expect(await refusedAt((await offered({ firmware: changed })).evidence)).toEqual(['measurement'])
    const foreign = await offered({ silicon: another })
    expect(await refusedAt(foreign.evidence)).toContain('silicon')
    const other = { ...spec, vmId: '3A1B2C3D-0000-4000-8000-00000000000B' }
    expect(await refusedAt((await offered({ spec: other })).evidence)).toEqual(['claims'])
    expect(await refusedAt((await offered({ spec: { ...spec, restore: { manifest: older } } })).evidence)).toEqual([
      'backup',
    ])
  })

  it('gets none where the host put a transfer key of its own into the claims (attack H18)', async () => {
    const { evidence } = await offered()
    const claims = JSON.parse(Buffer.from(evidence.runtimeClaims, 'base64url').toString()) as { keys: { n: string }[] }
    const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
    claims.keys[0]!.n = n
    const runtimeClaims = Buffer.from(JSON.stringify(claims)).toString('base64url')
    expect(await refusedAt({ ...evidence, runtimeClaims })).toEqual(['claims'])
  })
})

describe('what a host returns as a backup', () => {
  const akSpki = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' })
  /** A report over a manifest, with its quote where the silicon makes one, and the boot it claims to be from. */
  async function reported(
    o: { manifest?: string; spec?: InstanceSpec; on?: Silicon } = {},
  ): Promise<Omit<Parameters<typeof verifyBackupReport>[0], 'manifest' | 'roots' | 'at' | 'vmId'>> {
    const of = o.spec ?? spec
    const launched = await launchOnSilicon({ silicon: o.on ?? silicon, spec: of, firmware: firmware.bytes, vCPUs: 1 })
    const claims = vtpmClaims({ spec: of, akSpki, userData: Buffer.from(sha256(o.manifest ?? manifest), 'hex') })
    const made = await launched.report(claims)
    const report = buildHclReport({ hardwareReport: made.bytes, reportType: of.tee, claims })
    const shown = await made.evidence()
    const quote = shown.kind === 'TDX' ? Buffer.from(shown.quote, 'base64url') : undefined
    return { report, quote, evidence: { tee: of.tee, silicon: shown } }
  }
  const linkOf = async (
    o: Awaited<ReturnType<typeof reported>>,
    vmId = spec.vmId,
  ): ReturnType<typeof verifyBackupReport> =>
    await verifyBackupReport({ ...o, vmId, manifest: sha256(manifest), roots, at })
  const outcomeOf = async (...o: Parameters<typeof linkOf>): Promise<string> => (await linkOf(...o)).outcome
  const tdx: InstanceSpec = { ...spec, tee: 'TDX' }

  it('is one where the VM’s processor reported its manifest', async () => {
    for (const of of [spec, tdx])
      expect(await linkOf(await reported({ spec: of }))).toMatchObject({
        outcome: 'verified',
        restsOn: expect.arrayContaining(['silicon', 'verifier']) as string[],
      })
  })

  it('is none with a TDREPORT that no quote vouches for, which anybody can write (attack H28)', async () => {
    const { quote: _, ...bare } = await reported({ spec: tdx })
    expect(await linkOf(bare)).toMatchObject({ outcome: 'refused', code: 'QuoteMissing' })
    const older = await reported({ spec: tdx, manifest: 'older' })
    const { report } = await reported({ spec: tdx })
    expect(await outcomeOf({ ...older, report })).toBe('refused')
  })

  it('is none where the host returns the genuine backup of a VM of its own (attack H28)', async () => {
    const other = { ...spec, vmId: '3A1B2C3D-0000-4000-8000-00000000000B' }
    const own = await reported({ spec: other })
    expect(await outcomeOf(own, other.vmId)).toBe('verified')
    expect(await linkOf(own)).toMatchObject({
      outcome: 'refused',
      why: 'The report of the backup belongs to another VM.',
      expected: spec.vmId,
    })
  })

  it('is none where it is another VM’s, an older one, or made by whoever has the recipient’s public key (attack H18)', async () => {
    const other = { ...spec, vmId: '3A1B2C3D-0000-4000-8000-00000000000B' }
    expect(await outcomeOf(await reported({ spec: other }))).toBe('refused')
    expect(await outcomeOf(await reported({ manifest: older }))).toBe('refused')
    const forged = await reported({ on: another })
    expect(await outcomeOf({ ...forged, evidence: (await reported()).evidence })).toBe('refused')
    const genuine = await reported()
    const claims = vtpmClaims({ spec, akSpki, userData: Buffer.from(sha256(older), 'hex') })
    const rebound = buildHclReport({
      hardwareReport: genuine.report.subarray(32, 32 + 1184),
      reportType: 'SNP',
      claims,
    })
    expect(await outcomeOf({ ...genuine, report: rebound })).toBe('refused')
  })
})
