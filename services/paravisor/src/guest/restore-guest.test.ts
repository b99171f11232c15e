import { constants, createHash, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackupManifest, InstanceSpec } from '@strongroom/contract'
import { parseRuntimeClaims, sealBackedUpState, signBackup } from '@strongroom/evidence'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { describe, expect, it } from 'vitest'
import { settingsDigest } from '../expected/settings.ts'
import { exampleSpec } from '../testing.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { launchForRestore, type RestoringParavisor } from './restore-guest.ts'
import { requireRecorded, restoredFrom } from '../expected/restored.ts'

const silicon = await createSilicon({ keys: memoryKeyStore(), clock: settableClock() })
const dataKey = randomBytes(32)
const digest = 'ab'.repeat(32)
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
const manifestOf = (generation: number): BackupManifest => ({
  version: 1,
  id: '1A1B2C3D-0000-4000-8000-00000000000B',
  madeAt: '2026-11-29T05:00:00.000Z',
  consistency: 'CrashConsistent',
  vm: {
    vmId: '2A1B2C3D-0000-4000-8000-00000000000B',
    name: 'old',
    size: 'Standard_DC2as_v5',
    tee: 'SNP',
    encryption: 'DiskWithVMGuestState',
    secureBoot: true,
  },
  generation,
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
})
const signed = async (generation = 7, key = dataKey): Promise<string> =>
  await signBackup({ payload: JSON.stringify(manifestOf(generation)), dataKey: key })
const state = { tpm: Buffer.from('vTPM'), variables: Buffer.from('variables') }
const specOf = (manifest: string): InstanceSpec => ({ ...exampleSpec, restore: { manifest } })

const launch = async (manifest: string): Promise<RestoringParavisor> =>
  await launchForRestore({ silicon, spec: specOf(manifest), manifest, firmware: tinyFirmware(), vCPUs: 1 })
const keyOf = (paravisor: RestoringParavisor): ReturnType<typeof createPublicKey> => {
  const { keys } = parseRuntimeClaims(Buffer.from(paravisor.evidence.runtimeClaims, 'base64url'))
  return createPublicKey({ key: keys[0] as never, format: 'jwk' })
}
const envelopeOf = (paravisor: RestoringParavisor, manifest: string, key = dataKey): { envelope: string } => ({
  envelope: publicEncrypt(
    { key: keyOf(paravisor), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    Buffer.concat([key, sha256(manifest)]),
  ).toString('base64url'),
})
const refused = (code: string): unknown => expect.objectContaining({ code })

describe('a paravisor that restores a backup', () => {
  it('opens it with the owner’s key, and claims which one it was launched for', async () => {
    const manifest = await signed()
    const paravisor = await launch(manifest)
    const { configuration } = parseRuntimeClaims(Buffer.from(paravisor.evidence.runtimeClaims, 'base64url'))
    expect(configuration['restored-from']).toEqual({
      vmUniqueId: manifestOf(7).vm.vmId,
      madeAt: '2026-11-29T05:00:00.000Z',
      generation: 7,
      manifest: sha256(manifest).toString('hex'),
    })
    const opened = await paravisor.open(envelopeOf(paravisor, manifest), await sealBackedUpState(state, dataKey))
    expect(opened.manifest).toEqual(manifestOf(7))
    const { publicKey: wrappingKey, privateKey: releasedKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-opened-'))
    const path = join(directory, 'guest-state.vmgs')
    await opened.seal({ path, wrappingKey })
    const sealed = await GuestState.open({ path, vmId: exampleSpec.vmId, releasedKey, counter: 8 })
    const { generation, restored } = sealed
    expect({ tpm: sealed.tpm().toString(), generation, restored }).toEqual({
      tpm: 'vTPM',
      generation: 8,
      restored: restoredFrom(specOf(manifest)),
    })
    await sealed.close()
    await rm(directory, { recursive: true })
  })

  it('opens no other backup than the owner’s key is for, and none with an altered guest state or manifest (attack H19)', async () => {
    const [manifest, older] = [await signed(), await signed(6)]
    const sealed = await sealBackedUpState(state, dataKey)
    const paravisor = await launch(older)
    await expect(paravisor.open(envelopeOf(paravisor, manifest), sealed)).rejects.toEqual(refused('BackupAltered'))
    const another = await signed(7, randomBytes(32))
    const second = await launch(another)
    await expect(second.open(envelopeOf(second, another), sealed)).rejects.toEqual(refused('BackupAltered'))
    const third = await launch(manifest)
    const changed = Uint8Array.from(sealed, (byte, at) => (at === 40 ? byte ^ 1 : byte))
    await expect(third.open(envelopeOf(third, manifest), changed)).rejects.toEqual(refused('BackupAltered'))
    expect((await third.open(envelopeOf(third, manifest), sealed)).manifest.generation).toBe(7)
  })

  it('takes no envelope of another launch (attack H20)', async () => {
    const manifest = await signed()
    const sealed = await sealBackedUpState(state, dataKey)
    const [before, now] = [await launch(manifest), await launch(manifest)]
    await expect(now.open(envelopeOf(before, manifest), sealed)).rejects.toEqual(refused('RestoreKeyRefused'))
    await expect(now.open({ envelope: 'AAAA' }, sealed)).rejects.toEqual(refused('RestoreKeyRefused'))
  })
})

describe('the record of a restore', () => {
  it('stays in the guest state, under each data key and each generation', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-restored-'))
    try {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
      const spec = specOf(await signed())
      const path = join(directory, 'guest-state.vmgs')
      const restored = restoredFrom(spec)
      await GuestState.create({ path, vmId: spec.vmId, wrappingKey: publicKey, ...state, generation: 8, restored })
      const opened = await GuestState.open({ path, vmId: spec.vmId, releasedKey: privateKey, counter: 0 })
      await opened.advance(privateKey)
      await opened.retire()
      await opened.close()
      const again = await GuestState.open({ path, vmId: spec.vmId, releasedKey: privateKey, counter: 10 })
      expect([again.generation, again.restored]).toEqual([10, restored])
      await again.close()
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('is that of the host’s claims: none left out, none of another backup and none made up (attack H20)', async () => {
    const [spec, other] = [specOf(await signed()), specOf(await signed(6))]
    const restored = restoredFrom(spec)
    expect(() => requireRecorded(spec, restored)).not.toThrow()
    const without: { restore?: { manifest: string } } = {}
    expect(() => requireRecorded(without, undefined)).not.toThrow()
    for (const [claimed, found] of [
      [without, restored],
      [other, restored],
      [spec, undefined],
    ] as const)
      expect(() => requireRecorded(claimed, found)).toThrow(refused('RestoreNotRecorded') as Error)
  })

  it('binds the vTPM to the settings of the backup, not to those of the new VM’s record', async () => {
    const settled = Buffer.from(manifestOf(7).settled, 'base64url')
    const spec = specOf(await signed())
    expect(settingsDigest(spec, 'CA')).toEqual(createHash('sha256').update(settled).digest())
    expect(settingsDigest({ ...spec, settings: 'OnDisk' }, 'CA')).toEqual(settingsDigest(spec, 'CA'))
  })
})
