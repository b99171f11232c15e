import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ParseError } from '../core/errors.ts'

/** CBOR values that occur in evidence (RFC 8949). Integers beyond 2^53 are refused: evidence has none. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap | CborTagged
export type CborMap = ReadonlyMap<number | string, CborValue>

export interface CborTagged {
  tag: number
  value: CborValue
}

/** Deeper and larger than any genuine evidence. */
const maximumDepth = 12
const maximumItems = 4096

/**
 * Parses exactly one item, strictly: definite and shortest lengths, no duplicate keys, no floating point, text in
 * UTF-8, bounded in depth and number. Encodings are canonical except for the order of keys, which differs between
 * vendors.
 * @param o.openMap the outermost map may have an indefinite length (RFC 8949, 3.2.2), as AWS writes it: it ends at a break
 * @throws ParseError Truncated, TrailingBytes, NotCanonical, Duplicate, InvalidEncoding, InvalidValue, TooDeep, TooLarge
 * @example
 * import { fromHex } from '@strongroom/evidence'
 * import { parseCbor } from '@strongroom/evidence/files'
 *
 * parseCbor(fromHex('820163616263'), 'example') // => [1, 'abc']
 * // 23 has a shorter form.
 * parseCbor(fromHex('1817'), 'example') // throws ParseError NotCanonical
 */
export function parseCbor(bytes: Uint8Array, subject: string, o: { openMap?: boolean } = {}): CborValue {
  const reader = new ByteReader(bytes, subject)
  const budget = { left: maximumItems }
  const isOpen = o.openMap === true && bytes[0] === openMap
  const next = (): CborValue => readItem(reader, subject, budget, isOpen ? 1 : 0)
  const value = isOpen ? readOpenMap(bytes, reader, next, failAt(reader, subject)) : next()
  reader.end()
  return value
}

function readItem(reader: ByteReader, subject: string, budget: { left: number }, depth: number): CborValue {
  const fail = failAt(reader, subject)
  if (depth > maximumDepth) fail('TooDeep', 'nested deeper than evidence is')
  if (budget.left-- <= 0) fail('TooLarge', 'more items than evidence has')
  const first = reader.u8('initial byte')
  const [major, information] = [first >>> 5, first & 31]
  if (major === 7) {
    if (information === 20 || information === 21) return information === 21
    if (information === 22) return null
    return fail('InvalidValue', 'a simple value or number that evidence does not use')
  }
  const argument = readArgument(reader, information, fail)
  const next = (): CborValue => readItem(reader, subject, budget, depth + 1)
  // Each item takes a byte, so no count exceeds the remaining length.
  if (major > 1 && major < 6 && argument > reader.remaining) fail('Truncated', 'a length beyond the end')
  if (major === 0) return argument
  if (major === 1) return -1 - argument
  if (major === 2) return reader.bytes(argument, 'bytes')
  if (major === 3) return textOf(reader.bytes(argument, 'text'), fail)
  if (major === 4) return Array.from({ length: argument }, next)
  if (major === 6) return { tag: argument, value: next() }
  const map = new Map<number | string, CborValue>()
  for (let index = 0; index < argument; index++) readEntry(map, next, fail)
  return map
}

type Fail = (code: ParseError['code'], what: string) => never

function failAt({ offset }: ByteReader, subject: string): Fail {
  return (code, what) => {
    throw new ParseError({ code, message: `${subject}: ${what}`, offset })
  }
}

function readEntry(map: Map<number | string, CborValue>, next: () => CborValue, fail: Fail): void {
  const key = next()
  if (typeof key !== 'number' && typeof key !== 'string')
    return fail('InvalidValue', 'a key that is not a number or text')
  if (map.has(key)) fail('Duplicate', `key ${key} twice`)
  map.set(key, next())
}

/** Initial byte of a map of indefinite length, and the break that ends it. */
const openMap = 0xbf
const breakCode = 0xff

function readOpenMap(bytes: Uint8Array, reader: ByteReader, next: () => CborValue, fail: Fail): CborMap {
  const map = new Map<number | string, CborValue>()
  reader.u8('initial byte')
  while (bytes[reader.position] !== breakCode) readEntry(map, next, fail)
  reader.u8('break')
  return map
}

function readArgument(reader: ByteReader, information: number, fail: Fail): number {
  if (information < 24) return information
  if (information > 27) return fail('NotCanonical', 'an indefinite or reserved length')
  const size = information - 24
  const value =
    size === 0
      ? reader.u8('argument')
      : size === 1
        ? reader.u16be('argument')
        : size === 2
          ? reader.u32be('argument')
          : Number(reader.u64be('argument'))
  const least = [24, 0x100, 0x1_0000, 0x1_0000_0000][size] ?? 0
  if (value < least) fail('NotCanonical', 'a number that could be written shorter')
  return Number.isSafeInteger(value) ? value : fail('InvalidValue', 'a number beyond 2^53')
}

function textOf(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return fail('InvalidEncoding', 'text that is not UTF-8')
  }
}

/**
 * Initial byte and argument of an item in shortest form, for building signed data.
 * @example
 * import { toHex } from '@strongroom/evidence'
 * import { cborHead } from '@strongroom/evidence/files'
 *
 * // A byte string of 300 bytes begins so.
 * toHex(cborHead(2, 300)) // => '59012c'
 */
export function cborHead(major: number, argument: number): Uint8Array {
  const high = major << 5
  if (argument < 24) return Uint8Array.of(high | argument)
  if (argument < 0x100) return Uint8Array.of(high | 24, argument)
  if (argument < 0x1_0000) return Uint8Array.of(high | 25, argument >>> 8, argument & 0xff)
  const bytes = new Uint8Array(5)
  bytes[0] = high | 26
  new DataView(bytes.buffer).setUint32(1, argument)
  return bytes
}
