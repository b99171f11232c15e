import { copyFile, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionTypes, readPartitions } from './gpt.ts'
import { inspectLuks } from './luks.ts'
import { copyOsDisk, encryptOsDisk, rootContent, type EncryptedVolume } from './os-disk.ts'
import { repart } from './repart.ts'

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
      [
        ['Type', 'esp'],
        ['CopyBlocks', join(directory, 'esp')],
      ],
      [
        ['Type', 'root-x86-64'],
        ['CopyBlocks', join(directory, 'root.ext4')],
      ],
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

/** The part of the disk with the image's content. */
async function start(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024 ** 2), 0, 64 * 1024 ** 2, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

const encrypt = async (name: string, sizeGiB = 1, imageKey?: Uint8Array, from = image): Promise<EncryptedVolume> =>
  await encryptOsDisk({
    image: from,
    sizeGiB,
    out: join(directory, name),
    runtimeDir: directory,
    ...(imageKey !== undefined && { imageKey }),
  })

/** An encrypted disk's file system, decrypted by cryptsetup with its LUKS2 header and the volume key. */
async function decrypted(name: string, volumeKey: Uint8Array): Promise<Buffer> {
  const root = (await readPartitions(join(directory, name)))![1]!
  const volume = join(directory, `${name}.volume`)
  const key = join(directory, `${name}.key`)
  await writeFile(key, volumeKey, { mode: 0o600 })
  const content = (await start(join(directory, name))).subarray(root.offset)
  await writeFile(volume, content)
  const slot = join(directory, 'slot')
  await writeFile(slot, 'passphrase', { mode: 0o600 })
  const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000']
  const add = ['luksAddKey', ...quick, '--key-size', '512', '--volume-key-file', key, volume, slot]
  await run({ command: 'cryptsetup', args: ['--batch-mode', ...add] })
  const force = ['--force-offline-reencrypt', '--decrypt', '--header', join(directory, `${name}.header`)]
  await run({ command: 'cryptsetup', args: ['--batch-mode', 'reencrypt', ...force, '--key-file', slot, volume] })
  return await start(volume)
}

