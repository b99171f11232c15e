import { open, stat, truncate } from 'node:fs/promises'
import { copySparse } from '../disks/sparse.ts'
import { copyImage } from '../qemu/image-copy.ts'

/** Sector size of disks, in bytes. */
const sector = 512

export type DiskFormat = 'raw' | 'qcow2' | 'vpc'

/**
 * Format of a disk file by its content, never its name: VHD (`vpc`) ends with a `conectix` footer, qcow2 begins with
 * its magic, anything with a boot sector is raw. Undefined for everything else.
 */
export async function detectFormat(path: string): Promise<DiskFormat | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const read = async (offset: number, length: number): Promise<string> => {
      const buffer = Buffer.alloc(length)
      const { bytesRead } = await file.read(buffer, 0, length, Math.max(offset, 0))
      return buffer.toString('latin1', 0, bytesRead)
    }
    if ((await read(0, 4)) === 'QFI\xfb') return 'qcow2'
    if ((await read(size - 512, 8)) === 'conectix') return 'vpc'
    // The protective MBR at the start of a GPT disk.
    return (await read(510, 2)) === '\x55\xaa' ? 'raw' : undefined
  } finally {
    await file.close()
  }
}

/** Offsets in a qcow2 header (QEMU, docs/interop/qcow2.txt). */
const qcow2 = { version: 4, backingFile: 8, incompatible: 72, externalData: 4n } as const

/** True if the file makes the reader open other files: such an image could leak any file of this host. */
export async function refersToOtherFiles(path: string, format: DiskFormat): Promise<boolean> {
  if (format !== 'qcow2') return false
  const file = await open(path, 'r')
  try {
    const header = Buffer.alloc(104)
    await file.read(header, 0, header.length, 0)
    if (header.readBigUInt64BE(qcow2.backingFile) !== 0n) return true
    const features = header.readUInt32BE(qcow2.version) < 3 ? 0n : header.readBigUInt64BE(qcow2.incompatible)
    return (features & qcow2.externalData) !== 0n
  } finally {
    await file.close()
  }
}

/** Writes the disk as a sparse raw file. */
export async function convertToRaw(o: {
  from: string
  format: DiskFormat
  to: string
  signal?: AbortSignal
}): Promise<void> {
  const { format } = o
  if (format !== 'raw') return await copyImage({ ...o, format })
  await copySparse(o.from, o.to, o.signal)
  const { size } = await stat(o.to)
  if (size % sector !== 0) await truncate(o.to, Math.ceil(size / sector) * sector)
}
