/** Synchronous DEFLATE (RFC 1951): `detect` unpacks while it scans, and a browser's own decompression is asynchronous. */

/** RFC 1951 section 3.2.5: bases and extra bits of lengths 257 to 285 and of distances 0 to 29. */
const lengthBases = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const lengthExtras = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBases = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12_289, 16_385, 24_577,
]
const distanceExtras = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]
/** Section 3.2.7: order of the code lengths for the code length alphabet. */
const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
const longest = 15

/** Damaged data, or more than the caller accepts. */
export class InflateError extends Error {}

interface Code {
  /** How many symbols have a code of each length. */
  counts: Uint16Array
  /** By code. */
  symbols: Uint16Array
}

function codeOf(lengths: readonly number[], what: string): Code {
  const counts = new Uint16Array(longest + 1)
  for (const length of lengths) counts[length]!++
  counts[0] = 0
  let left = 1
  for (let length = 1; length <= longest; length++) {
    left = left * 2 - counts[length]!
    if (left < 0) throw new InflateError(`${what}: more codes than there are`)
  }
  // zlib: a code may be incomplete only if it has one symbol, or none.
  const used = lengths.filter((length) => length > 0).length
  if (left > 0 && (used > 1 || what === 'lengths' || (used === 1 && counts[1] !== 1)))
    throw new InflateError(`${what}: codes that stand for nothing`)
  const offsets = new Uint16Array(longest + 2)
  for (let length = 1; length <= longest; length++) offsets[length + 1] = offsets[length]! + counts[length]!
  const symbols = new Uint16Array(lengths.length)
  for (const [symbol, length] of lengths.entries()) if (length > 0) symbols[offsets[length]!++] = symbol
  return { counts, symbols }
}

const fixedLengths = Array.from({ length: 288 }, (_, at) => (at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8))
const fixed = { lengths: codeOf(fixedLengths, 'fixed'), distances: codeOf(Array<number>(32).fill(5), 'fixed') }

class Bits {
  readonly #bytes: Uint8Array
  #at: number
  #held = 0
  #count = 0

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  take(count: number): number {
    while (this.#count < count) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new InflateError('the data end early')
      this.#held |= byte << this.#count
      this.#count += 8
    }
    const value = this.#held & ((1 << count) - 1)
    this.#held >>>= count
    this.#count -= count
    return value
  }

  /** Offset of the next whole byte. */
  align(): number {
    this.#held = 0
    this.#count = 0
    return this.#at
  }

  bytes(length: number): Uint8Array {
    const at = this.align()
    if (at + length > this.#bytes.length) throw new InflateError('the data end early')
    this.#at += length
    return this.#bytes.subarray(at, at + length)
  }

  symbol({ counts, symbols }: Code): number {
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= longest; length++) {
      code |= this.take(1)
      const count = counts[length]!
      if (code - count < first) return symbols[index + (code - first)]!
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw new InflateError('a code that stands for nothing')
  }
}

class Output {
  #bytes = new Uint8Array(4096)
  #length = 0
  readonly #maximum: number

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  #room(more: number): void {
    if (this.#length + more > this.#maximum) throw new InflateError('more than is taken')
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.min(this.#maximum, Math.max(this.#bytes.length * 2, this.#length + more)))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }

  put(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  repeat(distance: number, length: number): void {
    if (distance > this.#length) throw new InflateError('a distance from before the beginning')
    this.#room(length)
    for (let left = length; left > 0; left--) {
      this.#bytes[this.#length] = this.#bytes[this.#length - distance]!
      this.#length++
    }
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

function dynamicCodes(bits: Bits): { lengths: Code; distances: Code } {
  const [literals, distances, lengths] = [bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4]
  if (literals > 286 || distances > 30) throw new InflateError('more symbols than there are')
  const first = Array<number>(19).fill(0)
  for (const place of order.slice(0, lengths)) first[place] = bits.take(3)
  const code = codeOf(first, 'lengths')
  const all: number[] = []
  while (all.length < literals + distances) {
    const symbol = bits.symbol(code)
    if (symbol < 16) {
      all.push(symbol)
      continue
    }
    const last = all.at(-1)
    if (symbol === 16 && last === undefined) throw new InflateError('a repetition of nothing')
    const [value, times] =
      symbol === 16 ? [last!, 3 + bits.take(2)] : [0, symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7)]
    if (all.length + times > literals + distances) throw new InflateError('a repetition beyond the end')
    all.push(...Array<number>(times).fill(value))
  }
  if (all[256] === 0) throw new InflateError('no end of the block')
  return {
    lengths: codeOf(all.slice(0, literals), 'literals'),
    distances: codeOf(all.slice(literals), 'distances'),
  }
}

function block(bits: Bits, out: Output, codes: { lengths: Code; distances: Code }): void {
  for (;;) {
    const symbol = bits.symbol(codes.lengths)
    if (symbol === 256) return
    if (symbol < 256) {
      out.byte(symbol)
      continue
    }
    const base = lengthBases[symbol - 257]
    if (base === undefined) throw new InflateError('a length that stands for nothing')
    const length = base + bits.take(lengthExtras[symbol - 257]!)
    const far = bits.symbol(codes.distances)
    const farBase = distanceBases[far]
    if (farBase === undefined) throw new InflateError('a distance that stands for nothing')
    out.repeat(farBase + bits.take(distanceExtras[far]!), length)
  }
}

/**
 * Unpacks the stream that begins at `at`.
 * @returns the bytes, and where the stream ends
 * @throws InflateError if it is damaged, or yields more than `maximum` bytes
 */
export function inflate(bytes: Uint8Array, at: number, maximum: number): { content: Uint8Array; end: number } {
  const bits = new Bits(bytes, at)
  const out = new Output(maximum)
  for (let last = false; !last;) {
    last = bits.take(1) === 1
    const kind = bits.take(2)
    if (kind === 0) {
      const head = bits.bytes(4)
      const length = head[0]! | (head[1]! << 8)
      if ((length ^ 0xff_ff) !== (head[2]! | (head[3]! << 8))) throw new InflateError('a length that is not its own')
      out.put(bits.bytes(length))
    } else if (kind === 1) block(bits, out, fixed)
    else if (kind === 2) block(bits, out, dynamicCodes(bits))
    else throw new InflateError('a block of no kind')
  }
  return { content: out.finish(), end: bits.align() }
}
