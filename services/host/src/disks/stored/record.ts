import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { storedImageId, type ImageRecord, type StoredDiskSpec, type StoredDiskStatus } from '@strongroom/contract'
import { writeFileAtomically } from '@strongroom/platform'
import { imageFiles } from '@strongroom/paravisor/expected'
import { isVmId } from '../../records/layout.ts'

/** A disk's record between starts of the server. Holds no secret. */
export interface KeptRecord {
  spec: StoredDiskSpec
  status: Omit<StoredDiskStatus, 'access'>
}

/** Files of one stored disk, under STATE/disks/{id}; an image's have an image's names. */
export interface StoredFiles {
  directory: string
  disk: string
  guestState: string
  record: string
  /** Names the Ceph pool that the content has been moved to; the disk's file is then gone. */
  pool: string
  boot: string
  certificates: string
}

export function storedFiles(stateDir: string, id: string): StoredFiles {
  if (!isVmId(id)) throw new TypeError('not the id of a disk')
  const directory = join(stateDir, 'disks', id)
  return {
    directory,
    disk: join(directory, imageFiles.disk),
    guestState: join(directory, 'guest-state.vmgs'),
    record: join(directory, 'kept.json'),
    pool: join(directory, 'ceph.json'),
    boot: join(directory, imageFiles.boot),
    certificates: join(directory, imageFiles.certificates),
  }
}

export async function readStored(stateDir: string, id: string): Promise<KeptRecord | undefined> {
  if (!isVmId(id)) return undefined
  try {
    return JSON.parse(await readFile(storedFiles(stateDir, id).record, 'utf8')) as KeptRecord
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function writeStored(stateDir: string, record: KeptRecord): Promise<void> {
  const files = storedFiles(stateDir, record.spec.id)
  await mkdir(files.directory, { recursive: true, mode: 0o700 })
  await writeFileAtomically(files.record, `${JSON.stringify(record, null, 2)}\n`)
}

export async function listStored(stateDir: string): Promise<KeptRecord[]> {
  const names = await readdir(join(stateDir, 'disks')).catch(() => [])
  const records = await Promise.all(names.map(async (name) => await readStored(stateDir, name)))
  return records.filter((record) => record !== undefined)
}

/** The image on a stored disk, by ImageRecord.id, with its current path. */
export async function findStoredImage(
  stateDir: string,
  imageId: string,
): Promise<{ image: ImageRecord; kept: KeptRecord } | undefined> {
  if (!imageId.startsWith('disk-')) return undefined
  const id = imageId.slice('disk-'.length).toUpperCase()
  const kept = await readStored(stateDir, id)
  const image = kept?.status.image
  if (kept === undefined || image === undefined || image.id !== storedImageId(id)) return undefined
  return { kept, image: { ...image, path: storedFiles(stateDir, id).disk } }
}

export const readCertificates = async (path: string): Promise<string> => await readFile(path, 'utf8').catch(() => '')