describe('an OS disk encrypted with the VM', () => {
  it('holds nothing of the image in the clear and no key slot, and is what cryptsetup decrypts with its volume key', async () => {
    const { luksUuid, volumeKey } = await encrypt('encrypted.raw')
    const disk = join(directory, 'encrypted.raw')
    expect((await start(image.path)).includes(marker)).toBe(true)
    expect((await start(disk)).includes(marker)).toBe(false)
    expect(await inspectLuks(disk)).toEqual({ uuid: luksUuid, cipher: 'aes-xts-plain64', keySlots: 0 })
    expect((await decrypted('encrypted.raw', volumeKey)).includes(marker)).toBe(true)
  })

  it('has a volume key and identifiers that no other disk of the same image has', async () => {
    const volumes = [await encrypt('first.raw'), await encrypt('second.raw')] as const
    expect(volumes[0].luksUuid).not.toBe(volumes[1].luksUuid)
    expect(Buffer.from(volumes[0].volumeKey).equals(Buffer.from(volumes[1].volumeKey))).toBe(false)
    const [first, second] = [join(directory, 'first.raw'), join(directory, 'second.raw')]
    const [one, two] = [await readPartitions(first), await readPartitions(second)]
    expect(one?.map(({ id }) => id)).not.toEqual(two?.map(({ id }) => id))
    expect(one?.[1]?.type).toBe(partitionTypes.rootX64)
    const data = (one?.[1]?.offset ?? 0) + 16 * 1024 ** 2
    const block = async (disk: string): Promise<Buffer> => (await start(disk)).subarray(data, data + 4096)
    expect((await block(first)).equals(await block(second))).toBe(false)
  })

  it('is not made of an image whose root partition was written into (attack H29)', async () => {
    const path = join(directory, 'changed.raw')
    const out = join(directory, 'of-changed.raw')
    await copyFile(image.path, path)
    const content = await rootContent(path)
    const of = { image: { ...image, path }, sizeGiB: 1, out, runtimeDir: directory, content }
    await encryptOsDisk(of)
    await rm(out)
    const { offset, sizeBytes } = (await readPartitions(path))![1]!
    const file = await open(path, 'r+')
    await file.write(Buffer.from('unit'), 0, 4, offset + sizeBytes - 4096)
    await file.close()
    const refused = { code: 'ImageChanged', target: 'image', expected: expect.stringMatching(/^SHA-256 [0-9a-f]{64}$/) }
    await expect(encryptOsDisk(of)).rejects.toMatchObject(refused)
    expect(await readdir(directory)).not.toContain('of-changed.raw')
    const shorter = { ...of, content: { ...content, bytes: content.bytes - 4096 } }
    await expect(encryptOsDisk(shorter)).rejects.toMatchObject({ code: 'ImageChanged', found: `${sizeBytes} bytes` })
  })

  it('made of an encrypted one has its content under a key of its own', async () => {
    const captured = await encrypt('captured.raw')
    const path = join(directory, 'captured.raw')
    const made = await encrypt('of-captured.raw', 1, captured.volumeKey, { ...image, path })
    expect(Buffer.from(made.volumeKey).equals(Buffer.from(captured.volumeKey))).toBe(false)
    expect((await decrypted('of-captured.raw', made.volumeKey)).includes(marker)).toBe(true)
    await expect(decrypted('of-captured.raw', captured.volumeKey)).rejects.toThrow('cryptsetup')
  })

  it('is as large as asked for, readable by its owner only, and leaves nothing else behind', async () => {
    await encrypt('large.raw', 2)
    const disk = join(directory, 'large.raw')
    const { size, mode, blocks } = await stat(disk)
    expect(size).toBe(2 * gibibyte)
    expect(mode & 0o777).toBe(0o600)
    expect(blocks * 512).toBeLessThan(gibibyte / 4)
    const root = (await readPartitions(disk))?.[1]
    expect((root?.offset ?? 0) + (root?.sizeBytes ?? 0)).toBeGreaterThan(2 * gibibyte - 2 * 1024 ** 2)
    const left = (await readdir(directory)).filter((name) =>
      /^\.os-disk-|^header$|^volume.key$|^passphrase$/.test(name),
    )
    expect(left).toEqual([])
  })
})

describe('an OS disk that is not encrypted', () => {
  it('is the image, grown to the size asked for, and says that it is not encrypted', async () => {
    const disk = join(directory, 'plain.raw')
    await copyOsDisk({ image, sizeGiB: 1, out: disk })
    expect((await start(disk)).includes(marker)).toBe(true)
    expect(await inspectLuks(disk)).toBeUndefined()
    const { size, mode } = await stat(disk)
    expect(size).toBe(gibibyte)
    expect(mode & 0o777).toBe(0o600)
  })
})

describe('a disk that cannot be made', () => {
  it('is refused when it is smaller than its image, with the size that would do', async () => {
    await expect(copyOsDisk({ image, sizeGiB: 0, out: join(directory, 'small.raw') })).rejects.toMatchObject({
      code: 'OsDiskTooSmall',
      expected: 'at least 1 GiB',
      found: '0 GiB',
    })
  })

  it('is refused when the image has no partitions', async () => {
    const path = join(directory, 'empty.raw')
    await writeFile(path, new Uint8Array(1024 * 1024))
    await expect(
      copyOsDisk({ image: { ...image, path }, sizeGiB: 1, out: join(directory, 'x.raw') }),
    ).rejects.toMatchObject({ code: 'ImageNotQualified', found: 'no partition table' })
  })

  it('leaves neither a disk nor parts of one when it is given up', async () => {
    const runtimeDir = join(directory, 'runtime')
    await mkdir(runtimeDir)
    const out = join(directory, 'aborted.raw')
    await expect(encryptOsDisk({ image, sizeGiB: 1, out, runtimeDir, signal: AbortSignal.abort() })).rejects.toThrow()
    const left = (await readdir(directory)).filter((name) => name.startsWith('.os-disk-') || name === 'aborted.raw')
    expect([left, await readdir(runtimeDir)]).toEqual([[], []])
  })
})
