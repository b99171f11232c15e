import { crc32 } from 'node:zlib'
import { corrupt } from './corrupt.ts'

/**
 * On-disk layout of a VMGS container (OpenVMM, vm/vmgs/vmgs_format): little-endian, 4096-byte blocks, 4 MiB. Blocks 0
 * and 1 hold alternating headers; the file table and all files follow.
 */
export const blockLength = 4096
export const capacityBlocks = 1024
export const capacity: number = blockLength * capacityBlocks
export const headerLength = 168
export const entryLength = 64
export const entryCount = 64
/** The file table and the extended one fill one block each. */
export const tableLength: number = entryLength * entryCount

export const fileIds = {
  uefiVariables: 1,
  tpmState: 3,
  /** ATTEST: which customer's key the guest state is under. */
  customerBinding: 5,
  keyProtector: 6,
  vmUniqueId: 7,
  /** Ours: JSON that the paravisor must find unchanged. An id that OpenVMM leaves free. */
  settings: 40,
  /** Ours: the volume key of a captured guest state's disk, instead of a vTPM that holds it. */
  diskKey: 41,
  /** Ours: the Secure Boot variables that the VM's boots are to have, and how they came to be (design 0019). */
  variableRecord: 42,
  extendedTable: 63,
} as const

const signature = Buffer.from('GUESTRTS', 'latin1')
const version = 0x00030000
const aesGcm = 1

/** A 32-byte key under AES-256-GCM. */
interface WrappedKey {
  nonce: Buffer
  tag: Buffer
  key: Buffer
}

export interface Header {
  sequence: number
  tableBlock: number
  /** The metadata key under the datastore key. */
  metadataKey: WrappedKey
}

export interface FileEntry {
  block: number
  blocks: number
  length: number
  nonce: Buffer
  tag: Buffer
  encrypted: boolean
}

export function encodeHeader(header: Header): Buffer {
  const bytes = Buffer.alloc(headerLength)
  signature.copy(bytes, 0)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(header.sequence, 16)
  bytes.writeUInt32LE(headerLength, 20)
  bytes.writeUInt32LE(header.tableBlock, 24)
  bytes.writeUInt32LE(1, 28)
  bytes.writeUInt16LE(aesGcm, 32)
  header.metadataKey.nonce.copy(bytes, 36)
  header.metadataKey.tag.copy(bytes, 52)
  header.metadataKey.key.copy(bytes, 68)
  bytes.writeUInt32LE(crc32(bytes), 12)
  return bytes
}

/** Undefined if the block has no complete header: its write was interrupted, or never happened. */
export function decodeHeader(block: Buffer): Header | undefined {
  const bytes = Buffer.from(block.subarray(0, headerLength))
  if (bytes.length < headerLength || !bytes.subarray(0, 8).equals(signature)) return undefined
  const checksum = bytes.readUInt32LE(12)
  bytes.writeUInt32LE(0, 12)
  if (crc32(bytes) !== checksum) return undefined
  if (bytes.readUInt32LE(8) !== version || bytes.readUInt32LE(20) !== headerLength) return undefined
  if (bytes.readUInt32LE(28) !== 1 || bytes.readUInt16LE(32) !== aesGcm) return undefined
  const tableBlock = bytes.readUInt32LE(24)
  if (tableBlock < 2 || tableBlock >= capacityBlocks) return undefined
  return {
    sequence: bytes.readUInt32LE(16),
    tableBlock,
    metadataKey: { nonce: bytes.subarray(36, 48), tag: bytes.subarray(52, 68), key: bytes.subarray(68, 100) },
  }
}

/** The header written last: its sequence number follows the other's. A crash leaves one torn header; two are damage. */
export function activeHeader(first: Header | undefined, second: Header | undefined): { slot: 0 | 1; header: Header } {
  if (first === undefined && second === undefined) throw corrupt('it has no valid header', 'a VMGS header', 'none')
  if (second === undefined) return { slot: 0, header: first! }
  if (first === undefined) return { slot: 1, header: second }
  if (first.sequence === (second.sequence + 1) >>> 0) return { slot: 0, header: first }
  if (second.sequence === (first.sequence + 1) >>> 0) return { slot: 1, header: second }
  throw corrupt(
    'its two headers do not follow each other',
    'consecutive numbers',
    `${first.sequence}, ${second.sequence}`,
  )
}

export function encodeTable(entries: (FileEntry | undefined)[]): Buffer {
  const bytes = Buffer.alloc(tableLength)
  for (const [id, entry] of entries.entries()) {
    if (entry === undefined) continue
    const at = id * entryLength
    bytes.writeUInt32LE(entry.block, at)
    bytes.writeUInt32LE(entry.blocks, at + 4)
    bytes.writeBigUInt64LE(BigInt(entry.length), at + 8)
    entry.nonce.copy(bytes, at + 16)
    entry.tag.copy(bytes, at + 28)
    bytes.writeUInt32LE(entry.encrypted ? 3 : 0, at + 44)
  }
  return bytes
}

/** @throws ServiceError GuestStateCorrupt if an entry points outside the container or into the headers */
export function decodeTable(bytes: Buffer): (FileEntry | undefined)[] {
  const entries: (FileEntry | undefined)[] = []
  for (let id = 0; id < entryCount; id++) {
    const entry = bytes.subarray(id * entryLength, (id + 1) * entryLength)
    const block = entry.readUInt32LE(0)
    const blocks = entry.readUInt32LE(4)
    const length = Number(entry.readBigUInt64LE(8))
    if (block === 0 && blocks === 0 && length === 0) {
      entries.push(undefined)
      continue
    }
    const fits = block >= 2 && blocks >= 1 && block + blocks <= capacityBlocks && length <= blocks * blockLength
    if (!fits)
      throw corrupt(
        `entry ${id} of its file table points outside`,
        `blocks 2 to ${capacityBlocks - 1}`,
        `${blocks} at ${block}`,
      )
    const attributes = entry.readUInt32LE(44)
    if (attributes !== 0 && attributes !== 3)
      throw corrupt(`entry ${id} of its file table has unknown attributes`, '0 or 3', String(attributes))
    entries.push({
      block,
      blocks,
      length,
      nonce: Buffer.from(entry.subarray(16, 28)),
      tag: Buffer.from(entry.subarray(28, 44)),
      encrypted: attributes === 3,
    })
  }
  return entries
}
