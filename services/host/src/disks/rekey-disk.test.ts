import { createDecipheriv, randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readPartitions, type Partition } from './gpt.ts'
import { headerBytes, writeLuksHeader } from './luks-header.ts'
import { inspectLuks } from './luks.ts'
import { encryptDiskAnew } from './rekey-disk.ts'
import { repart } from './repart.ts'
import { transcrypt } from './transcrypt.ts'

const mebibyte = 1024 ** 2
const marker = Buffer.from('what the tenant wrote')
const oldKey = new Uint8Array(randomBytes(64))
const written = 3 * mebibyte + 8192

let directory: string
let disk: string
let out: string
let root: Partition
let oldUuid: string
let to: Uint8Array
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-rekey-disk-'))
  disk = join(directory, 'os-disk.raw')
  out = `${disk}.rekeyed`
  to = new Uint8Array(randomBytes(64))
  const [esp, plain] = [join(directory, 'esp'), join(directory, 'plain')]
  await writeFile(esp, Buffer.alloc(mebibyte, 7))
  await repart({
    disk,
    directory: join(directory, 'repart.d'),
    create: true,
    partitions: [
      [
        ['Type', 'esp'],
        ['CopyBlocks', esp],
      ],
      [
        ['Type', 'root-x86-64'],
        ['SizeMinBytes', `${64 * mebibyte}`],
      ],
    ],
  })
  root = (await readPartitions(disk))![1]!
  const content = Buffer.alloc(written, 3)
  marker.copy(content, mebibyte + 100)
  await writeFile(plain, content)
  const target = { path: disk, offset: root.offset + headerBytes }
  await transcrypt({ from: { path: plain, offset: 0 }, to: target, length: written, newKey: oldKey })
  oldUuid = await writeLuksHeader({ disk, offset: root.offset, volumeKey: oldKey, runtimeDir: directory })
  for (const path of [esp, plain]) await rm(path)
  await rm(join(directory, 'repart.d'), { recursive: true, force: true })
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const rekey = async (signal = new AbortController().signal): Promise<string> =>
  await encryptDiskAnew({ disk, out, keys: { from: oldKey, to }, runtimeDir: directory, signal })

async function part(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    return (await file.read(Buffer.alloc(length), 0, length, offset)).buffer
  } finally {
    await file.close()
  }
}

/** The volume's beginning as dm-crypt shows it under a key. */
async function opened(path: string, key: Uint8Array): Promise<Buffer> {
  const content = await part(path, root.offset + headerBytes, written)
  for (let at = 0; at < written; at += 4096) {
    const tweak = Buffer.alloc(16)
    tweak.writeBigUInt64LE(BigInt(at / 512))
    createDecipheriv('aes-256-xts', key, tweak)
      .update(content.subarray(at, at + 4096))
      .copy(content, at)
  }
  return content
}

describe('a disk whose volume key is replaced', () => {
  it('opens with the new key alone, and the old one with the old key alone (attack H44)', async () => {
    const before = await readFile(disk)
    const uuid = await rekey()
    const plain = await opened(disk, oldKey)
    expect(plain.includes(marker)).toBe(true)
    expect((await opened(out, to)).equals(plain)).toBe(true)
    expect((await opened(out, oldKey)).includes(marker)).toBe(false)
    expect((await opened(disk, to)).includes(marker)).toBe(false)
    expect(await inspectLuks(out)).toEqual({ uuid, cipher: 'aes-xts-plain64', keySlots: 0 })
    expect(uuid).not.toBe(oldUuid)
    expect((await readFile(disk)).equals(before)).toBe(true)
  })

  it('has partitions, boot files and size as before, is its owner’s alone, and shows no key', async () => {
    await rekey()
    expect(await readPartitions(out)).toEqual(await readPartitions(disk))
    expect((await part(out, 0, root.offset)).equals(await part(disk, 0, root.offset))).toBe(true)
    const [made, old] = [await stat(out), await stat(disk)]
    expect([made.size, made.mode & 0o777]).toEqual([old.size, 0o600])
    const end = root.offset + root.sizeBytes
    expect((await part(out, end, made.size - end)).equals(await part(disk, end, old.size - end))).toBe(true)
    expect((await readFile(out)).includes(Buffer.from(to))).toBe(false)
    expect((await readdir(directory)).toSorted()).toEqual(['os-disk.raw', 'os-disk.raw.rekeyed'])
  })

  it('takes no more room than before: what was never written stays a hole', async () => {
    await rekey()
    // Outside of the volume, a hole has a mebibyte.
    expect((await stat(out)).blocks).toBeLessThanOrEqual((await stat(disk)).blocks + (2 * mebibyte) / 512)
    const never = await part(out, root.offset + headerBytes + written, 4096)
    expect(never.equals(Buffer.alloc(4096))).toBe(true)
  })

  it('is gone again where it is interrupted', async () => {
    await expect(rekey(AbortSignal.abort(new Error('the VM is deleted')))).rejects.toThrow('the VM is deleted')
    expect(await readdir(directory)).toEqual(['os-disk.raw'])
  })

  it('replaces what an interrupted attempt left', async () => {
    await writeFile(out, 'half')
    await rekey()
    expect((await opened(out, to)).includes(marker)).toBe(true)
  })
})
