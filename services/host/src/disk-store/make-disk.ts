import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { storedImageId, type ErrorDetail, type GuestIdentity, type ImageRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { copySparse, flush } from '../disks/sparse.ts'
import { describeImage } from '../image/describe.ts'
import { convertToRaw, detectFormat } from '../image/disk-format.ts'
import { extraCertificate, takeDisk } from '../image/import.ts'
import { qualify } from '../image/qualification.ts'
import type { StoredFiles } from '../disks/stored/record.ts'

/** Where a disk is copied from. */
export interface DiskFiles {
  disk: string
  guestState?: string
  /** PEM; db of VMs created from the disk. */
  certificates?: string
  guest?: GuestIdentity
}

/** Copies a raw disk; it appears whole or not at all. */
export async function copyDisk(from: string, to: string, signal: AbortSignal): Promise<void> {
  const partial = `${to}.partial`
  try {
    await copySparse(from, partial, signal)
    await flush(partial)
    await rename(partial, to)
  } finally {
    await rm(partial, { force: true })
  }
}

/** Imports a file of the operator's, in any image format. @throws ServiceError NotADiskImage, ImageNotFound */
export async function importFile(uri: string, to: string, signal: AbortSignal): Promise<string | undefined> {
  const path = fileURLToPath(uri)
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true) {
    throw new ServiceError({
      code: 'BlobNotFound',
      status: 400,
      message: 'The source of the import does not exist.',
      target: 'properties.creationData.sourceUri',
      expected: 'a file on this host',
      found: path,
    })
  }
  await takeDisk({ path, signal }, to)
  return await extraCertificate(path)
}

/** Converts a client's upload to a raw disk: a fixed or dynamic VHD, or raw. @throws ServiceError NotADiskImage */
export async function takeUpload(path: string, signal: AbortSignal): Promise<void> {
  const format = await detectFormat(path)
  if (format === 'raw') return
  if (format !== 'vpc') {
    throw new ServiceError({
      code: 'NotADiskImage',
      message: 'The upload is not a disk.',
      target: 'upload',
      expected: 'a VHD, or a raw disk with a partition table',
      found: format ?? 'neither',
      remedy: 'Convert it: qemu-img convert -O vpc -o subformat=fixed,force_size FILE disk.vhd',
    })
  }
  const raw = `${path}.raw`
  try {
    await convertToRaw({ from: path, format, to: raw, signal })
    await rename(raw, path)
  } finally {
    await rm(raw, { force: true })
  }
}

/**
 * Inspects a disk: an operating system to create VMs from, or every property it lacks.
 * @param o.certificates PEM; what the image's signer needs in db
 */
export async function inspectDisk(o: {
  id: string
  name: string
  files: StoredFiles
  certificates: string | undefined
  guest: GuestIdentity | undefined
}): Promise<{ image?: ImageRecord; missing: ErrorDetail[]; sizeBytes: number }> {
  const { files, guest } = o
  const sizeBytes = (await stat(files.disk)).size
  const directory = join(files.directory, 'work')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  try {
    const { refusals, encryptionReasons } = await qualify({
      disk: files.disk,
      bootFile: files.boot,
      directory,
      ...(o.certificates !== undefined && o.certificates.trim() !== '' && { extraCertificates: o.certificates }),
    })
    const missing = [...refusals, ...encryptionReasons.map(asDetail)]
    if (refusals.length > 0) return { missing, sizeBytes }
    await writeFile(files.certificates, o.certificates ?? '', { mode: 0o600 })
    const encrypted = guest?.encryption === 'DiskWithVMGuestState'
    const image = await describeImage({
      id: storedImageId(o.id),
      name: o.name,
      directory: files.directory,
      source: 'capture',
      qualifies: {
        confidential: true,
        diskEncryption: encrypted || encryptionReasons.length === 0,
        reasons: encrypted ? [] : encryptionReasons,
      },
    })
    if (guest !== undefined) image.guestState = { encryption: guest.encryption, secureBoot: guest.secureBoot }
    return { image, missing: encrypted ? [] : missing, sizeBytes }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const asDetail = (reason: string): ErrorDetail => ({
  code: 'NoDiskEncryption',
  message: reason,
  target: 'image',
  innererror: {
    expected: 'an image whose root can be encrypted',
    found: reason,
    remedy: 'Use it with VMGuestStateOnly, or fix the image.',
  },
})
