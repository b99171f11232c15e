import { createHash } from 'node:crypto'
import type { Boot } from '../history/history.ts'

/** One write of a guest: whole, or absent. */
const recordBytes = 512
/** Where an epoch's records are: each has its own region of the disk. */
const regionBytes = 4 * 1024 * 1024
const first = 1024 * 1024
/** Read at once while a region is counted. */
const pieceBytes = 64 * recordBytes
const magic = 'SRFENCE1'
const digestBytes = 16

export interface FenceRecord {
  epoch: number
  sequence: number
  /** From the first record of a boot. */
  seen?: Boot['seen']
}

/** @returns bytes of the disk from there */
export type ReadDisk = (offset: number, length: number) => Promise<Buffer>

export const offsetOf = ({ epoch, sequence }: FenceRecord): number =>
  first + epoch * regionBytes + sequence * recordBytes

export function encodeRecord(record: FenceRecord): Buffer {
  const bytes = Buffer.alloc(recordBytes)
  const text = JSON.stringify(record)
  if (magic.length + 2 + text.length > recordBytes - digestBytes) throw new TypeError('a record is too long')
  bytes.write(magic, 0, 'latin1')
  bytes.writeUInt16BE(text.length, magic.length)
  bytes.write(text, magic.length + 2, 'latin1')
  digestOf(bytes).copy(bytes, recordBytes - digestBytes)
  return bytes
}

function decodeRecord(bytes: Buffer): FenceRecord | undefined {
  if (bytes.toString('latin1', 0, magic.length) !== magic) return undefined
  if (!digestOf(bytes).equals(bytes.subarray(recordBytes - digestBytes))) return undefined
  const length = bytes.readUInt16BE(magic.length)
  return JSON.parse(bytes.toString('latin1', magic.length + 2, magic.length + 2 + length)) as FenceRecord
}

const digestOf = (bytes: Buffer): Buffer =>
  createHash('sha256')
    .update(bytes.subarray(0, recordBytes - digestBytes))
    .digest()
    .subarray(0, digestBytes)

/** All records of an epoch, up to the first empty piece of its region. */
export async function recordsOf(read: ReadDisk, epoch: number): Promise<FenceRecord[]> {
  const found: FenceRecord[] = []
  for (let at = 0; at < regionBytes; at += pieceBytes) {
    const piece = await read(first + epoch * regionBytes + at, pieceBytes)
    const before = found.length
    for (let from = 0; from < pieceBytes; from += recordBytes) {
      const record = decodeRecord(piece.subarray(from, from + recordBytes))
      if (record?.epoch === epoch) found.push(record)
    }
    if (found.length === before) break
  }
  return found
}
