import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from './cli-error.ts'

const [patienceMs, pollMs] = [30_000, 20]

/**
 * Does work while no other process, and nothing else in this one, does work under the same file. The lock is SQLite's: the
 * kernel releases it when its process ends, however it ends. Nothing is written into the file.
 * @throws CliError FileNotWritten
 */
export async function underLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const lock = opened(path)
  try {
    await take(lock, path)
    return await work()
  } finally {
    lock.close()
  }
}

function opened(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (cause) {
    throw notLocked(path, cause)
  }
}

async function take(lock: DatabaseSync, path: string): Promise<void> {
  for (const deadline = performance.now() + patienceMs; ;) {
    try {
      // Without a journal's file the lock needs no room on the disk.
      lock.prepare('PRAGMA journal_mode=MEMORY').get()
      lock.prepare('BEGIN EXCLUSIVE').run()
      return
    } catch (cause) {
      if (!isBusy(cause) || performance.now() >= deadline) throw notLocked(path, cause)
    }
    await sleep(pollMs)
  }
}

/** SQLITE_BUSY; the higher bits say why. */
const isBusy = (cause: unknown): boolean => ((cause as { errcode?: number }).errcode ?? 0) % 256 === 5

const notLocked = (path: string, cause: unknown): CliError =>
  new CliError({
    code: 'FileNotWritten',
    message: `${path} cannot be locked. Nothing was written.`,
    found: isBusy(cause) ? `another process has held it for ${patienceMs / 1_000} s` : (cause as Error).message,
    remedy: 'Repeat the command when the other process has ended, or check the rights of the folder.',
    cause,
  })
