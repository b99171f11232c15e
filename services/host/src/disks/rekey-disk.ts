import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { storageFull } from '@strongroom/platform'
import { headerBytes, writeLuksHeader } from './luks-header.ts'
import { rootPartition } from './os-disk.ts'
import { copyRange, flush } from './sparse.ts'
import { transcryptSparse } from './transcrypt.ts'

/**
 * Copies an encrypted OS disk with its root volume under another key and another UUID; everything beside that volume stays as it is. The
 * source is only read.
 * @param o.out mode 0600; on the disk when this returns, and removed where it fails
 * @param o.runtimeDir memory-backed
 * @returns UUID of the new volume
 * @throws ServiceError StorageFull
 */
export async function encryptDiskAnew(o: {
  disk: string
  out: string
  keys: { from: Uint8Array; to: Uint8Array }
  runtimeDir: string
  signal: AbortSignal
}): Promise<string> {
  const { disk, out, signal } = o
  await requireSpace(disk, out)
  const root = await rootPartition(disk)
  await rm(out, { force: true })
  try {
    const source = await open(disk, 'r')
    try {
      const target = await open(out, 'wx', 0o600)
      try {
        const { size } = await source.stat()
        await target.truncate(size)
        const [end, content] = [root.offset + root.sizeBytes, root.offset + headerBytes]
        const files = { from: source, to: target, signal }
        await copyRange({ ...files, offset: 0, length: root.offset })
        await copyRange({ ...files, offset: end, length: size - end })
        const { from: oldKey, to: newKey } = o.keys
        await transcryptSparse({ ...files, offset: content, length: end - content, oldKey, newKey })
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
    const { runtimeDir } = o
    const uuid = await writeLuksHeader({ disk: out, offset: root.offset, volumeKey: o.keys.to, runtimeDir, signal })
    await flush(out)
    return uuid
  } catch (error) {
    await rm(out, { force: true })
    throw error
  }
}

/** Before anything is written: both disks exist until the new one counts. */
async function requireSpace(disk: string, out: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(out))
  const needed = (await stat(disk)).blocks * 512 + headerBytes
  if (bavail * bsize >= needed) return
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`
  throw storageFull({
    expected: `${mebibytes(needed)} free for the OS disk under its new key in ${dirname(out)}`,
    found: `${mebibytes(bavail * bsize)} free`,
  })
}
