import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

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
        for (let at = 0; at < length; at += sectorBytes)
          encryptSector(buffer.subarray(at, at + sectorBytes), { offset: done + at, oldKey, newKey })
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

/**
 * Copies an encrypted range into an empty file under another volume key. Sectors of zeros are left out: they were never written, or the
 * guest discarded them, and nothing reads them before they are written. So a sparse disk stays sparse, and shows no more than it did.
 * @param o.length a multiple of 4096
 */
export async function transcryptSparse(o: {
  from: FileHandle
  to: FileHandle
  /** In both files. */
  offset: number
  length: number
  oldKey: Uint8Array
  newKey: Uint8Array
  signal: AbortSignal
}): Promise<void> {
  if (o.length % sectorBytes !== 0) throw new RangeError('only whole sectors can be encrypted')
  const [oldKey, newKey] = [createSecretKey(o.oldKey), createSecretKey(o.newKey)]
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (let done = 0; done < o.length;) {
    o.signal.throwIfAborted()
    const length = Math.min(chunkBytes, o.length - done)
    const { bytesRead } = await o.from.read(buffer, 0, length, o.offset + done)
    if (bytesRead < length) throw new RangeError(`the disk ends before ${o.offset + o.length}`)
    // One write for sectors that follow each other.
    let begin: number | undefined
    for (let at = 0; at <= length; at += sectorBytes) {
      const sector = buffer.subarray(at, Math.min(at + sectorBytes, length))
      if (sector.length > 0 && !sector.equals(zeros)) {
        encryptSector(sector, { offset: done + at, oldKey, newKey })
        begin ??= at
      } else if (begin !== undefined) {
        await o.to.write(buffer, begin, at - begin, o.offset + done + begin)
        begin = undefined
      }
    }
    done += length
  }
}

const zeros = Buffer.alloc(sectorBytes)

/** In place. */
function encryptSector(sector: Buffer, o: { offset: number; oldKey: KeyObject | undefined; newKey: KeyObject }): void {
  const tweak = tweakOf(o.offset / smallSector)
  const plain = o.oldKey === undefined ? sector : createDecipheriv('aes-256-xts', o.oldKey, tweak).update(sector)
  createCipheriv('aes-256-xts', o.newKey, tweak).update(plain).copy(sector)
}

function tweakOf(sector: number): Buffer {
  const tweak = Buffer.alloc(16)
  tweak.writeBigUInt64LE(BigInt(sector))
  return tweak
}
