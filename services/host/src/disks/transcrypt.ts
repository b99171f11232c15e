import { createCipheriv, createDecipheriv, createHash, createSecretKey } from 'node:crypto'
import { open } from 'node:fs/promises'

/** Unit of encryption: LUKS2's sector. Its tweak is its offset in sectors of 512 bytes, as dm-crypt counts (plain64). */
const sectorBytes = 4096
const smallSector = 512
const chunkBytes = 1024 ** 2

/**
 * Copies a range of a file into another under a volume key, by AES-256-XTS as dm-crypt does it (aes-xts-plain64). Every
 * sector is written, so that a reader of the result cannot tell what was empty. What is hashed is what was encrypted: the
 * source is read once.
 * @param o.length a multiple of 4096
 * @param o.oldKey for a source encrypted in the same way; 64 bytes, like `newKey`
 * @returns SHA-256 of the source's range as it was read
 */
export async function transcrypt(o: {
  from: { path: string; offset: number }
  to: { path: string; offset: number }
  length: number
  oldKey?: Uint8Array
  newKey: Uint8Array
  signal?: AbortSignal
}): Promise<Uint8Array> {
  if (o.length % sectorBytes !== 0) throw new RangeError('only whole sectors can be encrypted')
  // Raw bytes would be imported again for each sector, which takes three times as long as encrypting it.
  const newKey = createSecretKey(o.newKey)
  const oldKey = o.oldKey && createSecretKey(o.oldKey)
  const read = createHash('sha256')
  const source = await open(o.from.path, 'r')
  try {
    const target = await open(o.to.path, 'r+')
    try {
      const buffer = Buffer.allocUnsafe(chunkBytes)
      for (let done = 0; done < o.length;) {
        o.signal?.throwIfAborted()
        const length = Math.min(chunkBytes, o.length - done)
        const { bytesRead } = await source.read(buffer, 0, length, o.from.offset + done)
        if (bytesRead < length) throw new RangeError(`${o.from.path} ends before ${o.from.offset + o.length}`)
        read.update(buffer.subarray(0, length))
        for (let at = 0; at < length; at += sectorBytes) {
          const tweak = tweakOf((done + at) / smallSector)
          let sector = buffer.subarray(at, at + sectorBytes)
          if (oldKey !== undefined) sector = createDecipheriv('aes-256-xts', oldKey, tweak).update(sector)
          createCipheriv('aes-256-xts', newKey, tweak).update(sector).copy(buffer, at)
        }
        await target.write(buffer, 0, length, o.to.offset + done)
        done += length
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  return read.digest()
}

function tweakOf(sector: number): Buffer {
  const tweak = Buffer.alloc(16)
  tweak.writeBigUInt64LE(BigInt(sector))
  return tweak
}
