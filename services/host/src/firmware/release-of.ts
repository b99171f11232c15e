import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { run } from '@strongroom/platform'

/** Name and build time of a flash file: Debian's packages give their files the time of their source. */
export async function releaseOf(path: string): Promise<{ version: string; builtAt: Date }> {
  const { mtime } = await stat(path)
  const builtAt = new Date(Math.floor(mtime.getTime() / 1000) * 1000)
  return { version: (await packageOf(path)) ?? basename(path), builtAt }
}

/** Package and version, for example `ovmf 2025.02-8+deb13u1`; undefined if no package contains the file. */
async function packageOf(path: string): Promise<string | undefined> {
  const query = async (...args: string[]): Promise<string> => {
    const { stdout, code } = await run({ command: 'dpkg-query', args, allow: [1] })
    return code === 0 ? stdout.toString().trim() : ''
  }
  try {
    const [, name] = /^([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)?: \S+$/.exec(await query('--search', path)) ?? []
    if (name === undefined) return undefined
    const version = await query('--show', '--showformat=${Version}', name)
    return version === '' ? undefined : `${name} ${version}`
  } catch {
    // A machine without dpkg has no packages.
    return undefined
  }
}
