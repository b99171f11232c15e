import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { concat } from '../../core/bytes/bytes.ts'
import { ParseError } from '../../core/errors.ts'
import type { Piece, PieceOf } from '../pieces/piece.ts'
import { unusedPiece } from '../unused/unused.ts'

/** Far more fields than any message read here. */
const maximumFields = 1_000

const malformed = (message: string): ParseError => new ParseError({ code: 'InvalidValue', message })

/** Fields of one protobuf message by number; only lengths and varints occur. */
class Message {
  readonly #fields = new Map<number, (number | Uint8Array)[]>()

  /** @throws ParseError */
  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes, 'protobuf')
    for (let count = 0; reader.remaining > 0; count++) {
      const tag = readVarint(reader)
      const [number, wire] = [Math.floor(tag / 8), tag % 8]
      if (count === maximumFields || number === 0 || (wire !== 0 && wire !== 2)) throw malformed('protobuf: field')
      const value = readVarint(reader)
      const values = this.#fields.get(number) ?? []
      values.push(wire === 0 ? value : reader.bytes(value, 'field'))
      this.#fields.set(number, values)
    }
  }

  get numbers(): number[] {
    return [...this.#fields.keys()]
  }

  /** Fields other than these, and all but the last value of those that occur once. */
  unread(once: readonly number[], many: readonly number[] = []): number[] {
    return this.numbers.filter(
      (number) => !many.includes(number) && (!once.includes(number) || (this.#fields.get(number) ?? []).length > 1),
    )
  }

  /** All values of a field; for a field that occurs once in a message, the last one counts. @throws ParseError */
  bytes(number: number): Uint8Array[] {
    const values = this.#fields.get(number) ?? []
    return values.map((value) => {
      if (typeof value === 'number') throw malformed(`protobuf: field ${number} is a number`)
      return value
    })
  }

  /** @throws ParseError */
  integer(number: number): number | undefined {
    const value = this.#fields.get(number)?.at(-1)
    if (value instanceof Uint8Array) throw malformed(`protobuf: field ${number} is not a number`)
    return value
  }
}

function readVarint(reader: ByteReader): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = reader.u8('number')
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
  throw malformed('protobuf: number')
}

/** By TPM_ALG_ID. */
const banks: ReadonlyMap<number | undefined, NonNullable<PieceOf<'tpm-quote'>['bank']>> = new Map([
  [4, 'sha1'],
  [11, 'sha256'],
  [12, 'sha384'],
  [13, 'sha512'],
])

/** Far more banks than a TPM has. */
const maximumQuotes = 16
const maximumPcr = 23

/** From this field on, an `Attestation` holds the hardware's evidence as nested messages (sev_snp_attestation, tdx_attestation). */
const firstOfHardware = 8

/** Message `Attestation` of go-tpm-tools (attest.proto): key, quotes with registers, event log. Undefined for other bytes. */
export function readAttestationMessage(name: string, bytes: Uint8Array): Piece[] | undefined {
  try {
    const message = new Message(bytes)
    const [publicArea, quotes, eventLog] = [message.bytes(1).at(-1), message.bytes(2), message.bytes(3).at(-1)]
    if (publicArea === undefined || publicArea.length > 0xffff) return undefined
    if (quotes.length === 0 || quotes.length > maximumQuotes) return undefined
    // The message holds a TPMT_PUBLIC; TPM2B_PUBLIC puts its length before it.
    const akPublic = concat(Uint8Array.of(publicArea.length >> 8, publicArea.length & 0xff), publicArea)
    const pieces = quotes.map((quote, index) => readQuote(`${name} quote ${index}`, quote, akPublic, eventLog))
    const unread = message.numbers.find((number) => number >= firstOfHardware)
    const others = [
      ...message.unread([1, 3], [2]).map((number) => unusedPiece(`${name} field ${number}`, 'field that is not read')),
      ...quotes.flatMap((quote, index) => unreadInQuote(`${name} quote ${index}`, quote)),
    ]
    if (unread === undefined) return [...pieces, ...others]
    const reason = `Its field ${unread} holds hardware evidence in a form that is not read: give the report or quote as a file`
    return [...pieces, { name, kind: 'unreadable', code: 'UnknownType', reason }]
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** Fields of a quote, of its registers and of their entries that are not read. */
function unreadInQuote(name: string, bytes: Uint8Array): Piece[] {
  const quote = new Message(bytes)
  const registers = new Message(concat(...quote.bytes(3)))
  const numbers = [
    ...quote.unread([1, 2], [3]),
    ...registers.unread([1], [2]),
    ...registers.bytes(2).flatMap((entry) => new Message(entry).unread([1, 2])),
  ]
  return numbers.map((number) => unusedPiece(`${name} field ${number}`, 'field that is not read'))
}

function readQuote(name: string, bytes: Uint8Array, akPublic: Uint8Array, eventLog: Uint8Array | undefined): Piece {
  const quote = new Message(bytes)
  const [message, signature] = [quote.bytes(1).at(-1), quote.bytes(2).at(-1)]
  // Repeated messages are one message: protobuf joins them.
  const registers = new Message(concat(...quote.bytes(3)))
  const bank = banks.get(registers.integer(1))
  if (message === undefined || signature === undefined || bank === undefined)
    throw malformed('protobuf: quote lacks a part')
  return {
    name,
    kind: 'tpm-quote',
    message,
    signature,
    pcrs: new Map(registers.bytes(2).map((entry) => readRegister(entry))),
    bank,
    akPublic,
    ...(eventLog === undefined ? {} : { eventLog }),
  }
}

/** A map entry; protobuf omits zero and empty bytes. */
function readRegister(bytes: Uint8Array): [index: number, digest: Uint8Array] {
  const entry = new Message(bytes)
  const index = entry.integer(1) ?? 0
  if (index > maximumPcr) throw malformed('protobuf: register')
  return [index, entry.bytes(2).at(-1) ?? new Uint8Array()]
}
