import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file as a whole, also in a crash: written beside it, flushed, renamed, directory flushed. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number = 0o600,
): Promise<void> {
  const partial = await writePartial(path, content, mode)
  try {
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  await flushDirectory(dirname(path))
}

/** Like writeFileAtomically, but keeps an existing file: false if there was one. */
export async function createFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number = 0o600,
): Promise<boolean> {
  const partial = await writePartial(path, content, mode)
  try {
    // link, unlike rename, fails if the name is taken.
    await link(partial, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(partial, { force: true })
  }
  await flushDirectory(dirname(path))
  return true
}

async function writePartial(path: string, content: string | Uint8Array, mode: number): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
  const file = await open(partial, 'wx', mode)
  try {
    await file.writeFile(content)
    await file.sync()
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return partial
}

/** Makes renames in a directory survive a crash. */
export async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
