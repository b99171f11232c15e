import { createHash, generateKeyPairSync } from 'node:crypto'
import type { BackupManifest, BootFacts, InstanceSpec } from '@strongroom/contract'
import { buildHclReport, signBackup, type Certificate, type TrustAnchor } from '@strongroom/evidence'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { verifyBackupReport, verifyRestoreOffer, type Roots } from '@strongroom/trust'
import { describe, expect, it } from 'vitest'
import { vtpmClaims } from '../../services/host/src/paravisor/claims.ts'
import { launchForRestore } from '../../services/host/src/paravisor/restore-guest.ts'
import { launchOnSilicon } from '../../services/host/src/paravisor/silicon.ts'
import { exampleSpec } from '../../services/host/src/testing.ts'

/** Attacks by a host that passes on the requests for backups and restores, judged as the CLI judges them. */
const clock = settableClock()
const [silicon, another] = [await createSilicon({ keys: memoryKeyStore(), clock }), await createSilicon({ keys: memoryKeyStore(), clock })] // prettier-ignore
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
  vm: { vmId: '2A1B2C3D-0000-4000-8000-00000000000B', name: 'old', size, tee: 'SNP', encryption: 'DiskWithVMGuestState', secureBoot: true }, // prettier-ignore
  generation: 7,
  settled: 'aG9zdG5hbWU',
  identity: { akSpki: 'AAAA', ekSpki: 'AAAA' },
  image: { id: 'a', name: 'a', version: '1', path: '', sizeBytes: 1, sha256: '', builtAt: '', source: 'reference', osType: 'Linux', qualifies: { confidential: true, diskEncryption: true, reasons: [] }, os: { id: 'a', versionId: '1', kernel: '1' } }, // prettier-ignore
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
  // prettier-ignore
  const asked = o.spec ?? spec
  return await launchForRestore({ silicon: o.silicon ?? silicon, spec: asked, manifest: asked.restore!.manifest, firmware: o.firmware ?? firmware.bytes, vCPUs: 1 }) // prettier-ignore
}
const judged = async (
  evidence: Awaited<ReturnType<typeof offered>>['evidence'],
): ReturnType<typeof verifyRestoreOffer> =>
  await verifyRestoreOffer({ evidence, vmId: spec.vmId, size, manifest: sha256(manifest), roots, firmware, at })
const refusedAt = async (evidence: Awaited<ReturnType<typeof offered>>['evidence']): Promise<string[]> => {
  const { links, transferKey } = await judged(evidence)
  expect(transferKey).toBeUndefined()
  return links.filter(({ outcome }) => outcome !== 'verified').map(({ id }) => id)
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
    expect(await refusedAt((await offered({ spec: { ...spec, restore: { manifest: older } } })).evidence)).toEqual(['backup']) // prettier-ignore
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
  /** A report over a manifest, and the boot it claims to be from. */
  async function reported(
    o: { manifest?: string; spec?: InstanceSpec; on?: Silicon } = {},
  ): Promise<{ report: Uint8Array; evidence: BootFacts }> {
    // prettier-ignore
    const of = o.spec ?? spec
    const launched = await launchOnSilicon({ silicon: o.on ?? silicon, spec: of, firmware: firmware.bytes, vCPUs: 1 })
    const claims = vtpmClaims({ spec: of, akSpki, userData: Buffer.from(sha256(o.manifest ?? manifest), 'hex') })
    const made = await launched.report(claims)
    const report = buildHclReport({ hardwareReport: made.bytes, reportType: 'SNP', claims })
    return { report, evidence: { vmId: spec.vmId, tee: 'SNP', silicon: await made.evidence() } as unknown as BootFacts }
  }
  const outcomeOf = async (o: Awaited<ReturnType<typeof reported>>): Promise<string> =>
    (await verifyBackupReport({ ...o, manifest: sha256(manifest), roots, at })).outcome

  it('is one where the VM’s processor reported its manifest', async () => {
    expect(await outcomeOf(await reported())).toBe('verified')
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
