import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { ServiceError } from '@strongroom/platform'

/**
 * Reads a file written by a program of another user, which may be compromised: a link, a pipe, another user's file or
 * an endless file is refused. The directory belongs to that user, so the name may lead anywhere.
 * @param o.user the file's owner; default: this process's user
 * @param o.most bytes
 * @throws ServiceError ForeignFileRefused
 */
export async function readForeignFile(o: { path: string; user: number | undefined; most: number }): Promise<Buffer> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(o.path, flags).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ELOOP' || error.code === 'ENXIO' ? refused(o, 'a link or a socket') : error
  })
  try {
    const found = await file.stat()
    if (!found.isFile()) throw refused(o, 'not a regular file')
    if (found.uid !== (o.user ?? process.geteuid?.())) throw refused(o, `a file of user ${found.uid}`)
    if (found.nlink > 1) throw refused(o, `a file with ${found.nlink} names`)
    if (found.size > o.most) throw refused(o, `${found.size} bytes`)
    // It may grow meanwhile: no more than the checked length is read.
    const bytes = Buffer.alloc(found.size)
    const { bytesRead } = await file.read(bytes, 0, found.size, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

const refused = (o: { path: string; user: number | undefined; most: number }, found: string): ServiceError =>
  new ServiceError({
    code: 'ForeignFileRefused',
    message: `The file ${o.path} of a VM’s program is not a file that the program would write; it was not read.`,
    expected: `a regular file of ${o.user === undefined ? 'this process' : `user ${o.user}`} with one name and at most ${o.most} bytes`,
    found,
    remedy: 'Assume that the guest has compromised the VM’s QEMU or swtpm: keep the host’s logs, and recreate the VM.',
  })
