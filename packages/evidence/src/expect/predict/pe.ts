import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { concat } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'

export interface PeSection {
  /** Without trailing zeros, for example `.linux`. */
  name: string
  /** Bytes in memory: the file's data, truncated or zero-padded to the virtual size. */
  data: Uint8Array
  /** Bytes in the file. */
  raw: Uint8Array
  rawOffset: number
}

export interface PeImage {
  bytes: Uint8Array
  sections: PeSection[]
  sizeOfHeaders: number
  checksumOffset: number
  /** Offset of the certificate table's directory entry. */
  certificateEntryOffset: number
  /** The certificate table; empty for an unsigned image. */
  certificates: Uint8Array
}

const maximumSections = 96
/** Limit on zeros that all sections together have in memory but not in the file; kernels have tens of megabytes. */
const maximumPadding = 1 << 28

/**
 * Reads a PE32+ image (Microsoft PE and COFF specification) as far as Secure Boot and systemd's stub use it. @throws
 * ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { utf8 } from '@strongroom/evidence'
 * import { parsePe } from '@strongroom/evidence/expected'
 *
 * const { sections } = parsePe(await readFile('boot.efi'))
 * sections.some(({ name }) => name === '.linux') // => true
 * parsePe(utf8('no image')) // throws ParseError WrongMagic
 */
export function parsePe(bytes: Uint8Array): PeImage {
  const dos = new ByteReader(bytes, 'PE image')
  if (dos.u16le('DOS signature') !== 0x5a4d) refuse('WrongMagic', 'no MZ signature', 0)
  dos.bytes(58, 'DOS header')
  const peOffset = dos.u32le('offset of the PE header')
  if (peOffset > bytes.length) refuse('Truncated', 'PE header lies outside', 60)
  const reader = new ByteReader(bytes.subarray(peOffset), 'PE header', peOffset)
  if (reader.u32le('PE signature') !== 0x4550) refuse('WrongMagic', 'no PE signature', peOffset)
  reader.u16le('machine')
  const sectionCount = reader.u16le('number of sections')
  if (sectionCount > maximumSections) refuse('TooLarge', `${sectionCount} sections`, peOffset + 6)
  reader.bytes(12, 'time stamp and symbols')
  const optionalSize = reader.u16le('size of the optional header')
  reader.u16le('characteristics')
  const optionalOffset = reader.offset
  const optional = reader.structure(optionalSize, 'optional header')
  if (optional.u16le('magic') !== 0x20b) refuse('UnknownType', 'not PE32+', optionalOffset)
  optional.bytes(58, 'standard and Windows fields')
  const sizeOfHeaders = optional.u32le('size of headers')
  const checksumOffset = optional.offset
  optional.bytes(4 + 2 + 2 + 32 + 4, 'checksum to loader flags')
  const directories = optional.u32le('number of directories')
  if (directories < 5) refuse('Missing', 'no entry for the certificate table', optional.offset)
  optional.bytes(4 * 8, 'first four directories')
  const certificateEntryOffset = optional.offset
  const certificateOffset = optional.u32le('offset of the certificate table')
  const certificateSize = optional.u32le('size of the certificate table')
  if (certificateOffset + certificateSize > bytes.length)
    refuse('Truncated', 'certificate table lies outside', certificateEntryOffset)
  if (sizeOfHeaders > bytes.length || sizeOfHeaders < certificateEntryOffset + 8)
    refuse('WrongLength', 'size of headers', checksumOffset - 4)
  const sections: PeSection[] = []
  let padding = 0
  for (let index = 0; index < sectionCount; index++) {
    const offset = reader.offset
    const { section, missing } = readSection(reader, bytes)
    padding += missing
    if (padding > maximumPadding) refuse('TooLarge', `section ${section.name} is larger than any genuine one`, offset)
    sections.push(section)
  }
  return {
    bytes,
    sections,
    sizeOfHeaders,
    checksumOffset,
    certificateEntryOffset,
    certificates:
      certificateSize === 0 ? new Uint8Array() : bytes.subarray(certificateOffset, certificateOffset + certificateSize),
  }
}

/** SHA-256 of concatenated parts. */
export type HashParts = (...parts: Uint8Array[]) => Uint8Array | Promise<Uint8Array>

const webHash: HashParts = (...parts) => digest('SHA-256', ...parts)

/**
 * Authenticode digest, SHA-256: everything but the checksum, the directory entry of the certificate table and that
 * table itself, sections in file order. Firmware measures this into PCR 4.
 * @param sha256 default WebCrypto, which must first copy the parts together
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { authenticodeDigest, parsePe } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * toHex(await authenticodeDigest(image)).slice(0, 16) // => 'a1d4a268c643f5b9'
 */
export async function authenticodeDigest(image: PeImage, sha256: HashParts = webHash): Promise<Uint8Array> {
  const { bytes, checksumOffset, certificateEntryOffset, sizeOfHeaders } = image
  const parts = [
    bytes.subarray(0, checksumOffset),
    bytes.subarray(checksumOffset + 4, certificateEntryOffset),
    bytes.subarray(certificateEntryOffset + 8, sizeOfHeaders),
  ]
  let hashed = sizeOfHeaders
  const ordered = image.sections
    .filter((section) => section.raw.length > 0)
    .toSorted((a, b) => a.rawOffset - b.rawOffset)
  for (const section of ordered) {
    parts.push(section.raw)
    hashed += section.raw.length
  }
  const end = bytes.length - image.certificates.length
  if (end > hashed) parts.push(bytes.subarray(hashed, end))
  return await sha256(...parts)
}

function readSection(reader: ByteReader, bytes: Uint8Array): { section: PeSection; missing: number } {
  const name = new TextDecoder('latin1').decode(reader.bytes(8, 'section name')).replace(/(?<!\0)\0+$/, '')
  const virtualSize = reader.u32le('virtual size')
  reader.u32le('virtual address')
  const rawSize = reader.u32le('size of raw data')
  const offset = reader.offset
  const rawOffset = reader.u32le('offset of raw data')
  reader.bytes(16, 'relocations and characteristics')
  if (rawSize > 0 && rawOffset + rawSize > bytes.length) refuse('Truncated', `section ${name} lies outside`, offset)
  const raw = rawSize === 0 ? new Uint8Array() : bytes.subarray(rawOffset, rawOffset + rawSize)
  const section = {
    name,
    raw,
    rawOffset,
    // Built on demand: a file of a kilobyte can declare gigabytes.
    get data(): Uint8Array {
      return inMemory(raw, virtualSize)
    },
  }
  return { section, missing: Math.max(0, virtualSize - raw.length) }
}

function inMemory(raw: Uint8Array, virtualSize: number): Uint8Array {
  if (virtualSize <= raw.length) return raw.subarray(0, virtualSize)
  return concat(raw, new Uint8Array(virtualSize - raw.length))
}

function refuse(
  code: 'WrongMagic' | 'Truncated' | 'TooLarge' | 'UnknownType' | 'Missing' | 'WrongLength',
  message: string,
  offset: number,
): never {
  throw new ParseError({ code, message: `PE image: ${message}`, offset })
}
