import { ParseError } from '../errors.ts'
import { toHex } from './hex.ts'

/**
 * Reads a structure front to back. Every read names its field, and every error has the field's name and its offset in
 * the outermost input. Returned bytes are views, not copies.
 * @example
 * import { ByteReader } from '@strongroom/evidence'
 *
 * const reader = new ByteReader(Uint8Array.of(2, 0, 0, 0, 0xff), 'header')
 * reader.u32le('version') // => 2
 * reader.remaining // => 1
 * reader.u16le('length') // throws ParseError Truncated
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #structure: string
  readonly #base: number
  #at = 0

  /**
   * @param structure name of what is read, for messages
   * @param base offset of `bytes` in the outermost input, for error offsets
   */
  constructor(bytes: Uint8Array, structure: string, base = 0) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#structure = structure
    this.#base = base
  }

  /** Position inside this structure. */
  get position(): number {
    return this.#at
  }

  /** Position in the outermost input. */
  get offset(): number {
    return this.#base + this.#at
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field))
  }

  u16le(field: string): number {
    return this.#view.getUint16(this.#take(2, field), true)
  }

  u32le(field: string): number {
    return this.#view.getUint32(this.#take(4, field), true)
  }

  u64le(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field), true)
  }

  u16be(field: string): number {
    return this.#view.getUint16(this.#take(2, field))
  }

  u32be(field: string): number {
    return this.#view.getUint32(this.#take(4, field))
  }

  u64be(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field))
  }

  bytes(length: number, field: string): Uint8Array {
    const start = this.#take(length, field)
    return this.#bytes.subarray(start, start + length)
  }

  /** All remaining bytes. */
  rest(): Uint8Array {
    return this.bytes(this.remaining, 'rest')
  }

  /** A reader of the next `length` bytes whose errors carry outer offsets. */
  structure(length: number, structure: string): ByteReader {
    const base = this.offset
    return new ByteReader(this.bytes(length, structure), structure, base)
  }

  /** Reserved bytes must be zero: a later version may give a meaning to signed bytes that this one ignores. */
  zero(length: number, field: string): void {
    const offset = this.offset
    const bytes = this.bytes(length, field)
    for (let index = 0; index < bytes.length; index++) {
      if (bytes[index] !== 0) {
        throw new ParseError({
          code: 'ReservedNotZero',
          message: `${this.#structure}: reserved field ${field} is not zero`,
          offset: offset + index,
          expected: 'zero',
          found: toHex(bytes.subarray(index, index + 8)),
        })
      }
    }
  }

  /** @throws ParseError TrailingBytes if anything is left. */
  end(): void {
    if (this.remaining > 0) {
      throw new ParseError({
        code: 'TrailingBytes',
        message: `${this.#structure}: ${this.remaining} bytes after its end`,
        offset: this.offset,
        expected: `${this.#at} bytes`,
        found: `${this.#bytes.length} bytes`,
      })
    }
  }

  #take(length: number, field: string): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.remaining) {
      throw new ParseError({
        code: 'Truncated',
        message: `${this.#structure}: ends inside ${field}`,
        offset: this.offset,
        expected: `${length} bytes`,
        found: `${this.remaining} bytes`,
      })
    }
    const start = this.#at
    this.#at += length
    return start
  }
}
