import { ParseError, type ParseErrorCode } from '../result/errors.ts'
import type { DerReader, DerValue } from './der-reader.ts'
import { derTag } from './der-reader.ts'

function refuse(value: DerValue, code: ParseErrorCode, message: string): never {
  throw new ParseError({ code, message, offset: value.contentOffset })
}

/** INTEGER as its two's-complement bytes, minimal (X.690 section 8.3.2). */
export function readIntegerBytes(reader: DerReader, field: string): Uint8Array {
  return integerContent(reader.expect(derTag.integer, field), field)
}

/** INTEGER of any size and sign. */
export function readInteger(reader: DerReader, field: string): bigint {
  const bytes = readIntegerBytes(reader, field)
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return (bytes[0] ?? 0) & 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value
}

/** INTEGER from 0 to `maximum` (at most 2^31−1). */
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
  const [first, second] = content
  if (first === undefined) refuse(value, 'WrongLength', `${field} is an empty integer`)
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    refuse(value, 'NotCanonical', `${field} is an integer with needless leading bytes`)
  }
  return content
}

/** BOOLEAN: DER allows 0x00 and 0xFF only (X.690 section 11.1). */
export function readBoolean(reader: DerReader, field: string): boolean {
  const value = reader.expect(derTag.boolean, field)
  if (value.content.length !== 1) refuse(value, 'WrongLength', `${field} is not one byte`)
  const byte = value.content[0]
  if (byte !== 0 && byte !== 0xff) refuse(value, 'NotCanonical', `${field} is neither false nor true`)
  return byte === 0xff
}

/** OBJECT IDENTIFIER in dotted form. */
export function readOid(reader: DerReader, field: string): string {
  const value = reader.expect(derTag.oid, field)
  const { content } = value
  if (content.length === 0) refuse(value, 'WrongLength', `${field} is an empty object identifier`)
  if (content.length > 64) refuse(value, 'TooLarge', `${field} is too long`)
  const arcs: bigint[] = []
  let arc = 0n
  let fresh = true
  for (const byte of content) {
    if (fresh && byte === 0x80) refuse(value, 'NotCanonical', `${field} has an arc with leading zeros`)
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    fresh = (byte & 0x80) === 0
    if (fresh) {
      arcs.push(arc)
      arc = 0n
    }
  }
  if (!fresh) refuse(value, 'Truncated', `${field} ends inside an arc`)
  const first = arcs[0] ?? 0n
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n
  return [root, first - root * 40n, ...arcs.slice(1)].join('.')
}

/** BIT STRING of whole bytes, as signatures and keys are. */
export function readBitStringBytes(reader: DerReader, field: string): Uint8Array {
  const value = reader.expect(derTag.bitString, field)
  if (value.content.length === 0) refuse(value, 'WrongLength', `${field} is empty`)
  if (value.content[0] !== 0) refuse(value, 'InvalidValue', `${field} has unused bits`)
  return value.content.subarray(1)
}

/**
 * BIT STRING of named bits; bit 0 is the first. X.690 section 11.2.2 forbids trailing zero bits, but AMD's ASK certificates
 * write keyUsage with them: they are allowed, since they change no meaning.
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

/** OCTET STRING. */
export function readOctets(reader: DerReader, field: string): DerValue {
  return reader.expect(derTag.octetString, field)
}

/** Any of the string types of a distinguished name, as text. */
export function stringOf(value: DerValue, field: string): string {
  switch (value.tag) {
    case derTag.utf8String:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value.content)
      } catch {
        return refuse(value, 'InvalidEncoding', `${field} is not UTF-8`)
      }
    case derTag.printableString:
    case derTag.ia5String:
      if (value.content.some((byte) => byte > 0x7e || byte < 0x20)) {
        refuse(value, 'InvalidEncoding', `${field} is not printable ASCII`)
      }
      return String.fromCharCode(...value.content)
    case derTag.teletexString:
      return String.fromCharCode(...value.content)
    default:
      return refuse(value, 'UnknownType', `${field} is a string of a type that is not used`)
  }
}

/** UTCTime or GeneralizedTime in the only forms that RFC 5280 section 4.1.2.5 allows: to the second, Z. */
export function readTime(reader: DerReader, field: string): Date {
  const value = reader.next(field)
  const text = String.fromCharCode(...value.content.subarray(0, 16))
  const utc = value.tag === derTag.utcTime
  if (!utc && value.tag !== derTag.generalizedTime) refuse(value, 'UnknownType', `${field} is not a time`)
  const length = utc ? 13 : 15
  if (value.content.length !== length || !/^\d+Z$/.test(text))
    refuse(value, 'InvalidValue', `${field} is not a time in Z`)
  const shortYear = Number(text.slice(0, 2))
  const year = utc ? (shortYear < 50 ? 2000 : 1900) + shortYear : Number(text.slice(0, 4))
  // Dates to 2049 must be UTCTime, so that one instant has one form.
  if (!utc && year < 2050 && year >= 1950) refuse(value, 'NotCanonical', `${field} must be a UTCTime`)
  const [month, day, hour, minute, second] = [10, 8, 6, 4, 2].map((back) =>
    Number(text.slice(length - 1 - back, length + 1 - back)),
  )
  const time = new Date(Date.UTC(year, (month ?? 0) - 1, day, hour, minute, second))
  // setUTCFullYear, because Date.UTC reads the years 0 to 99 as 1900 to 1999.
  time.setUTCFullYear(year)
  const written = time.toISOString().replace(/[-:T]|\.\d+/g, '')
  const meant = (utc ? String(year) : text.slice(0, 4)) + text.slice(utc ? 2 : 4)
  if (written !== meant) refuse(value, 'InvalidValue', `${field} is not a date of the calendar`)
  return time
}
