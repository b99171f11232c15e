import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { ProgramError, run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { permanentState } from '../tpm/swtpm.ts'
import { exchangeKey, rootPartition } from './luks-keys.ts'
import { inspectLuks } from './luks.ts'
import { openSeal } from './open-seal.ts'
import { createOsDisk } from './os-disk.ts'
import { repart } from './repart.ts'
import { copySparse, extractRange } from './sparse.ts'

/** What boots extend, and the values that come of it. */
const digests = { 7: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)], 11: [Buffer.alloc(32, 3)] }
const extended = (list: Buffer[]): Buffer =>
  list.reduce((value, each) => createHash('sha256').update(value).update(each).digest(), Buffer.alloc(32))
const pcrs = { 7: extended(digests[7]), 11: extended(digests[11]) }
const mebibyte = 1024 ** 2
const marker = 'what the tenant wrote'

let directory: string
let image: ImageRecord
let original: string

interface Tpm {
  directory: string
  srkPublic: Uint8Array
}

async function makeTpm(name: string): Promise<Tpm> {
  const folder = join(directory, name)
  await mkdir(join(folder, 'state'), { recursive: true })
  const { srkPublic } = await manufactureTpm({ stateDir: join(folder, 'state'), runtimeDir: folder })
  return { directory: folder, srkPublic }
}

/** The passphrase of a disk, as systemd in a guest with this vTPM gets it. */
async function passphrase(tpm: Tpm, disk: string, extensions = digests): Promise<string> {
  const tpmState = join(tpm.directory, 'state', permanentState)
  const { sealed } = await openSeal({ disk, directory: tpm.directory, tpmState, extensions })
  return Buffer.from(sealed).toString('base64')
}

async function opens(disk: string, key: string): Promise<boolean> {
  const root = await rootPartition(disk)
  const volume = `${disk}.volume`
  await extractRange({ from: disk, offset: root.offset, length: Math.min(root.sizeBytes, 20 * mebibyte), to: volume })
  await writeFile(`${disk}.key`, key, { mode: 0o600 })
  try {
    await run({ command: 'cryptsetup', args: ['open', '--test-passphrase', '--key-file', `${disk}.key`, volume] })
    return true
  } catch (error) {
    if (error instanceof ProgramError) return false
    throw error
  } finally {
    await rm(volume)
  }
}

async function slice(disk: string, offset: number, length = 4096): Promise<Buffer> {
  const file = await open(disk, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** A VM's disk of the captured one. */
async function resealed(captured: string, key: string, tpm: Tpm): Promise<string> {
  const out = join(directory, `vm-${Math.random()}.raw`)
  await createOsDisk({
    image: { ...image, path: captured },
    encryption: 'DiskWithVMGuestState',
    sizeGiB: 1,
    tpm,
    pcrs,
    out,
    captured: { diskKey: Buffer.from(key), runtimeDir: tpm.directory },
  })
  return out
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-luks-keys-'))
  const [tree, path] = [join(directory, 'tree'), join(directory, 'image.raw')]
  await mkdir(tree)
  await writeFile(join(tree, 'marker'), `${marker}\n`.repeat(300))
  const root = join(directory, 'root.ext4')
  await run({ command: 'mke2fs', args: ['-q', '-t', 'ext4', '-b', '4096', '-d', tree, root, '16M'] })
  await writeFile(join(directory, 'esp'), Buffer.alloc(1024 ** 2, 1))
  const partitions = [
    [['Type', 'esp'], ['CopyBlocks', join(directory, 'esp')]], // prettier-ignore
    [['Type', 'root-x86-64'], ['CopyBlocks', root]], // prettier-ignore
  ] as [string, string][][]
  await repart({ disk: path, directory: join(directory, 'repart.d'), create: true, partitions })
  image = {
    id: 'test',
    name: 'test',
    version: '1.0.0',
    path,
    sizeBytes: (await stat(path)).size,
    sha256: '',
    builtAt: '',
    source: 'import',
    osType: 'Linux',
    qualifies: { confidential: true, diskEncryption: true, reasons: [] },
    os: { id: 'test', versionId: '1', kernel: '1' },
  }
  original = join(directory, 'original.raw')
})

afterAll(async () => await rm(directory, { recursive: true, force: true }))

describe('the disk of a captured VM', () => {
  it(
    'passes to VMs of their own vTPMs and volume keys, and is ciphertext all along',
    { timeout: 120_000 },
    async () => {
      const source = await makeTpm('source')
      await createOsDisk({ image, encryption: 'DiskWithVMGuestState', sizeGiB: 1, tpm: source, pcrs, out: original })
      const old = await passphrase(source, original)
      expect(await opens(original, old)).toBe(true)

      const captured = join(directory, 'captured.raw')
      await copySparse(original, captured)
      const [oldKeyFile, newKeyFile] = [join(directory, 'old.key'), join(directory, 'new.key')]
      await writeFile(oldKeyFile, old, { mode: 0o600 })
      await writeFile(newKeyFile, 'captured', { mode: 0o600 })
      await exchangeKey({ disk: captured, oldKeyFile, newKeyFile })
      expect(await opens(captured, 'captured')).toBe(true)
      expect(await opens(captured, old)).toBe(false)
      // The source's vTPM has nothing to open in the copy.
      expect((await inspectLuks(captured))?.tpm).toBeUndefined()
      expect((await slice(captured, 0, 64 * mebibyte)).includes(marker)).toBe(false)
      expect((await slice(image.path, 0, 64 * mebibyte)).includes(marker)).toBe(true)

      const [first, second] = [await makeTpm('first'), await makeTpm('second')]
      const disks = [await resealed(captured, 'captured', first), await resealed(captured, 'captured', second)] as const
      const keys = [await passphrase(first, disks[0]), await passphrase(second, disks[1])] as const
      expect(keys[0]).not.toBe(keys[1])
      expect(await opens(disks[0], keys[0])).toBe(true)
      expect(await opens(disks[0], 'captured')).toBe(false)
      expect(await opens(disks[1], keys[0])).toBe(false)
      await expect(passphrase(second, disks[0])).rejects.toMatchObject({ code: 'DiskSealDoesNotOpen' })
      const volumes = await Promise.all(disks.map(async (disk) => await inspectLuks(disk)))
      expect(new Set(volumes.map((volume) => volume?.uuid)).size).toBe(2)
      expect(volumes[0]).toMatchObject({ keySlots: 1, tpm: { pcrs: [7, 11], bank: 'sha256' } })
      // Under a volume key of their own the same content is other bytes in each.
      const root = await rootPartition(disks[0])
      const block = async (disk: string): Promise<string> =>
        (await slice(disk, root.offset + 17 * mebibyte)).toString('hex')
      expect(new Set(await Promise.all([captured, ...disks].map(block))).size).toBe(3)
    },
  )

  it('does not open for a vTPM whose registers say that something else booted', { timeout: 60_000 }, async () => {
    const source = { directory: join(directory, 'source'), srkPublic: new Uint8Array() }
    const other = { 7: digests[7], 11: [Buffer.alloc(32, 9)] }
    await expect(passphrase(source, original, other)).rejects.toMatchObject({ code: 'DiskSealDoesNotOpen' })
  })
})
