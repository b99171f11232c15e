import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

export interface Partition {
  /** Lower-case GUID of the partition type. */
  type: string
  /** Lower-case GUID of this partition. */
  id: string
  name: string
  /** Byte offset in the disk. */
  offset: number
  sizeBytes: number
}

/** Types of the UEFI specification and of the Discoverable Partitions Specification. */
export const partitionTypes = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  rootX64: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
} as const

const sector = 512
const maximumEntries = 256

/** Partitions of a raw disk with a GUID partition table, in disk order; undefined without a valid table. */
export async function readPartitions(path: string): Promise<Partition[] | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    return await readTable(file, size)
  } finally {
    await file.close()
  }
}

async function readTable(file: FileHandle, diskBytes: number): Promise<Partition[] | undefined> {
  const header = await readAt(file, sector, sector)
  if (header.length < 92 || header.toString('latin1', 0, 8) !== 'EFI PART') return undefined
  const headerSize = header.readUInt32LE(12)
  if (headerSize < 92 || headerSize > sector) return undefined
  const checked = Buffer.from(header.subarray(0, headerSize))
  checked.writeUInt32LE(0, 16)
  if (crc32(checked) !== header.readUInt32LE(16)) return undefined
  const entriesOffset = Number(header.readBigUInt64LE(72)) * sector
  const count = header.readUInt32LE(80)
  const size = header.readUInt32LE(84)
  if (count > maximumEntries || size < 128 || size > 4096) return undefined
  const entries = await readAt(file, entriesOffset, count * size)
  if (entries.length < count * size || crc32(entries) !== header.readUInt32LE(88)) return undefined
  const partitions: Partition[] = []
  for (let index = 0; index < count; index++) {
    const entry = entries.subarray(index * size, (index + 1) * size)
    const type = guid(entry.subarray(0, 16))
    if (/^[0-]+$/.test(type)) continue
    const first = Number(entry.readBigUInt64LE(32))
    const last = Number(entry.readBigUInt64LE(40))
    if (last < first || (last + 1) * sector > diskBytes) return undefined
    partitions.push({
      type,
      id: guid(entry.subarray(16, 32)),
      name: entry.toString('utf16le', 56, 128).replace(/\0[^]*$/, ''),
      offset: first * sector,
      sizeBytes: (last - first + 1) * sector,
    })
  }
  return partitions.toSorted((a, b) => a.offset - b.offset)
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, offset)
  return buffer.subarray(0, bytesRead)
}

function guid(bytes: Buffer): string {
  const part = (from: number, to: number, reverse: boolean): string => {
    const copy = Buffer.from(bytes.subarray(from, to))
    return (reverse ? copy.reverse() : copy).toString('hex')
  }
  return [part(0, 4, true), part(4, 6, true), part(6, 8, true), part(8, 10, false), part(10, 16, false)].join('-')
}
