import { concat, derTag, utf8 } from '@strongroom/evidence'

/** DER encodings (X.690) for what certificates and lists need. Every function returns one whole value. */

export function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const content = concat(...contents)
  return concat(Uint8Array.of(tag), lengthOctets(content.length), content)
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.of(0x80 | octets.length, ...octets)
}

export function sequence(...values: Uint8Array[]): Uint8Array {
  return der(derTag.sequence, ...values)
}

export function set(...values: Uint8Array[]): Uint8Array {
  return der(derTag.set, ...values)
}

/** Explicit tag [n]. */
export function tagged(n: number, ...values: Uint8Array[]): Uint8Array {
  return der(derTag.context(n, true), ...values)
}

/** Implicit tag [n] of a primitive value. */
export function implicit(n: number, content: Uint8Array): Uint8Array {
  return der(derTag.context(n, false), content)
}

/** Non-negative INTEGER. */
export function integer(value: bigint | number): Uint8Array {
  let rest = BigInt(value)
  if (rest < 0n) throw new RangeError('only non-negative integers are written')
  const octets: number[] = []
  do {
    octets.unshift(Number(rest & 0xffn))
    rest >>= 8n
  } while (rest > 0n)
  if ((octets[0] ?? 0) >= 0x80) octets.unshift(0)
  return der(derTag.integer, Uint8Array.from(octets))
}

export function enumerated(value: number): Uint8Array {
  return der(derTag.enumerated, Uint8Array.of(value))
}

export function boolean(value: boolean): Uint8Array {
  return der(derTag.boolean, Uint8Array.of(value ? 0xff : 0))
}

export function nullValue(): Uint8Array {
  return der(derTag.null)
}

export function oid(dotted: string): Uint8Array {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  return der(derTag.oid, ...[first * 40n + second, ...rest].map(arcOctets))
}

function arcOctets(arc: bigint): Uint8Array {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return Uint8Array.from(octets)
}

export function octetString(content: Uint8Array): Uint8Array {
  return der(derTag.octetString, content)
}

/** BIT STRING of whole bytes. */
export function bitString(content: Uint8Array): Uint8Array {
  return der(derTag.bitString, Uint8Array.of(0), content)
}

/** BIT STRING of named bits; bit 0 first, without trailing zeros. */
export function namedBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(...bits, -1)
  const octets = new Uint8Array(Math.floor(last / 8) + 1)
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return der(derTag.bitString, Uint8Array.of(last < 0 ? 0 : 7 - (last & 7)), octets)
}

export function utf8String(text: string): Uint8Array {
  return der(derTag.utf8String, utf8(text))
}

export function printableString(text: string): Uint8Array {
  return der(derTag.printableString, utf8(text))
}

export function ia5String(text: string): Uint8Array {
  return der(derTag.ia5String, utf8(text))
}

/** UTCTime up to 2049 and GeneralizedTime after, to the second (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Uint8Array {
  const text = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050
    ? der(derTag.utcTime, utf8(text.slice(2)))
    : der(derTag.generalizedTime, utf8(text))
}
