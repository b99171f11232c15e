import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

const binaryBytes = 4096
const checksumOffset = 448
const checksumBytes = 64
const magics = ['LUKS\xba\xbe', 'SKUL\xba\xbe'] as const

// oxlint-disable-next-line typescript/no-explicit-any -- members are changed as an attacker likes
export type Luks2Metadata = any

/**
 * Rewrites the JSON in both copies of a LUKS2 header and recomputes their checksums, which needs no key (LUKS2 On-Disk
 * Format Specification 1.1.0, sections 2.1 and 3.1).
 * @param offset of the header in the file, in bytes
 */
export async function rewriteLuks2(
  path: string,
  offset: number,
  change: (metadata: Luks2Metadata) => void,
): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const first = await readAt(file, offset, binaryBytes)
    if (first.toString('latin1', 0, 6) !== magics[0]) throw new TypeError('there is no LUKS2 header')
    const size = Number(first.readBigUInt64BE(8))
    for (const at of [offset, offset + size]) {
      const header = await readAt(file, at, size)
      const metadata: Luks2Metadata = JSON.parse(header.toString('utf8', binaryBytes).replace(/\0[^]*$/, ''))
      change(metadata)
      const text = Buffer.from(JSON.stringify(metadata))
      header.fill(0, binaryBytes)
      text.copy(header, binaryBytes)
      header.fill(0, checksumOffset, checksumOffset + checksumBytes)
      createHash('sha256').update(header).digest().copy(header, checksumOffset)
      await file.write(header, 0, header.length, at)
    }
  } finally {
    await file.close()
  }
}

/** Whether there is a LUKS2 header. */
export async function hasLuks2(path: string, offset: number): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    return (await readAt(file, offset, 6)).toString('latin1') === magics[0]
  } finally {
    await file.close()
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  await file.read(bytes, 0, length, offset)
  return bytes
}
