import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { equal } from '../../core/bytes/bytes.ts'
import { ParseError } from '../../core/errors.ts'
import { readOvmfTable } from './ovmf-table.ts'

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

/** Entry with the distance of the TDVF descriptor from the end of the image. */
const tdxMetadata = 'e47a6535-984a-4798-865e-4685a7bf8ec2'
const maximumSections = 64

/**
 * Finds and reads the TDVF descriptor of a firmware image.
 * @returns undefined if the image has no such descriptor
 * @throws ParseError if the descriptor is malformed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdvfSections } from '@strongroom/evidence/expected'
 *
 * const sections = parseTdvfSections(await readFile('tdvf.fd'))
 * sections !== undefined && sections.length > 0 // => true
 * parseTdvfSections(new Uint8Array(4096)) // => undefined
 */
export function parseTdvfSections(firmware: Uint8Array): TdvfSection[] | undefined {
  const distance = readOvmfTable(firmware)?.get(tdxMetadata)
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
