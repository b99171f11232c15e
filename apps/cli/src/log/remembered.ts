import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CliError, exitCodes } from '../core/cli-error.ts'

/** The last verified state of a log: its key and the checkpoint that it must continue. */
export interface Remembered {
  key: string
  checkpoint: string
}

/** Outside the installation's state: restoring the state does not restore this. */
export function rememberedPath(o: { config: string; tenantId: string; vault: string }): string {
  return join(o.config, 'operation-logs', o.tenantId, `${o.vault}.json`)
}

export async function readRemembered(path: string): Promise<Remembered | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { key, checkpoint } = JSON.parse(text) as Partial<Remembered>
    if (typeof key === 'string' && typeof checkpoint === 'string') return { key, checkpoint }
  } catch {
    // Reported below, as for JSON of a different shape: unreadable is an error, not absent.
  }
  throw new CliError({
    code: 'RememberedCheckpointUnreadable',
    message: `The saved state of the log in ${path} cannot be read.`,
    exitCode: exitCodes.notTrusted,
    expected: 'JSON with key and checkpoint',
    remedy:
      'Restore the file from a backup. Remove it only if you accept that earlier changes to the log go unnoticed.',
  })
}

/** Replaces the file as a whole. */
export async function remember(path: string, remembered: Remembered): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const partial = `${path}.${process.pid}.partial`
  const file = await open(partial, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(remembered, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(partial, path)
}
