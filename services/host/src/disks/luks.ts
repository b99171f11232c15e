import { open } from 'node:fs/promises'
import { partitionTypes, readPartitions } from './gpt.ts'

export interface LuksInspection {
  uuid: string
  /** For example aes-xts-plain64. */
  cipher: string
  /** Zero if the key is only in the virtual TPM. */
  keySlots: number
}

interface LuksMetadata {
  keyslots?: Record<string, unknown>
  segments?: Record<string, { encryption?: string }>
}

const binaryHeader = 4096
const maximumHeader = 4 * 1024 * 1024

/**
 * Reads the LUKS2 header of a raw disk's root partition (LUKS2 On-Disk Format Specification 1.1.0 sections 2.1 and 3).
 * Undefined if the root partition is not LUKS2. Neither uses nor returns a key.
 */
export async function inspectLuks(disk: string): Promise<LuksInspection | undefined> {
  const root = (await readPartitions(disk))?.find((partition) => partition.type === partitionTypes.rootX64)
  if (root === undefined) return undefined
  const file = await open(disk, 'r')
  try {
    const header = Buffer.alloc(binaryHeader)
    await file.read(header, 0, binaryHeader, root.offset)
    if (header.toString('latin1', 0, 6) !== 'LUKS\xba\xbe' || header.readUInt16BE(6) !== 2) return undefined
    const size = Number(header.readBigUInt64BE(8))
    if (size <= binaryHeader || size > maximumHeader) return undefined
    const area = Buffer.alloc(size - binaryHeader)
    await file.read(area, 0, area.length, root.offset + binaryHeader)
    const metadata = JSON.parse(area.toString('utf8').replace(/\0[^]*$/, '')) as LuksMetadata
    return describe(header.toString('latin1', 168, 208).replace(/\0[^]*$/, ''), metadata)
  } finally {
    await file.close()
  }
}

function describe(uuid: string, metadata: LuksMetadata): LuksInspection {
  const segment = Object.values(metadata.segments ?? {})[0]
  return {
    uuid,
    cipher: segment?.encryption ?? 'none',
    keySlots: Object.keys(metadata.keyslots ?? {}).length,
  }
}
