/** DER (X.690) for the types in certificates, lists and signed messages. Every function returns one whole value. */

type Bytes = Uint8Array<ArrayBuffer>

/** A value of any type, for types without a function here. @param tag identifier octet */
export function der(tag: number, ...contents: readonly Uint8Array[]): Bytes {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  const header = [tag, ...lengthOctets(length)]
  const value = new Uint8Array(header.length + length)
  value.set(header)
  let at = header.length
  for (const content of contents) {
    value.set(content, at)
    at += content.length
  }
  return value
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return [0x80 | octets.length, ...octets]
}

export function sequence(...values: readonly Uint8Array[]): Bytes {
  return der(0x30, ...values)
}

/** SET OF: in ascending order of the encodings (X.690 section 11.6). */
export function setOf(...values: readonly Uint8Array[]): Bytes {
  return der(0x31, ...values.toSorted(compare))
}

/** Order of two encodings; a prefix comes first. */
function compare(left: Uint8Array, right: Uint8Array): number {
  const at = left.findIndex((octet, index) => octet !== right[index])
  return at === -1 ? left.length - right.length : left[at]! - (right[at] ?? -1)
}

/** Tag [n]: explicit, or implicit for a constructed value given by its parts. */
export function tagged(n: number, ...values: readonly Uint8Array[]): Bytes {
  return der(0xa0 | n, ...values)
}

/** Implicit tag [n] of a primitive value. */
export function implicit(n: number, content: Uint8Array): Bytes {
  return der(0x80 | n, content)
}

/** Non-negative INTEGER. @param value bytes are its magnitude, most significant first. @throws RangeError */
export function integer(value: bigint | number | Uint8Array): Bytes {
  const octets = value instanceof Uint8Array ? value : magnitude(BigInt(value))
  const first = octets.findIndex((octet) => octet !== 0)
  const content = first === -1 ? Uint8Array.of(0) : octets.subarray(first)
  return content[0]! < 0x80 ? der(0x02, content) : der(0x02, Uint8Array.of(0), content)
}

function magnitude(value: bigint): Uint8Array {
  if (value < 0n) throw new RangeError(`DER: only non-negative integers are written, not ${value}`)
  const hex = value.toString(16)
  return Uint8Array.from((hex.length % 2 === 0 ? hex : `0${hex}`).match(/../g)!, (pair) => Number.parseInt(pair, 16))
}

/** ENUMERATED of one octet. */
export function enumerated(value: number): Bytes {
  if (!Number.isInteger(value) || value < 0 || value > 127) throw new RangeError(`DER: not 0 to 127: ${value}`)
  return der(0x0a, Uint8Array.of(value))
}

export function boolean(value: boolean): Bytes {
  return der(0x01, Uint8Array.of(value ? 0xff : 0))
}

export function nullValue(): Bytes {
  return der(0x05)
}

/** OBJECT IDENTIFIER. @param dotted for example `2.5.29.15`. @throws TypeError */
export function oid(dotted: string): Bytes {
  const arcs = /^[0-2](\.(0|[1-9]\d*))+$/.test(dotted) ? dotted.split('.').map(BigInt) : []
  const [root, second, ...rest] = arcs
  if (root === undefined || second === undefined || (root < 2n && second > 39n))
    throw new TypeError(`not an object identifier: ${dotted}`)
  return der(0x06, ...[root * 40n + second, ...rest].map(arcOctets))
}

function arcOctets(arc: bigint): Bytes {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return Uint8Array.from(octets)
}

export function octetString(content: Uint8Array): Bytes {
  return der(0x04, content)
}

/** BIT STRING of whole bytes. */
export function bitString(content: Uint8Array): Bytes {
  return der(0x03, Uint8Array.of(0), content)
}

/** BIT STRING of named bits; bit 0 first, without trailing zeros. */
export function namedBits(bits: readonly number[]): Bytes {
  const last = Math.max(...bits, -1)
  const octets = new Uint8Array(Math.floor(last / 8) + 1)
  for (const bit of bits) octets[bit >> 3] = octets[bit >> 3]! | (0x80 >> (bit & 7))
  return der(0x03, Uint8Array.of(last < 0 ? 0 : 7 - (last & 7)), octets)
}

const encoder = new TextEncoder()

export function utf8String(text: string): Bytes {
  return der(0x0c, encoder.encode(text))
}

/** IA5String. @throws RangeError for non-ASCII text */
export function ia5String(text: string): Bytes {
  return der(0x16, ascii(text))
}

/** The bytes of an ASCII text. @throws RangeError */
export function ascii(text: string): Bytes {
  const bytes = encoder.encode(text)
  if (bytes.some((octet) => octet > 0x7f)) throw new RangeError(`DER: not ASCII: ${text}`)
  return bytes
}

/** UTCTime of 1950 to 2049, GeneralizedTime of other years; truncated to the second (RFC 5280 section 4.1.2.5). @throws RangeError */
export function time(date: Date): Bytes {
  const year = date.getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) throw new RangeError('DER: a time is of a year from 0 to 9999')
  const text = `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return year >= 1950 && year < 2050 ? der(0x17, ascii(text.slice(2))) : der(0x18, ascii(text))
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3). @param raw r and s of the curve's length, as WebCrypto signs */
export function ecdsaSignature(raw: Uint8Array): Bytes {
  const half = raw.length / 2
  return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)))
}
