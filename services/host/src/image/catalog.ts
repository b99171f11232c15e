import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { imageFiles } from '@strongroom/paravisor/expected'

/** Directory of cached images, one directory each, which appears whole. */
export function imagesDirectory(cacheDir: string): string {
  return join(cacheDir, 'images')
}

export function imageDirectory(cacheDir: string, id: string): string {
  return join(imagesDirectory(cacheDir), id)
}

/** Ids are directory names: anything else names no image. */
const imageIdPattern: RegExp = /^[a-z0-9][a-z0-9.-]{0,126}$/

/** On the machine that built the image: the sealed private key of its certificate, which signs its updates. */
export const publisherKeyFile = 'publisher.key.sealed'

export async function listImages(cacheDir: string): Promise<ImageRecord[]> {
  const directory = imagesDirectory(cacheDir)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const names = (await readdir(directory)).filter((name) => imageIdPattern.test(name))
  const records = await Promise.all(names.map((name) => findImage(cacheDir, name)))
  return records.filter((record) => record !== undefined).toSorted((a, b) => a.builtAt.localeCompare(b.builtAt))
}

/** The image's record, with its current path: a cache may be moved. Undefined if there is no such image. */
export async function findImage(cacheDir: string, id: string): Promise<ImageRecord | undefined> {
  if (!imageIdPattern.test(id)) return undefined
  const directory = imageDirectory(cacheDir, id)
  let text: string
  try {
    text = await readFile(join(directory, imageFiles.record), 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  const record = JSON.parse(text) as ImageRecord
  return { ...record, path: join(directory, imageFiles.disk) }
}
