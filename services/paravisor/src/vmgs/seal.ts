import { createHmac, timingSafeEqual } from 'node:crypto'
import { blockLength, headerLength } from './layout.ts'

/**
 * Ours, after OpenVMM's header in its block: whether the container is at rest, and an HMAC-SHA-256 under a key that
 * only someone who can open the container has. It covers both header blocks, the file table and every clear file;
 * encrypted files are covered by their tags, which are in the table. The rest of the block is zero.
 */
const atRestAt = headerLength
const macAt = headerLength + 4
const macLength = 32
/** The only part of a header block that is written: one sector, which no crash leaves half written. */
export const sectorLength = 512

export interface Sealed {
  /** 32 bytes. */
  metadataKey: Uint8Array
  /** Block of the other header while this one counts. */
  other: Uint8Array
  table: Uint8Array
  /** Blocks of clear files, in table order. */
  clear: Uint8Array[]
}

/** Whole block of a header. `atRest`: every unreferenced byte is zero. */
export function sealHeader(header: Uint8Array, atRest: boolean, over: Sealed): Buffer {
  const block = Buffer.alloc(blockLength)
  block.set(header)
  block.writeUInt32LE(atRest ? 1 : 0, atRestAt)
  macOf(block, over).copy(block, macAt)
  return block
}

/** Undefined if anything covered by the seal was changed. */
export function openSeal(block: Buffer, over: Sealed): { atRest: boolean } | undefined {
  if (!timingSafeEqual(macOf(block, over), block.subarray(macAt, macAt + macLength))) return undefined
  return { atRest: block.readUInt32LE(atRestAt) === 1 }
}

function macOf(block: Buffer, { metadataKey, other, table, clear }: Sealed): Buffer {
  const own = Buffer.from(block)
  own.fill(0, macAt, macAt + macLength)
  const key = createHmac('sha256', metadataKey).update('strongroom: seal of a VMGS container').digest()
  const mac = createHmac('sha256', key).update(own).update(other).update(table)
  for (const blocks of clear) mac.update(blocks)
  return mac.digest()
}
