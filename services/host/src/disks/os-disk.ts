import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdtemp, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ImageRecord } from '@strongroom/contract'
import type { RootPartition } from '@strongroom/evidence/expected'
import { ServiceError, storageFull } from '@strongroom/platform'
import { partitionTypes, readPartitions, type Partition } from './gpt.ts'
import { headerBytes, writeLuksHeader } from './luks-header.ts'
import { repart } from './repart.ts'
import { requireRoot } from './signed-content.ts'
import { copySparse, extractRange, flush } from './sparse.ts'
import { transcrypt } from './transcrypt.ts'

const gibibyte = 1024 ** 3

export interface OsDiskRequest {
  image: ImageRecord
  sizeGiB: number
  /** Raw disk to write, mode 0600; appears whole or not at all. */
  out: string
  signal?: AbortSignal
}

/** The caller wipes the key. */
export interface EncryptedVolume {
  luksUuid: string
  /** 64 bytes: AES-256-XTS. */
  volumeKey: Uint8Array
}

/**
 * Creates a VM's OS disk as a copy of its image in the requested size; the guest grows its file system at its first
 * boot.
 * @throws ServiceError OsDiskTooSmall, ImageNotQualified, StorageFull
 */
export async function copyOsDisk(o: OsDiskRequest): Promise<void> {
  const { esp, root } = await imagePartitions(o.image)
  await requireSize(o, esp.sizeBytes + root.sizeBytes)
  await requireSpace(o, 0)
  await laid(o, async ({ disk }) => await copySparse(o.image.path, disk, o.signal))
}

/**
 * Creates a VM's OS disk with the image's root file system under a new volume key. Nothing on the disk opens it: its
 * LUKS2 header has no key slot.
 * @param o.runtimeDir memory-backed
 * @param o.imageKey volume key of the image's root, if captured from an encrypted VM
 * @param o.content what the root partition must be, by the image's signed measurements; captured disks have none
 * @throws ServiceError OsDiskTooSmall, ImageNotQualified, ImageChanged, StorageFull
 */
export async function encryptOsDisk(
  o: OsDiskRequest & { runtimeDir: string; imageKey?: Uint8Array; content?: RootPartition | undefined },
): Promise<EncryptedVolume> {
  const { esp, root } = await imagePartitions(o.image)
  const skipped = o.imageKey === undefined ? 0 : headerBytes
  const content = root.sizeBytes - skipped
  await requireSize(o, esp.sizeBytes + content + headerBytes)
  await requireSpace(o, content)
  const volumeKey = randomBytes(64)
  const signal = o.signal && { signal: o.signal }
  let volume: EncryptedVolume | undefined
  await laid(o, async ({ disk, directory }) => {
    const espFile = join(directory, 'esp')
    await extractRange({ from: o.image.path, offset: esp.offset, length: esp.sizeBytes, to: espFile, ...signal })
    const size = `${content + headerBytes}`
    await repart({
      disk,
      directory: join(directory, 'encrypt'),
      create: true,
      partitions: [
        [
          ['Type', 'esp'],
          ['Label', 'esp'],
          ['CopyBlocks', espFile],
        ],
        [
          ['Type', 'root-x86-64'],
          ['Label', 'root'],
          ['SizeMinBytes', size],
        ],
      ],
      ...signal,
    })
    await rm(espFile)
    const target = await rootPartition(disk)
    const luksUuid = await writeLuksHeader({ ...o, disk, offset: target.offset, volumeKey })
    const read = await transcrypt({
      from: { path: o.image.path, offset: root.offset + skipped },
      to: { path: disk, offset: target.offset + headerBytes },
      length: content,
      ...(o.imageKey !== undefined && { oldKey: o.imageKey }),
      newKey: volumeKey,
      ...signal,
    })
    if (o.content !== undefined) requireRoot(o.image, o.content, { bytes: content, sha256: read })
    volume = { luksUuid, volumeKey }
  })
  if (volume === undefined) throw new TypeError('a disk that was written has its volume')
  return volume
}

/** SHA-256 and length of an image's root partition, as measurements of the image state it. */
export async function rootContent(path: string): Promise<RootPartition> {
  const { offset, sizeBytes: bytes } = await rootPartition(path)
  const hash = createHash('sha256')
  const end = offset + bytes - 1
  await pipeline(createReadStream(path, { start: offset, end, highWaterMark: 1024 ** 2 }), hash)
  return { sha256: hash.digest(), bytes }
}

/** Lets `fill` create the disk beside its final place, then grows and moves it. */
async function laid(o: OsDiskRequest, fill: (at: { disk: string; directory: string }) => Promise<void>): Promise<void> {
  // 0700, because systemd-repart's files are world-readable.
  const directory = await mkdtemp(join(dirname(o.out), '.os-disk-'))
  const disk = join(directory, 'disk.raw')
  try {
    await fill({ disk, directory })
    await repart({
      disk,
      directory: join(directory, 'grow'),
      create: false,
      sizeBytes: o.sizeGiB * gibibyte,
      partitions: [
        [['Type', 'esp']],
        [
          ['Type', 'root-x86-64'],
          ['GrowFileSystem', 'yes'],
        ],
      ],
      ...(o.signal && { signal: o.signal }),
    })
    await chmod(disk, 0o600)
    await flush(disk)
    await rename(disk, o.out)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export async function rootPartition(disk: string): Promise<Partition> {
  const root = (await readPartitions(disk))?.find((partition) => partition.type === partitionTypes.rootX64)
  if (root === undefined) throw new TypeError(`${disk} has no root partition`)
  return root
}

async function imagePartitions(image: ImageRecord): Promise<{ esp: Partition; root: Partition }> {
  const partitions = (await readPartitions(image.path)) ?? []
  const esp = partitions.find((partition) => partition.type === partitionTypes.esp)
  const root = partitions.find((partition) => partition.type === partitionTypes.rootX64)
  if (esp && root && esp.offset < root.offset && partitions.length === 2) return { esp, root }
  throw new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `No OS disk can be created from image ${image.id}.`,
    target: 'image',
    expected: 'a GPT with an EFI system partition followed by one root-x86-64 partition',
    found: partitions.length === 0 ? 'no partition table' : partitions.map((partition) => partition.type).join(', '),
    remedy: 'Use the reference image, or an image with these two partitions.',
  })
}

async function requireSize(o: OsDiskRequest, neededBytes: number): Promise<void> {
  const sizeBytes = o.sizeGiB * gibibyte
  const needed = Math.max(neededBytes, (await stat(o.image.path)).size)
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= needed) return
  const leastGiB = Math.ceil(needed / gibibyte)
  throw new ServiceError({
    code: 'OsDiskTooSmall',
    message: 'The OS disk is smaller than its image.',
    target: 'osDisk.sizeGiB',
    expected: `at least ${leastGiB} GiB`,
    found: `${o.sizeGiB} GiB`,
    remedy: `Ask for ${leastGiB} GiB or more.`,
  })
}

/**
 * Checks before anything is written: a full disk stops every VM and the database on it.
 * @param encryptedBytes encrypted data is written completely, next to a sparse copy of the image
 */
async function requireSpace(o: OsDiskRequest, encryptedBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(o.out))
  const needed = (await stat(o.image.path)).blocks * 512 + encryptedBytes
  if (bavail * bsize >= needed) return
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`
  throw storageFull({
    expected: `${mebibytes(needed)} free for the OS disk in ${dirname(o.out)}`,
    found: `${mebibytes(bavail * bsize)} free`,
  })
}
