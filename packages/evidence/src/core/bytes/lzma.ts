import { ParseError } from '../errors.ts'

const headerBytes = 13
/** More than a flash file holds. */
const largest = 64 * 1024 * 1024
const half = 1024
const states = 12
const lengthBits = 8

const probabilities = (count: number): Uint16Array => new Uint16Array(count).fill(half)

/** Lengths of matches: 2 to 273 (LZMA specification, "Decoding of the length"). */
class LengthCoder {
  readonly choice: Uint16Array = probabilities(2)
  readonly low: Uint16Array[] = Array.from({ length: 16 }, () => probabilities(8))
  readonly middle: Uint16Array[] = Array.from({ length: 16 }, () => probabilities(8))
  readonly high: Uint16Array = probabilities(1 << lengthBits)
}

class RangeDecoder {
  readonly #data: Uint8Array
  #at: number
  #range = 0xffff_ffff
  #code = 0

  constructor(data: Uint8Array, at: number) {
    this.#data = data
    this.#at = at + 1
    for (let index = 0; index < 4; index++) this.#code = ((this.#code << 8) | this.#next()) >>> 0
    if (data[at] !== 0 || this.#code === this.#range) throw damaged('a start that no encoder writes')
  }

  bit(model: Uint16Array, index: number): number {
    const probability = model[index]!
    const bound = (this.#range >>> 11) * probability
    let bit = 0
    if (this.#code < bound) {
      this.#range = bound
      model[index] = probability + ((2048 - probability) >> 5)
    } else {
      this.#range -= bound
      this.#code -= bound
      model[index] = probability - (probability >> 5)
      bit = 1
    }
    if (this.#range < 0x100_0000) this.#shift()
    return bit
  }

  direct(count: number): number {
    let value = 0
    for (let left = count; left > 0; left--) {
      this.#range >>>= 1
      const bit = this.#code >= this.#range ? 1 : 0
      if (bit === 1) this.#code -= this.#range
      value = value * 2 + bit
      if (this.#range < 0x100_0000) this.#shift()
    }
    return value
  }

  tree(model: Uint16Array, bits: number): number {
    let node = 1
    for (let left = bits; left > 0; left--) node = node * 2 + this.bit(model, node)
    return node - (1 << bits)
  }

  reverseTree(model: Uint16Array, bits: number, offset = 0): number {
    let [node, value] = [1, 0]
    for (let index = 0; index < bits; index++) {
      const bit = this.bit(model, offset + node)
      node = node * 2 + bit
      value |= bit << index
    }
    return value
  }

  length(coder: LengthCoder, position: number): number {
    if (this.bit(coder.choice, 0) === 0) return 2 + this.tree(coder.low[position]!, 3)
    if (this.bit(coder.choice, 1) === 0) return 10 + this.tree(coder.middle[position]!, 3)
    return 18 + this.tree(coder.high, lengthBits)
  }

  /** Once fewer than 25 bits of the range are left. */
  #shift(): void {
    this.#range = (this.#range << 8) >>> 0
    this.#code = ((this.#code << 8) | this.#next()) >>> 0
  }

  #next(): number {
    const byte = this.#data[this.#at++]
    if (byte === undefined) throw damaged('data that ends too early')
    return byte
  }
}

/**
 * Content of an LZMA file of a known size, as firmware has it (LZMA specification, 7-zip.org/sdk.html). What follows it is not read.
 * @throws ParseError
 */
export function unpackLzma(packed: Uint8Array): Uint8Array {
  const properties = packed[0]
  if (properties === undefined || packed.length < headerBytes + 5 || properties >= 9 * 5 * 5)
    throw damaged('no header of an LZMA file')
  const size = Number(new DataView(packed.buffer, packed.byteOffset).getBigUint64(5, true))
  if (size > largest) throw damaged(`${size} bytes of content`)
  return decode(new RangeDecoder(packed, headerBytes), new Uint8Array(size), properties)
}

/** Where a match begins: distances back, by slots of growing size (LZMA specification, "Decoding of the distance"). */
class DistanceCoder {
  readonly #slots = Array.from({ length: 4 }, () => probabilities(64))
  readonly #middle = probabilities(115)
  readonly #low = probabilities(16)

  read(decoder: RangeDecoder, length: number): number {
    const slot = decoder.tree(this.#slots[Math.min(length - 2, 3)]!, 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const base = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return base + decoder.reverseTree(this.#middle, bits, base - slot)
    return base + decoder.direct(bits - 4) * 16 + decoder.reverseTree(this.#low, 4)
  }
}

/** Single bytes, in the context of the byte before, and after a match, of the byte that would have continued it. */
class LiteralCoder {
  readonly #contextBits: number
  readonly #positionBits: number
  readonly #model: Uint16Array

  constructor(properties: number) {
    this.#contextBits = properties % 9
    this.#positionBits = Math.trunc(properties / 9) % 5
    this.#model = probabilities(0x300 << (this.#contextBits + this.#positionBits))
  }

  /** @param o.expected the byte that would have continued the match */
  read(decoder: RangeDecoder, o: { at: number; before: number; expected: number | undefined }): number {
    const low = (o.at & ((1 << this.#positionBits) - 1)) << this.#contextBits
    const base = 0x300 * (low + (o.before >> (8 - this.#contextBits)))
    let node = 1
    for (let shift = 7; o.expected !== undefined && shift >= 0; shift--) {
      const expected = (o.expected >> shift) & 1
      const bit = decoder.bit(this.#model, base + ((1 + expected) << 8) + node)
      node = node * 2 + bit
      if (bit !== expected) break
    }
    while (node < 0x100) node = node * 2 + decoder.bit(this.#model, base + node)
    return node - 0x100
  }
}

function decode(decoder: RangeDecoder, out: Uint8Array, properties: number): Uint8Array {
  const positionMask = (1 << Math.trunc(properties / 45)) - 1
  const [isMatch, isLong] = [probabilities(states * 16), probabilities(states * 16)]
  /** A repeat of a distance; and of which of the last four, the first, second or third. */
  const [isRepeat, ...isLater] = Array.from({ length: 4 }, () => probabilities(states)) as [
    Uint16Array,
    ...Uint16Array[],
  ]
  const [literals, distances, matches, repeats] = [
    new LiteralCoder(properties),
    new DistanceCoder(),
    new LengthCoder(),
    new LengthCoder(),
  ]
  const last = [0, 0, 0, 0]
  let state = 0
  for (let at = 0; at < out.length;) {
    const position = state * 16 + (at & positionMask)
    if (decoder.bit(isMatch, position) === 0) {
      const expected = state < 7 ? undefined : out[at - last[0]! - 1]
      out[at] = literals.read(decoder, { at, before: out[at - 1] ?? 0, expected })
      at += 1
      state = state < 4 ? 0 : state - (state < 10 ? 3 : 6)
      continue
    }
    let length = 1
    if (decoder.bit(isRepeat, state) === 0) {
      length = decoder.length(matches, at & positionMask)
      last.unshift(distances.read(decoder, length))
      last.pop()
      state = state < 7 ? 7 : 10
    } else {
      const which = isLater.findIndex((later) => decoder.bit(later, state) === 0)
      if (which === 0 && decoder.bit(isLong, position) === 0) {
        state = state < 7 ? 9 : 11
      } else {
        last.unshift(...last.splice(which < 0 ? 3 : which, 1))
        length = decoder.length(repeats, at & positionMask)
        state = state < 7 ? 8 : 11
      }
    }
    const distance = last[0]! + 1
    if (distance > at || at + length > out.length) throw damaged('a match outside the content')
    for (const end = at + length; at < end; at++) out[at] = out[at - distance]!
  }
  return out
}

const damaged = (found: string): ParseError =>
  new ParseError({ code: 'InvalidValue', message: 'LZMA: the data is damaged', found })
