import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ImageManifest, ImageRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { findImage } from '../image/catalog.ts'
import { imageFiles } from '@strongroom/paravisor/expected'

const names = [imageFiles.disk, imageFiles.boot, imageFiles.certificates] as const

/** This machine's images, as joined hosts fetch them: each file by its content's digest. */
export class ImageManifests {
  readonly #cacheDir: string
  /** SHA-256 by file, length and modification time: images' files are large and do not change. */
  readonly #digests = new Map<string, Promise<string>>()

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir
  }

  /** @throws ServiceError ImageNotFound */
  async of(id: string): Promise<ImageManifest> {
    const record = await this.#find(id)
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(dirname(record.path), name)
        const { size, mtimeMs } = await stat(path)
        return { name, sha256: await this.#digest(path, `${path} ${size} ${mtimeMs}`), bytes: size }
      }),
    )
    const { path: _path, ...told } = record
    return { record: told, files }
  }

  /** @throws ServiceError ImageNotFound */
  async file(id: string, sha256: string): Promise<Duplex> {
    const found = (await this.of(id)).files.find((file) => file.sha256 === sha256)
    if (found === undefined) throw missing(id)
    const path = join(dirname((await this.#find(id)).path), found.name)
    return Duplex.from(createReadStream(path, { highWaterMark: 1024 * 1024 }))
  }

  async #find(id: string): Promise<ImageRecord> {
    const record = await findImage(this.#cacheDir, id)
    if (record === undefined) throw missing(id)
    return record
  }

  async #digest(path: string, key: string): Promise<string> {
    const known = this.#digests.get(key)
    if (known !== undefined) return await known
    const hash = createHash('sha256')
    const digest = pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash).then(() => hash.digest('hex'))
    this.#digests.set(key, digest)
    digest.catch(() => this.#digests.delete(key))
    return await digest
  }
}

const missing = (id: string): ServiceError =>
  new ServiceError({
    code: 'ImageNotFound',
    status: 404,
    message: `This host has no image ${id.slice(0, 100)}.`,
    target: 'image',
    expected: 'an image of `strongroom image list`',
    found: id.slice(0, 100),
    remedy: 'Build or import it: strongroom image build',
  })
