import { ParseError, type ParseErrorCode } from '../errors.ts'

/**
 * Identifier octets of the universal types that certificates and lists use (X.690 section 8.1.2).
 * @example
 * import { DerReader, derTag, fromHex } from '@strongroom/evidence'
 *
 * new DerReader(fromHex('0500'), 'example').peek() === derTag.null // => true
 */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  /** Context-specific tag n. */
  context: (n: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | n,
} as const

/** Deeper than any certificate or revocation list; below what exhausts a stack. */
const maximumDepth = 16

/** One value with its position. Its bytes are views, created on request: most values are only skipped. */
export class DerValue {
  readonly tag: number
  /** Offset of `raw` in the outermost input. */
  readonly offset: number
  /** Offset of `content` in the outermost input. */
  readonly contentOffset: number
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #contentStart: number
  readonly #end: number

  constructor(
    bytes: Uint8Array,
    place: { tag: number; start: number; contentStart: number; end: number; base: number },
  ) {
    this.#bytes = bytes
    this.tag = place.tag
    this.#start = place.start
    this.#contentStart = place.contentStart
    this.#end = place.end
    this.offset = place.base + place.start
    this.contentOffset = place.base + place.contentStart
  }

  /** The whole encoding. */
  get raw(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** What follows the length. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#contentStart, this.#end)
  }

  /** Reader over the content of a constructed value. */
  read(structure: string, depth: number): DerReader {
    const base = this.contentOffset - this.#contentStart
    return new DerReader(this.#bytes, structure, base, { depth, start: this.#contentStart, end: this.#end })
  }
}

/**
 * Strict reader of DER (X.690): low tag numbers, definite and minimal lengths, nothing after the end, bounded depth.
 * Signatures cover bytes, but decisions depend on content: a lenient reader could give one signed text two meanings.
 * @example
 * import { DerReader, fromHex, readBoolean, readSmallInteger } from '@strongroom/evidence'
 *
 * const reader = new DerReader(fromHex('300602010a010100'), 'example')
 * const sequence = reader.sequence('whole')
 * readSmallInteger(sequence, 'size') // => 10
 * readBoolean(sequence, 'enabled') // => false
 * sequence.end()
 * new DerReader(fromHex('3080'), 'example').sequence('whole') // throws ParseError NotCanonical
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #base: number
  readonly #depth: number
  readonly #end: number
  readonly structure: string
  #at: number

  /**
   * @param base offset of `bytes` in the outermost input
   * @param within of a nested value: how deep it is, and where in `bytes` to begin and stop
   */
  constructor(
    bytes: Uint8Array,
    structure: string,
    base = 0,
    within: { depth: number; start: number; end: number } = { depth: 0, start: 0, end: bytes.length },
  ) {
    const { depth, start, end } = within
    this.#bytes = bytes
    this.#base = base
    this.#depth = depth
    this.#at = start
    this.#end = end
    this.structure = structure
    if (depth > maximumDepth) this.fail('TooDeep', `nested deeper than ${maximumDepth}`)
  }

  get atEnd(): boolean {
    return this.#at >= this.#end
  }

  get offset(): number {
    return this.#base + this.#at
  }

  /** The bytes not yet read. */
  get remaining(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#end)
  }

  /** Identifier octet of the next value, without reading it; undefined at the end. */
  peek(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined
  }

  /** Reads one value of any type. */
  next(field: string): DerValue {
    const start = this.#at
    const tag = this.#byte(field)
    if ((tag & 0x1f) === 0x1f) this.fail('InvalidValue', `${field}: tag numbers above 30 are not used`)
    const length = this.#readLength(field)
    if (length > this.#end - this.#at) {
      this.fail('Truncated', `ends inside ${field}`, `${length} bytes`, `${this.#end - this.#at} bytes`)
    }
    const contentStart = this.#at
    this.#at += length
    return new DerValue(this.#bytes, { tag, start, contentStart, end: this.#at, base: this.#base })
  }

  /** Reads one value that must have this identifier octet. */
  expect(tag: number, field: string): DerValue {
    if (this.peek() !== tag) {
      const found = this.peek()
      this.fail(
        found === undefined ? 'Truncated' : 'UnknownType',
        `${field} has another type`,
        `tag 0x${tag.toString(16)}`,
        found === undefined ? 'the end' : `tag 0x${found.toString(16)}`,
      )
    }
    return this.next(field)
  }

  /** Reads a value with this identifier octet if it is the next. */
  optional(tag: number, field: string): DerValue | undefined {
    return this.peek() === tag ? this.next(field) : undefined
  }

  /** Reader over the content of a constructed value. */
  enter(value: DerValue, structure: string): DerReader {
    return value.read(structure, this.#depth + 1)
  }

  sequence(field: string): DerReader {
    return this.enter(this.expect(derTag.sequence, field), field)
  }

  set(field: string): DerReader {
    return this.enter(this.expect(derTag.set, field), field)
  }

  end(): void {
    if (!this.atEnd) this.fail('TrailingBytes', `${this.#end - this.#at} bytes after its end`)
  }

  /** Throws at the current position. */
  fail(code: ParseErrorCode, message: string, expected?: string, found?: string): never {
    throw new ParseError({
      code,
      message: `${this.structure}: ${message}`,
      offset: this.offset,
      expected,
      found,
    })
  }

  #byte(field: string): number {
    const byte = this.peek()
    if (byte === undefined) this.fail('Truncated', `ends inside ${field}`)
    this.#at++
    return byte
  }

  #readLength(field: string): number {
    const first = this.#byte(field)
    if (first < 0x80) return first
    if (first === 0x80) this.fail('NotCanonical', `${field}: indefinite length`)
    const count = first & 0x7f
    if (count > 4) this.fail('TooLarge', `${field}: length of ${count} bytes`)
    let length = 0
    for (let index = 0; index < count; index++) {
      const byte = this.#byte(field)
      if (index === 0 && byte === 0) this.fail('NotCanonical', `${field}: length with leading zeros`)
      length = length * 256 + byte
    }
    if (length < 0x80) this.fail('NotCanonical', `${field}: long form for a short length`)
    return length
  }
}
