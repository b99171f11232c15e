/**
 * DER (X.690) as far as certificates need it. The writers return one whole value each; the reader is for what this
 * installation has sealed itself.
 */

export function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content])
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Buffer.of(0x80 | octets.length, ...octets)
}

export function sequence(...values: Uint8Array[]): Buffer {
  return der(0x30, ...values)
}

export function boolean(value: boolean): Buffer {
  return der(0x01, Buffer.of(value ? 0xff : 0))
}

/** INTEGER of one octet. */
export function smallInteger(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value > 127) throw new RangeError(`not 0 to 127: ${value}`)
  return der(0x02, Buffer.of(value))
}

export function oid(dotted: string): Buffer {
  const arcs = dotted.split('.').map(Number)
  const [first, second, ...rest] = arcs
  if (first === undefined || second === undefined || !arcs.every((arc) => Number.isSafeInteger(arc) && arc >= 0)) {
    throw new TypeError(`not an object identifier: ${dotted}`)
  }
  return der(0x06, ...[first * 40 + second, ...rest].map(arcOctets))
}

function arcOctets(arc: number): Buffer {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) | 0x80)
  return Buffer.from(octets)
}

export function octetString(content: Uint8Array): Buffer {
  return der(0x04, content)
}

/** BIT STRING of whole bytes. */
export function bitString(content: Uint8Array): Buffer {
  return der(0x03, Buffer.of(0), content)
}

/** BIT STRING of up to eight named bits (bit 0 first) without trailing zeros. */
export function namedBits(bits: readonly number[]): Buffer {
  if (bits.length === 0) return der(0x03, Buffer.of(0))
  let octet = 0
  for (const bit of bits) octet |= 0x80 >> bit
  return der(0x03, Buffer.of(7 - Math.max(...bits), octet))
}

/** UTCTime up to 2049 and GeneralizedTime after, to the second (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Buffer {
  const text = `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  const early = date.getUTCFullYear() < 2050
  return early ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

/** The values inside a constructed value, each whole. */
export function children(value: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = contentOf(value).start; at < value.length;) {
    const child = value.subarray(at)
    const { end } = contentOf(child)
    found.push(child.subarray(0, end))
    at += end
  }
  return found
}

/** Where the content of the first value in `bytes` lies. */
export function contentOf(bytes: Uint8Array): { start: number; end: number } {
  let length = bytes[1] ?? 0
  let start = 2
  if (length > 0x80) {
    start += length & 0x7f
    length = 0
    for (const octet of bytes.subarray(2, start)) length = length * 256 + octet
  }
  const end = start + length
  if (end > bytes.length) throw new RangeError('a DER value ends too early')
  return { start, end }
}
