import { createHash, hash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { backupNamespace, type BackupManifest } from '@strongroom/contract'
import { backupChunk, BackupInvalid, readBackupManifest } from '@strongroom/contract/backup-manifest'
import { EvidenceError, verifySshSignature } from '@strongroom/evidence'
import { CliError } from '../core/cli-error.ts'
import { keygenSign } from '../core/ssh-signature.ts'

/** One backup in a folder of backups: a full one, or the changes since the previous one. */
export interface StoredBackup {
  directory: string
  /** From 0, which is full. */
  sequence: number
  jws: string
  /** SHA-256 of the manifest, hexadecimal. */
  digest: string
  manifest: BackupManifest
  /** SHA-256 of each chunk, by disk. */
  digests: Map<string, Buffer>
}

const nameOf = (sequence: number): string => String(sequence).padStart(4, '0')
export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** What its owner signs for each backup: its identity, and its predecessor. */
const ownersWord = (digest: string, sequence: number, base: string | undefined): string =>
  `strongroom-backup-manifest 1\nsequence: ${sequence}\nmanifest: ${digest}\nbase: ${base ?? 'none'}\n`

const zeroDigest: Buffer = hash('sha256', Buffer.alloc(backupChunk), 'buffer')

export const digestAt = (digests: Buffer, index: number): Buffer => digests.subarray(index * 32, index * 32 + 32)

/** The chunks of a disk that a backup stores in NAME.chunks, in order: not those that are zero or unchanged since the previous backup. */
export function storedChunks(digests: Buffer, base: Buffer | undefined): number[] {
  const all = Array.from({ length: digests.length / 32 }, (_, index) => index)
  return all.filter((index) => {
    const digest = digestAt(digests, index)
    return !digest.equals(zeroDigest) && (base === undefined || !digest.equals(digestAt(base, index)))
  })
}

/** The backups of a folder in their order. @throws CliError BackupIncomplete, BackupNotRead, BackupNotSigned, BackupAltered */
export async function readFolder(directory: string, ownerKeys: readonly string[]): Promise<StoredBackup[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => /^\d{4}$/.test(name)).toSorted()
  const backups: StoredBackup[] = []
  for (const [sequence, name] of names.entries()) {
    if (name !== nameOf(sequence))
      throw incomplete(
        directory,
        nameOf(sequence),
        `${name} follows ${sequence === 0 ? 'nothing' : nameOf(sequence - 1)}`,
      )
    backups.push(await readOne(join(directory, name), sequence, backups.at(-1)?.digest, ownerKeys))
  }
  if (backups.length > 0) return backups
  throw incomplete(directory, '0000', 'no backup')
}

async function readOne(
  directory: string,
  sequence: number,
  base: string | undefined,
  ownerKeys: readonly string[],
): Promise<StoredBackup> {
  const read = async (name: string): Promise<Buffer> =>
    await readFile(join(directory, name)).catch(() => {
      throw incomplete(directory, name, 'no such file')
    })
  const jws = (await read('manifest.jws')).toString('utf8')
  const digest = sha256(jws)
  try {
    const message = Buffer.from(ownersWord(digest, sequence, base))
    const signature = (await read('owner.sig')).toString('utf8')
    await verifySshSignature({ message, signature, namespace: backupNamespace, keys: ownerKeys })
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw notSigned(directory, error)
  }
  let manifest: BackupManifest
  try {
    manifest = readBackupManifest(jws)
  } catch (error) {
    if (!(error instanceof BackupInvalid)) throw error
    const { message, expected, found } = error
    throw new CliError({
      code: 'BackupNotRead',
      message: `${message} (${directory})`,
      expected,
      found,
      remedy: 'Use a backup of strongroom vm backup.',
    })
  }
  const digests = new Map<string, Buffer>()
  for (const { name, digest: wanted, sizeBytes } of manifest.disks) {
    const found = await read(`${name}.digests`)
    if (sha256(found) !== wanted || found.length !== Math.ceil(sizeBytes / backupChunk) * 32)
      throw altered(directory, `${name}.digests`, wanted, sha256(found))
    digests.set(name, found)
  }
  return { directory, sequence, jws, digest, manifest, digests }
}

