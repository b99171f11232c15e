import { createHash, hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { backupChunk } from '@strongroom/contract/backup-manifest'

const readLength = 64 * backupChunk
const zeros = Buffer.alloc(backupChunk)
const zeroDigest = hash('sha256', zeros, 'buffer')

/** SHA-256 of each chunk of a file, one after the other; the last chunk may be shorter. */
export async function chunkDigests(path: string, signal?: AbortSignal): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const digests = Buffer.alloc(Math.ceil(size / backupChunk) * 32)
    const buffer = Buffer.alloc(readLength)
    for (let at = 0; at < size;) {
      signal?.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, Math.min(readLength, size - at), at)
      if (bytesRead === 0 || (bytesRead % backupChunk !== 0 && at + bytesRead < size))
        throw new RangeError(`${path} is being changed`)
      for (let chunk = 0; chunk < bytesRead; chunk += backupChunk) {
        const bytes = buffer.subarray(chunk, Math.min(chunk + backupChunk, bytesRead))
        const digest = bytes.equals(zeros) ? zeroDigest : hash('sha256', bytes, 'buffer')
        digest.copy(digests, ((at + chunk) / backupChunk) * 32)
      }
      at += bytesRead
    }
    return digests
  } finally {
    await file.close()
  }
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
