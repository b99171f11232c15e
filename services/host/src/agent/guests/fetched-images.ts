import { createHash } from 'node:crypto'
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageManifest } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { findImage, imageDirectory, imagesDirectory } from '../../image/catalog.ts'
import { imageFiles } from '@strongroom/paravisor/expected'
import type { HostIdentity } from '../membership/host-identity.ts'
import { openFleetStream } from './fleet-stream.ts'

const allowed: readonly string[] = [imageFiles.disk, imageFiles.boot, imageFiles.certificates]

/** The server's images in this machine's cache: an image appears whole, each file verified by its digest, or not at all. */
export class FetchedImages {
  readonly #cacheDir: string
  readonly #manifest: (id: string) => Promise<ImageManifest>
  readonly #fetching = new Map<string, Promise<void>>()

  constructor(o: { cacheDir: string; manifest: (id: string) => Promise<ImageManifest> }) {
    this.#cacheDir = o.cacheDir
    this.#manifest = o.manifest
  }

  /** @throws ServiceError ImageNotFound, ImageChanged, PeerUnreachable */
  async ensure(identity: HostIdentity, id: string, signal: AbortSignal): Promise<void> {
    if ((await findImage(this.#cacheDir, id)) !== undefined) return
    const under = this.#fetching.get(id) ?? this.#bring(identity, id).finally(() => this.#fetching.delete(id))
    this.#fetching.set(id, under)
    await under
    signal.throwIfAborted()
  }

  async #bring(identity: HostIdentity, id: string): Promise<void> {
    const { record, files } = await this.#manifest(id)
    const partial = join(imagesDirectory(this.#cacheDir), `.fetching-${id}`)
    await rm(partial, { recursive: true, force: true })
    await mkdir(partial, { recursive: true, mode: 0o700 })
    try {
      for (const file of files) {
        if (!allowed.includes(file.name)) throw changed(file.name, allowed.join(', '), file.name)
        await fetchFile(identity, `/image/${id}/${file.sha256}`, join(partial, file.name), file)
      }
      await writeFile(join(partial, imageFiles.record), JSON.stringify(record), { mode: 0o600 })
      await rename(partial, imageDirectory(this.#cacheDir, id))
    } finally {
      await rm(partial, { recursive: true, force: true })
    }
  }
}

/** TLS delivers less at a time. */
const zeros = Buffer.alloc(1024 * 1024)

/** Holes stay holes. */
async function fetchFile(
  identity: HostIdentity,
  path: string,
  to: string,
  file: ImageManifest['files'][number],
): Promise<void> {
  const stream = await openFleetStream(identity, path)
  const out = await open(to, 'wx', 0o600)
  const hash = createHash('sha256')
  let at = 0
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      hash.update(piece)
      if (at + piece.length > file.bytes) throw changed(file.name, `${file.bytes} bytes`, 'more')
      if (!piece.equals(zeros.subarray(0, piece.length))) await out.write(piece, 0, piece.length, at)
      at += piece.length
    }
    await out.truncate(file.bytes)
    await out.sync()
  } finally {
    await out.close()
    stream.destroy()
  }
  const found = hash.digest('hex')
  if (found !== file.sha256) throw changed(file.name, file.sha256, found)
}

const changed = (name: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'ImageChanged',
    message: `The file ${name} of an image does not match its digest; it is not used.`,
    target: name,
    expected,
    found,
    remedy: 'Build or import the image again on the server.',
  })
