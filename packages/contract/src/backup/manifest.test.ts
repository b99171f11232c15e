import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BackupManifest } from './backup.ts'
import { BackupInvalid, payloadOf, readBackupManifest, readBackupPayload } from './manifest.ts'

const digest = 'ab'.repeat(32)
const vmId = '0A1B2C3D-0000-4000-8000-00000000000A'
const manifest: BackupManifest = {
  version: 1,
  id: '1A1B2C3D-0000-4000-8000-00000000000B',
  madeAt: '2026-11-29T05:00:00.000Z',
  consistency: 'CrashConsistent',
  vm: {
    vmId,
    name: 'first',
    size: 'Standard_DC2as_v5',
    tee: 'SNP',
    encryption: 'DiskWithVMGuestState',
    secureBoot: true,
  },
  generation: 7,
  settled: 'aG9zdG5hbWU',
  identity: { akSpki: 'AAAA', ekSpki: 'AAAA' },
  sealedTo: { 4: digest },
  volume: digest,
  image: {
    id: 'debian-13-cvm',
    name: 'debian-13',
    version: '13',
    path: '',
    sizeBytes: 1,
    sha256: '',
    builtAt: '',
    source: 'reference',
    osType: 'Linux',
    qualifies: { confidential: true, diskEncryption: true, reasons: [] },
    os: { id: 'debian', versionId: '13', kernel: '6' },
  },
  disks: [{ name: 'os', sizeBytes: 65_536, chunkBytes: 65_536, digest }],
  files: [
    { name: 'guest-state', bytes: 1, sha256: digest },
    { name: 'boot.efi', bytes: 1, sha256: digest },
    { name: 'db.pem', bytes: 0, sha256: digest },
  ],
  recipient: { spkiSha256: digest },
  wrappedKey: 'AAAA',
}
const jwsOf = (payload: string): string => `e30.${Buffer.from(payload).toString('base64url')}.AA`

describe('the manifest of a backup', () => {
  it('is read as it was written', () => {
    expect(readBackupManifest(jwsOf(JSON.stringify(manifest)))).toEqual(manifest)
  })

  it.each<[what: string, change: object, place: string]>([
    ['of a later version', { version: 2 }, 'version'],
    ['with a member that nobody knows', { more: 1 }, 'more'],
    ['without a disk', { disks: [] }, 'disks'],
    ['with an OS disk that is not the first', { disks: [{ ...manifest.disks[0], name: 'data-1' }] }, 'disks[0].name'],
    ['with two disks of a name', { disks: [manifest.disks[0], manifest.disks[0]] }, 'disks'],
    ['with a file twice', { files: [manifest.files[0], manifest.files[0], manifest.files[1]] }, 'files'],
    [
      'with a name that leads elsewhere',
      { disks: [manifest.disks[0], { ...manifest.disks[0], name: '../os' }] },
      'disks[1].name',
    ],
    ['that says another consistency', { consistency: 'ApplicationConsistent' }, 'consistency'],
  ])('%s is refused with its place', (_what, change, place) => {
    const changed = JSON.stringify({ ...manifest, ...change })
    expect(() => readBackupPayload(changed)).toThrow(
      expect.objectContaining({ expected: expect.stringMatching(`^${place.replace(/[[\].]/g, '\\$&')}: `) }),
    )
  })

  it('refuses whatever is not one with its own error, and reads nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string().map(jwsOf), fc.json().map(jwsOf)), (text) => {
        expect(() => readBackupManifest(text)).toThrow(BackupInvalid)
      }),
    )
  })

  it('refuses a manifest of which any one value has another type', () => {
    const leaves = (value: unknown, path: string[] = []): string[][] =>
      typeof value === 'object' && value !== null
        ? [path, ...Object.entries(value).flatMap(([name, each]) => leaves(each, [...path, name]))]
        : [path]
    // An image's name is for people.
    const places = leaves(manifest).filter((path) => path.length > 0 && path[0] !== 'image')
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.constantFrom(null, [], true, -1, 1.5), (path, value) => {
        const changed = structuredClone(manifest) as unknown as Record<string, unknown>
        const parent = path
          .slice(0, -1)
          .reduce<Record<string, unknown>>((at, name) => at[name] as Record<string, unknown>, changed)
        if (parent[path.at(-1)!] === value) return
        parent[path.at(-1)!] = value
        expect(() => readBackupPayload(JSON.stringify(changed))).toThrow(BackupInvalid)
      }),
    )
  })

  it('is text of UTF-8', () => {
    expect(() => payloadOf(`e30.${Buffer.from([0xff, 0xfe]).toString('base64url')}.AA`)).toThrow(BackupInvalid)
  })
})
