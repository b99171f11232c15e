import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { cacheDirectory } from '@strongroom/firmware'

export interface Paths {
  /** All state of one installation. */
  state: string
  /** What can be rebuilt: images. Shared by a user's installations. */
  cache: string
  /** What belongs to the person, not the installation: the SSH key that `vm create` uses by default. */
  config: string
}

/** Folders by STRONGROOM_STATE_DIR and STRONGROOM_CACHE_DIR, else by the XDG base directories. */
export function findPaths(env: NodeJS.ProcessEnv): Paths {
  const home = env['HOME'] ?? homedir()
  const xdg = (name: string, fallback: string): string => {
    const value = env[name]
    return value !== undefined && value.startsWith('/') ? value : join(home, fallback)
  }
  return {
    state: resolve(env['STRONGROOM_STATE_DIR'] ?? join(xdg('XDG_STATE_HOME', '.local/state'), 'strongroom')),
    cache: cacheDirectory(env),
    config: join(xdg('XDG_CONFIG_HOME', '.config'), 'strongroom'),
  }
}
