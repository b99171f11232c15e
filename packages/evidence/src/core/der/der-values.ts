import { ParseError, type ParseErrorCode } from '../errors.ts'
import type { DerReader, DerValue } from './der-reader.ts'
import { derTag } from './der-reader.ts'

function refuse(value: DerValue, code: ParseErrorCode, message: string): never {
  throw new ParseError({ code, message, offset: value.contentOffset })
}

/**
 * INTEGER as its two's-complement bytes, minimal (X.690 section 8.3.2).
 * @example
 * import { DerReader, fromHex, readIntegerBytes, toHex } from '@strongroom/evidence'
 *
 * toHex(readIntegerBytes(new DerReader(fromHex('020200ff'), 'serial'), 'serial')) // => '00ff'
 */
export function readIntegerBytes(reader: DerReader, field: string): Uint8Array {
  return integerContent(reader.expect(derTag.integer, field), field)
}

/**
 * INTEGER of any size and sign.
 * @example
 * import { DerReader, fromHex, readInteger } from '@strongroom/evidence'
 *
 * readInteger(new DerReader(fromHex('020900ffffffffffffffff'), 'serial'), 'serial') // => 0xffff_ffff_ffff_ffffn
 */
export function readInteger(reader: DerReader, field: string): bigint {
  const bytes = readIntegerBytes(reader, field)
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return (bytes[0] ?? 0) & 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value
}

/**
 * INTEGER from 0 to `maximum` (at most 2^31−1).
 * @example
 * import { DerReader, fromHex, readSmallInteger } from '@strongroom/evidence'
 *
 * readSmallInteger(new DerReader(fromHex('02020100'), 'example'), 'length') // => 256
 * readSmallInteger(new DerReader(fromHex('02020100'), 'example'), 'version', 2) // throws ParseError InvalidValue
 */
export function readSmallInteger(reader: DerReader, field: string, maximum = 0x7fffffff): number {
  const value = reader.expect(derTag.integer, field)
  const bytes = integerContent(value, field)
  if (bytes.length > 5) refuse(value, 'InvalidValue', `${field} is out of range`)
  let number = 0
  for (const byte of bytes) number = number * 256 + byte
  if ((bytes[0] ?? 0) & 0x80 || number > maximum) refuse(value, 'InvalidValue', `${field} is out of range`)
  return number
}

function integerContent(value: DerValue, field: string): Uint8Array {
  const { content } = value
  const first = content[0]
  const second = content[1]
  if (first === undefined) refuse(value, 'WrongLength', `${field} is an empty integer`)
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    refuse(value, 'NotCanonical', `${field} is an integer with needless leading bytes`)
  }
  return content
}

/**
 * BOOLEAN: DER allows 0x00 and 0xFF only (X.690 section 11.1).
 * @example
 * import { DerReader, fromHex, readBoolean } from '@strongroom/evidence'
 *
 * readBoolean(new DerReader(fromHex('0101ff'), 'example'), 'critical') // => true
 * readBoolean(new DerReader(fromHex('010101'), 'example'), 'critical') // throws ParseError NotCanonical
 */
export function readBoolean(reader: DerReader, field: string): boolean {
  const value = reader.expect(derTag.boolean, field)
  if (value.content.length !== 1) refuse(value, 'WrongLength', `${field} is not one byte`)
  const byte = value.content[0]
  if (byte !== 0 && byte !== 0xff) refuse(value, 'NotCanonical', `${field} is neither false nor true`)
  return byte === 0xff
}

/**
 * OBJECT IDENTIFIER in dotted form.
 * @example
 * import { DerReader, fromHex, readOid } from '@strongroom/evidence'
 *
 * readOid(new DerReader(fromHex('0603550403'), 'name'), 'type') // => '2.5.4.3'
 */
export function readOid(reader: DerReader, field: string): string {
  const value = reader.expect(derTag.oid, field)
  const { content } = value
  if (content.length === 0) refuse(value, 'WrongLength', `${field} is an empty object identifier`)
  if (content.length > 64) refuse(value, 'TooLarge', `${field} is too long`)
  let text = ''
  let start = 0
  for (let at = 0; at < content.length; at++) {
    const byte = content[at] ?? 0
    if (at === start && byte === 0x80) refuse(value, 'NotCanonical', `${field} has an arc with leading zeros`)
    if (byte >= 0x80) continue
    const arc = readArc(content, start, at)
    // The first two arcs share a number (X.690 section 8.19.4).
    if (start > 0) text += `.${arc}`
    else if (arc < 80) text = arc < 40 ? `0.${arc}` : `1.${Number(arc) - 40}`
    else text = typeof arc === 'number' ? `2.${arc - 80}` : `2.${arc - 80n}`
    start = at + 1
  }
  if (start < content.length) refuse(value, 'Truncated', `${field} ends inside an arc`)
  return text
}

/** Number in base 128 from `start` to `end` inclusive; a bigint if a number could not hold it. */
function readArc(content: Uint8Array, start: number, end: number): number | bigint {
  if (end - start < 7) {
    let arc = 0
    for (let at = start; at <= end; at++) arc = arc * 128 + ((content[at] ?? 0) & 0x7f)
    return arc
  }
  let arc = 0n
  for (let at = start; at <= end; at++) arc = (arc << 7n) | BigInt((content[at] ?? 0) & 0x7f)
  return arc
}

/**
 * BIT STRING of whole bytes, as signatures and keys are.
 * @example
 * import { DerReader, fromHex, readBitStringBytes } from '@strongroom/evidence'
 *
 * readBitStringBytes(new DerReader(fromHex('0303000102'), 'signature'), 'signature') // => Uint8Array.of(1, 2)
 */
