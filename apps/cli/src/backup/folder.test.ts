import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackupManifest } from '@strongroom/contract'
import { backupChunk } from '@strongroom/contract/backup-manifest'
import { signBackup } from '@strongroom/evidence'
import fc from 'fast-check'
import type { Connection } from '../core/connection.ts'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beginBackup, chunksOf, finishBackup, readBeside, readFolder, sha256, storedChunks } from './folder.ts'
import { unwrapDataKey } from './recipient.ts'

const keys = await mkdtemp(join(tmpdir(), 'strongroom-keys-'))
let folder: string
let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'strongroom-folder-'))
  folder = join(root, 'backups')
})
afterEach(async () => await rm(root, { recursive: true }))
afterAll(async () => await rm(keys, { recursive: true }))

async function sshKey(name: string): Promise<{ path: string; line: string }> {
  const path = join(keys, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  return { path, line: (await readFile(`${path}.pub`, 'utf8')).trim() }
}
const [owner, storage] = [await sshKey('owner'), await sshKey('storage')]
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
await writeFile(join(keys, 'owner.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
const spki = createHash('sha256')
  .update(publicKey.export({ type: 'spki', format: 'der' }))
  .digest('hex')
const chunkCount = 5
const lastBytes = 1000

/** Content of a disk, of which each chunk is filled with a number; the last chunk is short. */
const diskOf = (chunks: readonly number[]): Buffer =>
  Buffer.concat(
    chunks.map((value, index) => Buffer.alloc(index === chunks.length - 1 ? lastBytes : backupChunk, value)),
  )
const digestsOf = (disk: Buffer): Buffer => {
  const chunks = Array.from({ length: Math.ceil(disk.length / backupChunk) }, (_, at) =>
    disk.subarray(at * backupChunk, (at + 1) * backupChunk),
  )
  return Buffer.concat(chunks.map((chunk) => createHash('sha256').update(chunk).digest()))
}

/** Adds a backup of a disk to the folder, as `strongroom vm backup` does. */
async function add(chunks: readonly number[], o: { by?: { path: string }; to?: string } = {}): Promise<void> {
  const to = o.to ?? folder
  const before = await readFolder(to, [owner.line, storage.line]).catch(() => [])
  const base = before.at(-1)
  const disk = diskOf(chunks)
  const digests = digestsOf(disk)
  const state = randomBytes(64)
  const dataKey = randomBytes(32)
  const oaep = { key: publicKey, oaepHash: 'sha256' }
  const manifest: BackupManifest = {
    version: 1,
    id: '1A1B2C3D-0000-4000-8000-00000000000B',
    madeAt: '2026-11-29T05:00:00.000Z',
    consistency: 'CrashConsistent',
    vm: {
      vmId: '2A1B2C3D-0000-4000-8000-00000000000B',
      name: 'a',
      size: 'Standard_DC2as_v5',
      tee: 'SNP',
      encryption: 'DiskWithVMGuestState',
      secureBoot: true,
    },
    generation: before.length,
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
    disks: [{ name: 'os', sizeBytes: disk.length, chunkBytes: backupChunk, digest: sha256(digests) }],
    files: [
      { name: 'guest-state', bytes: state.length, sha256: sha256(state) },
      { name: 'boot.efi', bytes: 4, sha256: sha256('boot') },
      { name: 'db.pem', bytes: 2, sha256: sha256('db') },
    ],
    recipient: { spkiSha256: spki },
    wrappedKey: publicEncrypt(oaep, dataKey).toString('base64url'),
  }
  const partial = await beginBackup(to, before.length)
  const jws = await signBackup({ payload: JSON.stringify(manifest), dataKey })
  const put = async (name: string, bytes: Uint8Array | string): Promise<void> =>
    await writeFile(join(partial, name), bytes)
  await put('manifest.jws', jws)
  await put('guest-state', state)
  if (base === undefined) {
    await put('boot.efi', 'boot')
    await put('db.pem', 'db')
  }
  await put('os.digests', digests)
  const stored = storedChunks(digests, base?.digests.get('os'))
  await put('os.chunks', Buffer.concat(stored.map((at) => disk.subarray(at * backupChunk, (at + 1) * backupChunk))))
  const keyPath = (o.by ?? owner).path
  await finishBackup({ partial, folder: to, sequence: before.length, digest: sha256(jws), base: base?.digest, keyPath })
}

const read = async (): ReturnType<typeof readFolder> => await readFolder(folder, [owner.line])
async function contentOf(backups: Awaited<ReturnType<typeof readFolder>>): Promise<Buffer> {
  const disk = Buffer.alloc((chunkCount - 1) * backupChunk + lastBytes)
  for await (const { index, bytes } of chunksOf(backups, 'os')) disk.set(bytes, index * backupChunk)
  return disk
}
const refused = (code: string): unknown => expect.objectContaining({ code })
const at = (...names: string[]): string => join(folder, ...names)
async function flip(path: string, place = 0.5): Promise<void> {
  const bytes = await readFile(path)
  bytes[Math.floor(bytes.length * place)]! ^= 1
  await writeFile(path, bytes)
}

describe('a folder of backups', () => {
  it('has each disk as it was at each backup, whatever changed in between', async () => {
    const chunks = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: chunkCount, maxLength: chunkCount })
    await fc.assert(
      fc.asyncProperty(fc.array(chunks, { minLength: 1, maxLength: 4 }), async (versions) => {
        await rm(folder, { recursive: true, force: true })
        for (const version of versions) await add(version)
        const backups = await read()
        for (const [number, version] of versions.entries())
          expect((await contentOf(backups.slice(0, number + 1))).equals(diskOf(version))).toBe(true)
      }),
      { numRuns: 8 },
    )
  })

  it('stores what changed alone, and nothing of zeros', async () => {
    await add([1, 0, 2, 0, 3])
    await add([1, 4, 2, 0, 3])
    await add([1, 0, 2, 0, 3])
    const bytes = async (name: string): Promise<number> => (await readFile(at(name, 'os.chunks'))).length
    expect([await bytes('0000'), await bytes('0001'), await bytes('0002')]).toEqual([
      2 * backupChunk + lastBytes,
      backupChunk,
      0,
    ])
    expect((await readBeside(await read(), 'boot.efi')).toString()).toBe('boot')
  })

  it('is refused where its storage altered a byte of any file (attack H19)', async () => {
    await add([1, 0, 2, 0, 3])
    await add([1, 5, 2, 0, 3])
    const whole = join(root, 'whole')
    await cp(folder, whole, { recursive: true })
    const all = async (): Promise<void> => {
      const backups = await read()
      await contentOf(backups)
      for (const { name } of backups.at(-1)!.manifest.files) await readBeside(backups, name)
    }
    await all()
    for (const [name, code] of [
      ['0000/manifest.jws', 'BackupNotSigned'],
      ['0001/manifest.jws', 'BackupNotSigned'],
      ['0001/owner.sig', 'BackupNotSigned'],
      ['0001/os.digests', 'BackupAltered'],
      ['0000/os.chunks', 'BackupAltered'],
      ['0001/os.chunks', 'BackupAltered'],
      ['0001/guest-state', 'BackupAltered'],
      ['0000/boot.efi', 'BackupAltered'],
    ] as const) {
      await flip(at(name))
      await expect(all(), name).rejects.toEqual(refused(code))
      await rm(folder, { recursive: true })
      await cp(whole, folder, { recursive: true })
    }
    await all()
  })

  it('is refused with increments missing, swapped or of another folder (attack H19)', async () => {
    for (const version of [1, 2, 3]) await add([version, 0, 2, 0, 3])
    await rename(at('0001'), at('was'))
    await expect(read()).rejects.toEqual(refused('BackupIncomplete'))
    await rename(at('0002'), at('0001'))
    await expect(read()).rejects.toEqual(refused('BackupNotSigned'))
    await rename(at('was'), at('0002'))
    await expect(read()).rejects.toEqual(refused('BackupNotSigned'))
    await rm(at('0001'), { recursive: true })
    await rm(at('0002'), { recursive: true })
    const elsewhere = join(root, 'elsewhere')
    for (const version of [7, 8]) await add([version, 0, 2, 0, 3], { to: elsewhere })
    await cp(join(elsewhere, '0001'), at('0001'), { recursive: true })
    await expect(read()).rejects.toEqual(refused('BackupNotSigned'))
    await rm(at('0001'), { recursive: true })
    await rm(at('0000', 'os.chunks'))
    await expect(contentOf(await read())).rejects.toEqual(refused('BackupIncomplete'))
  })

  it('is refused where storage made it, though it is for the owner’s key (attack H19)', async () => {
    await add([6, 6, 6, 6, 6], { by: storage })
    await expect(read()).rejects.toEqual(refused('BackupNotSigned'))
  })
})

describe('the data key of a backup', () => {
  const vault = {} as Connection

  it('is unwrapped by the owner’s private key, and by no other and by nobody without one (attack H19)', async () => {
    await add([1, 0, 0, 0, 1])
    const [backup] = await read()
    const { manifest } = backup!
    expect((await unwrapDataKey(manifest, { privateKey: join(keys, 'owner.pem'), vault })).length).toBe(32)
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    await writeFile(join(keys, 'other.pem'), other.export({ type: 'pkcs8', format: 'pem' }))
    for (const path of ['other.pem', 'owner.pub'])
      await expect(unwrapDataKey(manifest, { privateKey: join(keys, path), vault })).rejects.toEqual(
        refused('BackupKeyRefused'),
      )
    await expect(unwrapDataKey(manifest, { privateKey: undefined, vault })).rejects.toEqual(refused('BackupKeyRefused'))
    const redirected = {
      ...manifest,
      recipient: { spkiSha256: sha256(other.export({ type: 'pkcs8', format: 'der' })) },
    }
    await expect(unwrapDataKey(redirected, { privateKey: join(keys, 'owner.pem'), vault })).rejects.toEqual(
      refused('BackupKeyRefused'),
    )
  })
})
