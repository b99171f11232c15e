import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ImageRecord, SecurityEncryptionType } from '@strongroom/contract'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionTypes, readPartitions } from './gpt.ts'
import { inspectLuks } from './luks.ts'
import { createOsDisk } from './os-disk.ts'
import { repart } from './repart.ts'

/** Public area of an ECC P-256 storage key, as swtpm gave it out. */
const srkPublic = Buffer.from(
  '005a0023000b0003047200000006008000430010000300100020bdb6d3e64a8ed073c1ad6bd1322b4902442791c755f45276fa1853b9fd9e63a40020171770cbb7e54da1a7288464f15f41369ea4ec14aedf0b039850969bdc726b06',
  'hex',
)
const marker = 'what the tenant wrote into the image'
const gibibyte = 1024 ** 3

let directory: string
let image: ImageRecord

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-os-disk-'))
  const [tree, path] = [join(directory, 'tree'), join(directory, 'image.raw')]
  await run({ command: 'mkdir', args: [tree] })
  await writeFile(join(tree, 'marker'), `${marker}\n`.repeat(300))
  await run({
    command: 'mke2fs',
    args: ['-q', '-t', 'ext4', '-b', '4096', '-d', tree, join(directory, 'root.ext4'), '16M'],
  })
  await writeFile(join(directory, 'esp'), Buffer.alloc(1024 ** 2, 1))
  await repart({
    disk: path,
    directory: join(directory, 'repart.d'),
    create: true,
    partitions: [
      [['Type', 'esp'], ['CopyBlocks', join(directory, 'esp')]], // prettier-ignore
      [['Type', 'root-x86-64'], ['CopyBlocks', join(directory, 'root.ext4')]], // prettier-ignore
    ],
  })
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
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** As much of the disk as the image's content reaches. */
async function start(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024 ** 2), 0, 64 * 1024 ** 2, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

async function make(name: string, encryption: SecurityEncryptionType, sizeGiB = 1): Promise<string> {
  const out = join(directory, name)
  const pcrs = { 7: new Uint8Array(32).fill(7), 11: new Uint8Array(32).fill(11) }
  await createOsDisk({ image, encryption, sizeGiB, tpm: { srkPublic }, pcrs, out })
  return out
}

describe('an OS disk encrypted with the VM', () => {
  it('holds nothing of the image in the clear and opens by the virtual TPM alone', async () => {
    const disk = await make('encrypted.raw', 'DiskWithVMGuestState')
    expect((await start(image.path)).includes(marker)).toBe(true)
    expect((await start(disk)).includes(marker)).toBe(false)
    const luks = await inspectLuks(disk)
    expect(luks).toMatchObject({ cipher: 'aes-xts-plain64', keySlots: 1 })
    expect(luks?.tpm).toEqual({ pcrs: [7, 11], bank: 'sha256', pin: false, keySlots: ['0'] })
  })

  it('has a volume key and identifiers that no other disk of the same image has', async () => {
    const [first, second] = [
      await make('first.raw', 'DiskWithVMGuestState'),
      await make('second.raw', 'DiskWithVMGuestState'),
    ]
    expect((await inspectLuks(first))?.uuid).not.toBe((await inspectLuks(second))?.uuid)
    const [one, two] = [await readPartitions(first), await readPartitions(second)]
    expect(one?.map(({ id }) => id)).not.toEqual(two?.map(({ id }) => id))
    const root = one?.[1]
    expect(root?.type).toBe(partitionTypes.rootX64)
    const data = (root?.offset ?? 0) + 16 * 1024 ** 2
    const block = async (disk: string): Promise<Buffer> => (await start(disk)).subarray(data, data + 4096)
    expect((await block(first)).equals(await block(second))).toBe(false)
  })

  it('is as large as asked for, readable by its owner only, and leaves nothing else behind', async () => {
    const disk = await make('large.raw', 'DiskWithVMGuestState', 2)
    const { size, mode, blocks } = await stat(disk)
    expect(size).toBe(2 * gibibyte)
    expect(mode & 0o777).toBe(0o600)
    expect(blocks * 512).toBeLessThan(gibibyte / 4)
    const root = (await readPartitions(disk))?.[1]
    expect((root?.offset ?? 0) + (root?.sizeBytes ?? 0)).toBeGreaterThan(2 * gibibyte - 2 * 1024 ** 2)
    expect((await readdir(directory)).filter((name) => name.startsWith('.os-disk-'))).toEqual([])
  })
})

describe('an OS disk that is not encrypted', () => {
  it('is the image, grown to the size asked for, and says that it is not encrypted', async () => {
    const disk = await make('plain.raw', 'VMGuestStateOnly')
    expect((await start(disk)).includes(marker)).toBe(true)
    expect(await inspectLuks(disk)).toBeUndefined()
    const { size, mode } = await stat(disk)
    expect(size).toBe(gibibyte)
    expect(mode & 0o777).toBe(0o600)
  })
})

describe('a disk that cannot be made', () => {
  it('is refused when it is smaller than its image, with the size that would do', async () => {
    await expect(make('small.raw', 'VMGuestStateOnly', 0)).rejects.toMatchObject({
      code: 'OsDiskTooSmall',
      expected: 'at least 1 GiB',
      found: '0 GiB',
    })
  })

  it('is refused when the image has no partitions', async () => {
    const path = join(directory, 'empty.raw')
    await writeFile(path, new Uint8Array(1024 * 1024))
    const request = { image: { ...image, path }, encryption: 'VMGuestStateOnly' as const, sizeGiB: 1 }
    const pcrs = { 7: new Uint8Array(32), 11: new Uint8Array(32) }
    await expect(
      createOsDisk({ ...request, tpm: { srkPublic }, pcrs, out: join(directory, 'x.raw') }),
    ).rejects.toMatchObject({
      code: 'ImageNotQualified',
      found: 'no partition table',
    })
  })

  it('leaves neither a disk nor parts of one when it is given up', async () => {
    const out = join(directory, 'aborted.raw')
    const pcrs = { 7: new Uint8Array(32), 11: new Uint8Array(32) }
    const signal = AbortSignal.abort()
    const request = {
      image,
      encryption: 'DiskWithVMGuestState' as const,
      sizeGiB: 1,
      tpm: { srkPublic },
      pcrs,
      out,
      signal,
    }
    await expect(createOsDisk(request)).rejects.toThrow()
    const left = (await readdir(directory)).filter((name) => name.startsWith('.os-disk-') || name === 'aborted.raw')
    expect(left).toEqual([])
  })
})
