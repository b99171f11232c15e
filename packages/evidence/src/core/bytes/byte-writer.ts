import { concat } from './bytes.ts'

/**
 * Writes a structure front to back: the counterpart of ByteReader for builders of evidence and for tests.
 * @example
 * import { ByteWriter, toHex, utf8 } from '@strongroom/evidence'
 *
 * const bytes = new ByteWriter().u16be(3).bytes(utf8('abc')).zero(2).finish()
 * toHex(bytes) // => '00036162630000'
 */
export class ByteWriter {
  readonly #parts: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value))
  }

  u16le(value: number): this {
    return this.#number(2, (view) => view.setUint16(0, value, true))
  }

  u32le(value: number): this {
    return this.#number(4, (view) => view.setUint32(0, value, true))
  }

  u64le(value: bigint): this {
    return this.#number(8, (view) => view.setBigUint64(0, value, true))
  }

  u16be(value: number): this {
    return this.#number(2, (view) => view.setUint16(0, value))
  }

  u32be(value: number): this {
    return this.#number(4, (view) => view.setUint32(0, value))
  }

  u64be(value: bigint): this {
    return this.#number(8, (view) => view.setBigUint64(0, value))
  }

  /** Copies, so that later changes of the argument do not change what was written. */
  bytes(bytes: Uint8Array): this {
    this.#parts.push(Uint8Array.from(bytes))
    this.#length += bytes.length
    return this
  }

  /** Bytes padded at the end with zeros up to `length`. */
  padded(bytes: Uint8Array, length: number): this {
    if (bytes.length > length) throw new RangeError(`${bytes.length} bytes do not fit into ${length}`)
    return this.bytes(bytes).zero(length - bytes.length)
  }

  zero(length: number): this {
    return this.bytes(new Uint8Array(length))
  }

  finish(): Uint8Array<ArrayBuffer> {
    return concat(...this.#parts)
  }

  #number(length: number, write: (view: DataView) => void): this {
    const bytes = new Uint8Array(length)
    write(new DataView(bytes.buffer))
    return this.bytes(bytes)
  }
}