/** A file beside the disks; an increment contains only changed ones. @throws CliError BackupIncomplete, BackupAltered */
export async function readBeside(
  backups: readonly StoredBackup[],
  name: BackupManifest['files'][number]['name'],
): Promise<Buffer> {
  const newest = backups.at(-1)!
  const wanted = newest.manifest.files.find((file) => file.name === name)!
  for (const { directory } of backups.toReversed()) {
    const bytes = await readFile(join(directory, name)).catch(() => undefined)
    if (bytes === undefined) continue
    if (sha256(bytes) === wanted.sha256) return bytes
    throw altered(directory, name, wanted.sha256, sha256(bytes))
  }
  throw incomplete(newest.directory, name, 'no such file')
}

/** The content of a disk in the newest of the backups, chunk by chunk; zero chunks are omitted. */
export async function* chunksOf(
  backups: readonly StoredBackup[],
  disk: string,
): AsyncGenerator<{ index: number; bytes: Buffer }> {
  const newest = backups.at(-1)!
  const digests = newest.digests.get(disk)!
  const { sizeBytes } = newest.manifest.disks.find(({ name }) => name === disk)!
  // Where the bytes of each chunk are: in the newest backup that stored it.
  const places = new Map<number, { backup: StoredBackup; at: number }>()
  for (const [position, backup] of backups.entries()) {
    const own = backup.digests.get(disk)
    if (own === undefined) continue
    const base = backups[position - 1]?.digests.get(disk)
    storedChunks(own, base?.length === own.length ? base : undefined).forEach((index, at) =>
      places.set(index, { backup, at }),
    )
  }
  const files = new Map<string, FileHandle>()
  try {
    for (let index = 0; index * 32 < digests.length; index++) {
      const wanted = digestAt(digests, index)
      const length = Math.min(backupChunk, sizeBytes - index * backupChunk)
      if (wanted.equals(zeroDigest)) continue
      const place = places.get(index)
      if (place === undefined) throw incomplete(newest.directory, `${disk}.chunks`, `nothing of chunk ${index}`)
      const path = join(place.backup.directory, `${disk}.chunks`)
      let file = files.get(path)
      if (file === undefined) {
        file = await open(path, 'r').catch(() => {
          throw incomplete(place.backup.directory, `${disk}.chunks`, 'no such file')
        })
        files.set(path, file)
      }
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, place.at * backupChunk)
      if (bytesRead !== length || !hash('sha256', bytes, 'buffer').equals(wanted))
        throw altered(path, `chunk ${index}`, wanted.toString('hex'), hash('sha256', bytes))
      yield { index, bytes }
    }
  } finally {
    for (const file of files.values()) await file.close()
  }
}

/** A backup that is being written: it appears in the folder whole, or not at all. */
export async function beginBackup(folder: string, sequence: number): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const partial = join(folder, `${nameOf(sequence)}.partial`)
  await mkdir(partial, { recursive: true, mode: 0o700 })
  return partial
}

/** Signs and finishes it. @param o.keyPath the owner's SSH key */
export async function finishBackup(o: {
  partial: string
  folder: string
  sequence: number
  digest: string
  base: string | undefined
  keyPath: string
}): Promise<string> {
  const word = ownersWord(o.digest, o.sequence, o.base)
  await writeFile(join(o.partial, 'owner.sig'), await keygenSign(o.keyPath, word, backupNamespace), { mode: 0o600 })
  const directory = join(o.folder, nameOf(o.sequence))
  await rename(o.partial, directory)
  return directory
}

export async function sizeOfFolder(directory: string): Promise<number> {
  const sizes = (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size)
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
}

const remedy = 'Use a complete, unaltered copy of the folder.'

const incomplete = (directory: string, missing: string, found: string): CliError =>
  new CliError({
    code: 'BackupIncomplete',
    message: `The backup in ${directory} is incomplete, or its parts are out of order.`,
    expected: missing,
    found,
    remedy,
  })

const altered = (directory: string, name: string, expected: string, found: string): CliError =>
  new CliError({
    code: 'BackupAltered',
    message: `${name} of the backup in ${directory} was changed.`,
    expected,
    found,
    remedy,
  })

const notSigned = (directory: string, error: EvidenceError): CliError =>
  new CliError({
    code: 'BackupNotSigned',
    message: `The backup in ${directory} is not one that you signed in this place: ${error.message}.`,
    expected: error.expected ?? 'a signature by your SSH key over this manifest and the one before',
    found: error.found ?? 'another backup, or another order',
    remedy: 'Pass the public key that the backup was made with: --ssh-key FILE.',
  })
