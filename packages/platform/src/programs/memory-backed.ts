import { mkdtemp, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError } from '../errors/errors.ts'

/** f_type of file systems that never reach a disk except by swap (statfs(2)). */
const memoryTypes = new Set([
  0x01021994, // tmpfs
  0x858458f6, // ramfs
])

/**
 * A new directory (0700) in memory, for secrets that a program insists on reading from a file. The caller removes it.
 * @throws ServiceError NoMemoryBackedStorage
 */
export async function memoryBackedDirectory(name: string): Promise<string> {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,80}$/.test(name)) throw new TypeError(`not a directory name: ${name}`)
  const tried: string[] = []
  // The superuser's XDG_RUNTIME_DIR is private, so programs running as other users would not find their files there.
  for (const root of ['/dev/shm', '/run', process.env.XDG_RUNTIME_DIR]) {
    if (root === undefined || root === '') continue
    try {
      const { type } = await statfs(root)
      if (!memoryTypes.has(type)) {
        tried.push(`${root} (on disk)`)
        continue
      }
      // mkdtemp creates the directory with mode 0700 and never reuses an existing one.
      return await mkdtemp(join(root, `strongroom-${name}-`))
    } catch (error) {
      tried.push(`${root} (${(error as NodeJS.ErrnoException).code ?? 'unusable'})`)
    }
  }
  throw new ServiceError({
    code: 'NoMemoryBackedStorage',
    message: 'There is no memory-backed directory for secrets.',
    expected: 'a writable tmpfs at /dev/shm, $XDG_RUNTIME_DIR or /run',
    found: tried.join(', '),
    remedy: 'Mount one: mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
  })
}