export function readBitStringBytes(reader: DerReader, field: string): Uint8Array {
  const value = reader.expect(derTag.bitString, field)
  if (value.content.length === 0) refuse(value, 'WrongLength', `${field} is empty`)
  if (value.content[0] !== 0) refuse(value, 'InvalidValue', `${field} has unused bits`)
  return value.content.subarray(1)
}

/**
 * BIT STRING of named bits; bit 0 is the first. X.690 section 11.2.2 forbids trailing zero bits, but AMD's ASK certificates
 * write keyUsage with them: they are allowed, since they change no meaning.
 * @example
 * import { DerReader, fromHex, readNamedBits } from '@strongroom/evidence'
 *
 * // keyUsage of a certificate that signs certificates and lists.
 * readNamedBits(new DerReader(fromHex('03020106'), 'keyUsage'), 'bits').map(Number).join('') // => '0000011'
 */
export function readNamedBits(reader: DerReader, field: string): boolean[] {
  const value = reader.expect(derTag.bitString, field)
  const unused = value.content[0]
  if (unused === undefined) refuse(value, 'WrongLength', `${field} is empty`)
  const bytes = value.content.subarray(1)
  if (unused > 7 || (bytes.length === 0 && unused !== 0))
    refuse(value, 'InvalidValue', `${field} has impossible padding`)
  const bits: boolean[] = []
  for (const byte of bytes) for (let bit = 7; bit >= 0; bit--) bits.push(((byte >> bit) & 1) === 1)
  const used = bits.slice(0, bits.length - unused)
  if (bits.slice(used.length).includes(true))
    refuse(value, 'NotCanonical', `${field} has padding bits that are not zero`)
  return used
}

/**
 * OCTET STRING.
 * @example
 * import { DerReader, fromHex, readOctets, toHex } from '@strongroom/evidence'
 *
 * toHex(readOctets(new DerReader(fromHex('0402beef'), 'extension'), 'value').content) // => 'beef'
 */
export function readOctets(reader: DerReader, field: string): DerValue {
  return reader.expect(derTag.octetString, field)
}

/**
 * Any of the string types of a distinguished name, as text.
 * @example
 * import { DerReader, fromHex, stringOf } from '@strongroom/evidence'
 *
 * stringOf(new DerReader(fromHex('0c03414d44'), 'name').next('value'), 'organization') // => 'AMD'
 */
export function stringOf(value: DerValue, field: string): string {
  switch (value.tag) {
    case derTag.utf8String:
      return asciiOf(value.content) ?? utf8Of(value, field)
    case derTag.printableString:
    case derTag.ia5String:
      return asciiOf(value.content) ?? refuse(value, 'InvalidEncoding', `${field} is not printable ASCII`)
    case derTag.teletexString:
      return latin1Of(value.content)
    default:
      return refuse(value, 'UnknownType', `${field} is a string of a type that is not used`)
  }
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Of(value: DerValue, field: string): string {
  try {
    return utf8Decoder.decode(value.content)
  } catch {
    return refuse(value, 'InvalidEncoding', `${field} is not UTF-8`)
  }
}

function latin1Of(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** Text of printable ASCII, which nearly all names are; undefined for anything else. */
function asciiOf(bytes: Uint8Array): string | undefined {
  for (const byte of bytes) if (byte > 0x7e || byte < 0x20) return undefined
  return latin1Of(bytes)
}

/** Days of each month of a leap year. */
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * UTCTime or GeneralizedTime in the only forms that RFC 5280 section 4.1.2.5 allows: to the second, Z.
 * @example
 * import { DerReader, fromHex, readTime } from '@strongroom/evidence'
 *
 * readTime(new DerReader(fromHex('170d3235303633303132303030305a'), 'validity'), 'notAfter').toISOString() // => '2025-06-30T12:00:00.000Z'
 */
export function readTime(reader: DerReader, field: string): Date {
  const value = reader.next(field)
  const { content } = value
  const utc = value.tag === derTag.utcTime
  if (!utc && value.tag !== derTag.generalizedTime) refuse(value, 'UnknownType', `${field} is not a time`)
  const length = utc ? 13 : 15
  if (content.length !== length || content[length - 1] !== 0x5a)
    refuse(value, 'InvalidValue', `${field} is not a time in Z`)
  const pair = (at: number): number => {
    const tens = (content[at] ?? 0) - 0x30
    const units = (content[at + 1] ?? 0) - 0x30
    if (tens < 0 || tens > 9 || units < 0 || units > 9) refuse(value, 'InvalidValue', `${field} is not a time in Z`)
    return tens * 10 + units
  }
  const from = length - 11
  const leading = pair(from - 2)
  const year = utc ? (leading < 50 ? 2000 : 1900) + leading : pair(0) * 100 + leading
  // Dates to 2049 must be UTCTime, so that one instant has one form.
  if (!utc && year < 2050 && year >= 1950) refuse(value, 'NotCanonical', `${field} must be a UTCTime`)
  const month = pair(from)
  const day = pair(from + 2)
  const hour = pair(from + 4)
  const minute = pair(from + 6)
  const second = pair(from + 8)
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 && !leap ? 28 : (monthDays[month - 1] ?? 0)
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59)
    refuse(value, 'InvalidValue', `${field} is not a date of the calendar`)
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC reads the years 0 to 99 as 1900 to 1999.
  if (year < 100) time.setUTCFullYear(year, month - 1, day)
  return time
}
