import { link, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFileAtomically, sameProcess, startTimeOf } from '@strongroom/platform'
import { imagesDirectory } from './catalog.ts'

const pollMs = 500

/** Runs `work` while no other process works on the same image. Waits for another to end; the lock of a dead process is replaced. */
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

/** The lock file appears with its content, so that no reader sees one without an owner. */
function take(path: string): Promise<boolean> {
  return createFileAtomically(path, `${process.pid} ${startTimeOf(process.pid) ?? ''}\n`)
}

async function dropStale(path: string): Promise<void> {
  const holder = await readFile(path, 'utf8').catch(() => undefined)
  if (holder === undefined) return
  const [pid, startTime] = holder.trim().split(' ')
  if (pid !== undefined && startTime !== undefined && sameProcess(Number(pid), startTime)) return
  // Moved aside first: if another process replaced the dead owner meanwhile, its lock is restored.
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  if ((await readFile(aside, 'utf8')) !== holder) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}
