import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { formatGuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'

const footer = '96b582de-1fb2-45f7-baea-a366c55a082d'
/** Space after the table: OVMF reserves the last 32 bytes for the reset vector. */
const afterTable = 32
const headerLength = 18

/**
 * Entries by GUID of the table at the end of an OVMF image, read from its end: each entry's length and GUID follow its data.
 * @returns undefined for an image without such a table
 * @throws ParseError WrongLength, Duplicate
 */
export function readOvmfTable(image: Uint8Array): Map<string, Uint8Array> | undefined {
  let end = image.length - afterTable
  if (end < headerLength) return undefined
  const last = headerAt(image, end)
  if (last.guid !== footer) return undefined
  const start = end - last.length
  if (start < 0 || last.length < headerLength) refuse('WrongLength', end, last.length)
  const entries = new Map<string, Uint8Array>()
  for (end -= headerLength; end - start >= headerLength;) {
    const { guid, length } = headerAt(image, end)
    if (length < headerLength || length > end - start) refuse('WrongLength', end, length)
    if (entries.has(guid)) refuse('Duplicate', end, length)
    entries.set(guid, image.subarray(end - length, end - headerLength))
    end -= length
  }
  return entries
}

function headerAt(image: Uint8Array, end: number): { length: number; guid: string } {
  const reader = new ByteReader(image.subarray(end - headerLength, end), 'GUID table entry', end - headerLength)
  return { length: reader.u16le('length'), guid: formatGuid(reader.bytes(16, 'GUID')) }
}

function refuse(code: 'WrongLength' | 'Duplicate', offset: number, length: number): never {
  const message = `Firmware image has a wrong entry in its table of GUIDs`
  throw new ParseError({ code, message, offset, found: `${length} bytes` })
}
