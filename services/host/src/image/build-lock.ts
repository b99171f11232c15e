import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sameProcess, startTimeOf } from '@strongroom/platform'
import { imagesDirectory } from './catalog.ts'

const pollMs = 500

/**
 * Runs `work` while no other process works on the same image. Waits for the other to end; a lock whose process is gone
 * is taken over.
 */
export async function withImageLock<T>(
  o: { cacheDir: string; id: string; signal?: AbortSignal; waiting?: () => void },
  work: () => Promise<T>,
): Promise<T> {
  const directory = imagesDirectory(o.cacheDir)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `.lock-${o.id}`)
  let told = false
  while (!(await take(path))) {
    o.signal?.throwIfAborted()
    if (!told) o.waiting?.()
    told = true
    await dropStale(path)
    await sleep(pollMs, undefined, o.signal && { signal: o.signal })
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(`${process.pid} ${startTimeOf(process.pid) ?? ''}\n`)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function dropStale(path: string): Promise<void> {
  const holder = await readFile(path, 'utf8').catch(() => undefined)
  const match = holder === undefined ? null : /^(\d+) (\d+)\n$/.exec(holder)
  // Half written: its owner is between two system calls, or died there; the next look tells by the same content.
  if (match === null || match[1] === undefined || match[2] === undefined) return
  if (sameProcess(Number(match[1]), match[2])) return
  // Renamed first, so that of two that see the same dead owner only one removes, and none removes a new lock.
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  await rm(aside, { force: true })
}
