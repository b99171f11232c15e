import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * A cache for a drill alone: it reads the user's images and what was found out about the machine, and whatever the drill
 * builds or leaves there is never made a VM of later.
 * @returns `own`
 */
export async function linkCache(users: string, own: string): Promise<string> {
  await mkdir(join(own, 'images'), { recursive: true, mode: 0o700 })
  const images = await readdir(join(users, 'images')).catch(() => [])
  // Not what another process is building.
  const whole = images.filter((name) => !name.startsWith('.'))
  for (const name of whole) await symlink(join(users, 'images', name), join(own, 'images', name))
  for (const name of await readdir(users).catch(() => []))
    if (name.endsWith('.json')) await symlink(join(users, name), join(own, name))
  return own
}
