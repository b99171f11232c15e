import { rm } from 'node:fs/promises'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { Host, type HostOptions } from './host.ts'
import { copyInstallation, fingerprint, makeDrillFolder } from './installation-copy.ts'

/** Whose machine it is, and where the person's own folders are. */
export type Attacked = Omit<HostOptions, 'stateDir' | 'original' | 'later'>

/**
 * Works in a folder beside an installation, which is removed at the end, even after an interruption; then the
 * installation must be as it was. @throws CliError InstallationChanged
 */
export async function besideUnchanged<T>(stateDir: string, work: (folder: string) => Promise<T>): Promise<T> {
  const before = await fingerprint(stateDir)
  const folder = await makeDrillFolder(stateDir)
  let done: T
  try {
    done = await work(folder)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if ((await fingerprint(stateDir)) !== before) throw installationChanged(stateDir, error)
    throw error
  }
  await rm(folder, { recursive: true, force: true })
  if ((await fingerprint(stateDir)) !== before) throw installationChanged(stateDir)
  return done
}

/**
 * Copies, lets a host of the copy work, ends everything that runs, and removes the copy.
 * @param o.source copied to `o.copy` before; without it the copy is taken as it is
 * @param o.original the installation as its owner left it
 */
export async function onCopy<T>(
  o: Attacked & { copy: string; source?: string; original: string; keep?: boolean },
  work: (host: Host) => Promise<T>,
): Promise<T> {
  const { signal, copy, source, original, keep, ...attacked } = o
  signal.throwIfAborted()
  if (source !== undefined) await copyInstallation(source, copy)
  const host = new Host({ ...attacked, signal, stateDir: copy, original })
  const over = new AbortController()
  const aborted = new Promise<never>((_, fail) => {
    signal.addEventListener('abort', () => fail(interrupted()), { once: true, signal: over.signal })
  })
  aborted.catch(() => {})
  const working = work(host)
  working.catch(() => {})
  try {
    return await Promise.race([working, aborted])
  } finally {
    over.abort()
    await host.close()
    // Interrupted work ends by itself now: nothing answers it.
    await working.catch(() => {})
    if (keep !== true) await rm(copy, { recursive: true, force: true })
  }
}

export const interrupted = (): CliError =>
  new CliError({
    code: 'Interrupted',
    message: 'The drill was interrupted. The VM is unchanged.',
    exitCode: exitCodes.interrupted,
  })

export const controlFailed = (what: string, found: string): CliError =>
  new CliError({
    code: 'ControlFailed',
    message: `The drill proves nothing: ${what}.`,
    expected: 'a VM that boots and is trusted, and a program of the host’s that is detected where nothing keeps it out',
    found,
    remedy: 'Check that `strongroom vm start` and `strongroom vm trust` succeed, then run the drill again.',
  })

const installationChanged = (stateDir: string, cause?: unknown): CliError =>
  new CliError({
    code: 'InstallationChanged',
    message: `Files of the installation ${stateDir} changed during the drill.`,
    expected: 'the same files as before the drill',
    found: 'others',
    remedy:
      'Do not let anything else write to the installation during a drill. If nothing did, this is a bug: report it.',
    cause,
  })
