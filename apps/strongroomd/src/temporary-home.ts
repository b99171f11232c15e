import { lstat, readdir, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { ServiceError } from '@strongroom/platform'

/** A folder that lives as long as the server: for tests' temporary installations. */
export interface TemporaryHome {
  remove(): Promise<void>
}

/**
 * Accepts the folder as temporary only if it is private to this user and its state directory is still empty, so that no
 * permanent installation is removed by mistake. Undefined if none was requested.
 * @throws ServiceError NotTemporary
 */
export async function openTemporaryHome(
  home: string | undefined,
  stateDir: string | undefined,
): Promise<TemporaryHome | undefined> {
  if (home === undefined) return undefined
  const found = await lstat(home).catch(() => undefined)
  const state = resolve(stateDir ?? '/')
  const fresh = (await readdir(state).catch(() => [])).length === 0
  const own = found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
  if (!own || !fresh || dirname(state) !== resolve(home)) {
    throw new ServiceError({
      code: 'NotTemporary',
      message: `The folder ${home} cannot safely be removed with its contents.`,
      expected: 'a folder that only this user can access (mode 0700), directly containing an empty state directory',
      found: own
        ? fresh
          ? `the state directory ${state}`
          : `${state}, which is not empty`
        : 'another folder, or none',
      remedy: 'Omit --temporary-home, or pass a folder created for this run.',
    })
  }
  return { remove: async () => await rm(home, { recursive: true, force: true }) }
}
