import { chmod, mkdtemp, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ImageRecord, SecurityEncryptionType } from '@strongroom/contract'
import { ServiceError, storageFull } from '@strongroom/platform'
import { partitionTypes, readPartitions, type Partition } from './gpt.ts'
import { resealDisk } from './luks-keys.ts'
import { repart } from './repart.ts'
import { copySparse, digHoles, extractRange, flush } from './sparse.ts'

const gibibyte = 1024 ** 3

export interface OsDiskRequest {
  image: ImageRecord
  encryption: SecurityEncryptionType
  sizeGiB: number
  /** TPM2B_PUBLIC of the VM's storage root key. Its private part is not needed: the VM's own TPM imports the sealed key. */
  tpm: { srkPublic: Uint8Array }
  /** SHA-256 values at the moment at which the initrd opens the disk. */
  pcrs: { 7: Uint8Array; 11: Uint8Array }
  /** Raw disk to write, mode 0600; appears whole or not at all. */
  out: string
  /** The image's root is encrypted already, under this passphrase: it gets a volume key and a seal of its own. */
  captured?: { diskKey: Uint8Array; /** Memory-backed. */ runtimeDir: string }
  signal?: AbortSignal
}

/**
 * Makes a VM's OS disk from an image. With DiskWithVMGuestState the root file system lies in LUKS2 under a fresh volume
 * key, sealed to the VM's TPM and the expected PCRs 7 and 11; no passphrase and no recovery key exist. Otherwise the
 * disk is a copy. Either is as large as asked for; the guest grows its file system at its first boot.
 * @throws ServiceError OsDiskTooSmall, ImageNotQualified, StorageFull
 */
export async function createOsDisk(o: OsDiskRequest): Promise<void> {
  const sizeBytes = o.sizeGiB * gibibyte
  const encrypted = o.encryption === 'DiskWithVMGuestState'
  const { esp, root } = await imagePartitions(o.image)
  await requireSize(
    o,
    sizeBytes,
    esp.sizeBytes + root.sizeBytes + (encrypted && o.captured === undefined ? 64 * 1024 ** 2 : 0),
  )
  await requireSpace(o, encrypted ? root.sizeBytes : 0)
  // Beside its final place, so that the last step is a rename; 0700, because systemd-repart's files are readable to all.
  const directory = await mkdtemp(join(dirname(o.out), '.os-disk-'))
  const signal = o.signal && { signal: o.signal }
  try {
    const disk = join(directory, 'disk.raw')
    if (o.captured !== undefined) await resealedDisk(o, { ...o.captured, directory, disk })
    else if (encrypted) await encryptedDisk(o, { directory, disk, esp, root })
    else await copySparse(o.image.path, disk, o.signal)
    await repart({
      disk,
      directory: join(directory, 'grow'),
      create: false,
      sizeBytes,
      partitions: [[['Type', 'esp']], [['Type', 'root-x86-64'], ['GrowFileSystem', 'yes']]], // prettier-ignore
      ...signal,
    })
    await chmod(disk, 0o600)
    await flush(disk)
    await rename(disk, o.out)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** An OS disk that is its image, grown: nothing is sealed to anything. */
export async function copyOsDisk(o: Pick<OsDiskRequest, 'image' | 'sizeGiB' | 'out' | 'signal'>): Promise<void> {
  const none = new Uint8Array(32)
  const tpm = { srkPublic: new Uint8Array() }
  await createOsDisk({ ...o, encryption: 'VMGuestStateOnly', tpm, pcrs: { 7: none, 11: none } })
}

async function encryptedDisk(
  o: OsDiskRequest,
  at: { directory: string; disk: string; esp: Partition; root: Partition },
): Promise<void> {
  const signal = o.signal && { signal: o.signal }
  const [esp, root] = [join(at.directory, 'esp'), join(at.directory, 'root')]
  await extractRange({ from: o.image.path, offset: at.esp.offset, length: at.esp.sizeBytes, to: esp, ...signal })
  await extractRange({ from: o.image.path, offset: at.root.offset, length: at.root.sizeBytes, to: root, ...signal })
  const devicePublicKey = join(at.directory, 'srk.public')
  await writeFile(devicePublicKey, o.tpm.srkPublic, { mode: 0o600 })
  await repart({
    disk: at.disk,
    directory: join(at.directory, 'encrypt'),
    create: true,
    partitions: [
      [['Type', 'esp'], ['Label', 'esp'], ['CopyBlocks', esp]], // prettier-ignore
      // No larger than the file system yet: what is encrypted in place is written whole, and the rest of the disk is a hole.
      [['Type', 'root-x86-64'], ['Label', 'root'], ['CopyBlocks', root], ['Encrypt', 'tpm2'], ['GrowFileSystem', 'yes']], // prettier-ignore
    ],
    tpm: { devicePublicKey, pcrs: sealedPcrs(o) },
    ...signal,
  })
  await digHoles(at.disk)
}

async function resealedDisk(
  o: OsDiskRequest,
  at: { directory: string; disk: string; diskKey: Uint8Array; runtimeDir: string },
): Promise<void> {
  const keyFile = join(at.runtimeDir, 'disk.key')
  await copySparse(o.image.path, at.disk, o.signal)
  try {
    await writeFile(keyFile, at.diskKey, { mode: 0o600 })
    await resealDisk({
      disk: at.disk,
      directory: at.directory,
      keyFile,
      srkPublic: o.tpm.srkPublic,
      pcrs: sealedPcrs(o),
      ...(o.signal && { signal: o.signal }),
    })
  } finally {
    await rm(keyFile, { force: true })
  }
}

const sealedPcrs = (o: OsDiskRequest): string => `7:sha256=${hex(o.pcrs[7])}+11:sha256=${hex(o.pcrs[11])}`

async function imagePartitions(image: ImageRecord): Promise<{ esp: Partition; root: Partition }> {
  const partitions = (await readPartitions(image.path)) ?? []
  const esp = partitions.find((partition) => partition.type === partitionTypes.esp)
  const root = partitions.find((partition) => partition.type === partitionTypes.rootX64)
  if (esp && root && esp.offset < root.offset && partitions.length === 2) return { esp, root }
  throw new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `No OS disk can be made from image ${image.id}.`,
    target: 'image',
    expected: 'a GPT with an EFI system partition followed by one root-x86-64 partition',
    found: partitions.length === 0 ? 'no partition table' : partitions.map((partition) => partition.type).join(', '),
    remedy: 'Use the reference image, or an image with these two partitions.',
  })
}

async function requireSize(o: OsDiskRequest, sizeBytes: number, neededBytes: number): Promise<void> {
  const needed = Math.max(neededBytes, (await stat(o.image.path)).size)
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= needed) return
  const leastGiB = Math.ceil(needed / gibibyte)
  throw new ServiceError({
    code: 'OsDiskTooSmall',
    status: 400,
    message: 'The OS disk is smaller than its image.',
    target: 'osDisk.sizeGiB',
    expected: `at least ${leastGiB} GiB`,
    found: `${o.sizeGiB} GiB`,
    remedy: `Ask for ${leastGiB} GiB or more.`,
  })
}

/**
 * Refuses before anything is written: a disk that fills up stops every VM and the database on it as well.
 * @param encryptedBytes what is encrypted is written whole, beside a copy of what the image really holds
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

function hex(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw new RangeError('a SHA-256 PCR has 32 bytes')
  return Buffer.from(bytes).toString('hex')
}
