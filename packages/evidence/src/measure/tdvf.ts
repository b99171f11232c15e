import { ByteReader } from '../bytes/byte-reader.ts'
import { equal } from '../bytes/bytes.ts'
import { fromHex } from '../bytes/hex.ts'
import { ParseError } from '../result/errors.ts'

/** One section of a TDVF image (Intel TDX Virtual Firmware Design Guide, section 11). */
export interface TdvfSection {
  /** Offset in the whole firmware image, code and variables, bytes. */
  dataOffset: number
  /** Bytes taken from the image; 0 for memory that starts as zeros. */
  rawDataSize: number
  /** Guest physical address. */
  memoryAddress: bigint
  memoryDataSize: bigint
  type: number
  /** Bit 0: content is measured. Bit 1: pages are not added before the TD runs. */
  attributes: number
}

export const tdvfSectionTypes: Readonly<Record<'bfv' | 'cfv' | 'tdHob' | 'tempMem' | 'permMem' | 'payload', number>> = {
  bfv: 0,
  cfv: 1,
  tdHob: 2,
  tempMem: 3,
  permMem: 4,
  payload: 5,
}
export const tdvfAttributes: Readonly<Record<'mrExtend' | 'pageAug', number>> = { mrExtend: 1, pageAug: 2 }

/** 96b582de-1fb2-45f7-baea-a366c55a082d, as it lies in memory: ends the table of identifiers at the end of an OVMF image. */
const tableFooter = fromHex('de82b596b21ff745baeaa366c55a082d')
/** e47a6535-984a-4798-865e-4685a7bf8ec2: entry with the distance of the TDVF descriptor from the end of the image. */
const tdxMetadataEntry = fromHex('35657ae44a989847865e4685a7bf8ec2')
/** Bytes between the table and the end of the image: the reset vector. */
const afterTable = 32
const maximumSections = 64

/**
 * Finds and reads the TDVF descriptor of a firmware image.
 * @returns undefined when the image has no such descriptor
 * @throws ParseError when it has one that is not well formed
 */
export function parseTdvfSections(firmware: Uint8Array): TdvfSection[] | undefined {
  const distance = findEntry(firmware, tdxMetadataEntry)
  if (distance === undefined) return undefined
  const offset = firmware.length - new ByteReader(distance, 'TDVF metadata entry').u32le('offset')
  if (offset < 0 || offset >= firmware.length) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'TDVF descriptor lies outside the image',
      found: String(offset),
    })
  }
  const reader = new ByteReader(firmware.subarray(offset), 'TDVF descriptor', offset)
  if (!equal(reader.bytes(4, 'signature'), new TextEncoder().encode('TDVF'))) {
    throw new ParseError({ code: 'WrongMagic', message: 'TDVF descriptor has another signature', offset })
  }
  const length = reader.u32le('length')
  const version = reader.u32le('version')
  if (version !== 1)
    throw new ParseError({
      code: 'UnknownVersion',
      message: 'TDVF descriptor of an unknown version',
      offset,
      expected: '1',
      found: String(version),
    })
  const count = reader.u32le('number of sections')
  if (count === 0 || count > maximumSections || length !== 16 + 32 * count) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'TDVF descriptor of an impossible length',
      offset,
      found: `${count} sections in ${length} bytes`,
    })
  }
  return Array.from({ length: count }, () => ({
    dataOffset: reader.u32le('data offset'),
    rawDataSize: reader.u32le('raw data size'),
    memoryAddress: reader.u64le('memory address'),
    memoryDataSize: reader.u64le('memory data size'),
    type: reader.u32le('type'),
    attributes: reader.u32le('attributes'),
  }))
}

/** Walks OVMF's table backwards: each entry is data, a 16-bit length that counts itself and the identifier, the identifier. */
function findEntry(firmware: Uint8Array, wanted: Uint8Array): Uint8Array | undefined {
  const end = firmware.length - afterTable
  if (end < 18 || !equal(firmware.subarray(end - 16, end), tableFooter)) return undefined
  const tableLength = lengthAt(firmware, end)
  const start = end - tableLength
  if (start < 0)
    throw new ParseError({
      code: 'InvalidValue',
      message: 'Firmware table is longer than the image',
      offset: end,
      found: String(tableLength),
    })
  let at = end - 18
  while (at - start >= 18) {
    const length = lengthAt(firmware, at)
    if (length < 18 || at - length < start)
      throw new ParseError({
        code: 'InvalidValue',
        message: 'Entry of the firmware table has an impossible length',
        offset: at,
        found: String(length),
      })
    if (equal(firmware.subarray(at - 16, at), wanted)) return firmware.subarray(at - length, at - 18)
    at -= length
  }
  return undefined
}

function lengthAt(firmware: Uint8Array, end: number): number {
  return (firmware[end - 18] ?? 0) | ((firmware[end - 17] ?? 0) << 8)
}
