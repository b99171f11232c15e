import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { ErrorDetail, ImageRecord } from '@strongroom/contract'
import { EvidenceError, parsePem } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import { toPem, imageFiles } from '@strongroom/paravisor/expected'
import { imageDirectory, imagesDirectory } from './catalog.ts'
import { describeImage } from './describe.ts'
import { convertToRaw, detectFormat, refersToOtherFiles } from './disk-format.ts'
import { qualify } from './qualification.ts'

const namePattern = /^[a-z0-9][a-z0-9.-]{0,62}$/

/**
 * Imports a raw, qcow2 or VHD image into the cache. A certificate in `{path}.db.pem` goes into db of VMs created from
 * it.
 * @throws ServiceError ImageNotQualified with every reason in `details`; NotADiskImage; ImageNotFound; InvalidParameter
 */
export async function importImage(o: {
  cacheDir: string
  /** Absolute path of the image file. */
  path: string
  /** Lower-case letters, digits, dots and hyphens. */
  name: string
  signal?: AbortSignal
}): Promise<ImageRecord> {
  requireName(o.name)
  await requireFile(o.path)
  const id = `${o.name}-${randomBytes(6).toString('hex')}`
  const partial = join(imagesDirectory(o.cacheDir), `.partial-${id}`)
  const work = join(partial, 'work')
  await mkdir(work, { recursive: true, mode: 0o700 })
  try {
    await takeDisk(o, join(partial, imageFiles.disk))
    const certificate = await extraCertificate(o.path)
    const bootFile = join(partial, imageFiles.boot)
    const { refusals, encryptionReasons } = await qualify({
      disk: join(partial, imageFiles.disk),
      bootFile,
      directory: work,
      ...(certificate !== undefined && { extraCertificates: certificate }),
    })
    if (refusals.length > 0) throw notQualified(o.path, refusals)
    await writeFile(join(partial, imageFiles.certificates), certificate ?? '', { mode: 0o644 })
    const record = await describeImage({
      id,
      name: o.name,
      directory: partial,
      source: 'import',
      qualifies: { confidential: true, diskEncryption: encryptionReasons.length === 0, reasons: encryptionReasons },
    })
    await writeFile(join(partial, imageFiles.record), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
    await rm(work, { recursive: true })
    await rename(partial, imageDirectory(o.cacheDir, id))
    return { ...record, path: join(imageDirectory(o.cacheDir, id), imageFiles.disk) }
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

export async function takeDisk(o: { path: string; signal?: AbortSignal }, to: string): Promise<void> {
  const format = await detectFormat(o.path)
  if (format === undefined) {
    throw new ServiceError({
      code: 'NotADiskImage',
      message: 'The file is not a disk image.',
      target: 'path',
      expected: 'a raw disk, a qcow2 image or a VHD',
      found: o.path,
      remedy: 'Convert it: qemu-img convert -O raw FILE disk.raw',
    })
  }
  if (await refersToOtherFiles(o.path, format)) {
    throw new ServiceError({
      code: 'NotADiskImage',
      message: 'The image depends on another file.',
      target: 'path',
      expected: 'an image that contains all of its data',
      found: 'a backing file or an external data file',
      remedy: 'Flatten it: qemu-img convert -O qcow2 FILE whole.qcow2',
    })
  }
  await convertToRaw({ from: o.path, format, to, ...(o.signal && { signal: o.signal }) })
}

/** The first certificate in `{path}.db.pem`; undefined without such a file. */
export async function extraCertificate(path: string): Promise<string | undefined> {
  let text: string
  try {
    text = await readFile(`${path}.db.pem`, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const [certificate] = parsePem(text)
    if (certificate !== undefined) return toPem(certificate)
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
  }
  throw new ServiceError({
    code: 'InvalidParameter',
    message: 'The certificate beside the image cannot be read.',
    target: 'path',
    expected: 'one certificate in PEM',
    found: `${path}.db.pem`,
    remedy: 'Replace or remove the file.',
  })
}

function requireName(name: string): void {
  if (namePattern.test(name)) return
  throw new ServiceError({
    code: 'InvalidParameter',
    message: 'The name is not a valid image name.',
    target: 'name',
    expected: 'up to 63 lower-case letters, digits, dots and hyphens',
    found: JSON.stringify(name.slice(0, 80)),
    remedy: 'Choose another name.',
  })
}

async function requireFile(path: string): Promise<void> {
  const found = isAbsolute(path) ? await stat(path).catch(() => undefined) : undefined
  if (found?.isFile() === true) return
  throw new ServiceError({
    code: 'ImageNotFound',
    status: 400,
    message: 'There is no image at this path.',
    target: 'path',
    expected: 'the absolute path of a file',
    found: path,
    remedy: 'Pass the path of the image on this host.',
  })
}

function notQualified(path: string, details: ErrorDetail[]): ServiceError {
  return new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `A confidential VM cannot boot the image, for ${details.length === 1 ? 'one reason' : `${details.length} reasons`}.`,
    target: 'path',
    details,
    found: path,
    remedy: 'Fix what the details list, then import again.',
  })
}
