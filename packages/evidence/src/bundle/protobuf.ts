import { concat } from '../core/bytes/bytes.ts'
import { ParseError } from '../core/errors.ts'
import type { Piece } from './piece.ts'

interface Field {
  number: number
  value: number | Uint8Array
}

/** Fields of one protobuf message; only lengths and varints occur. @throws ParseError */
function* readFields(bytes: Uint8Array): Generator<Field> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new ParseError({ code: 'Truncated', message: 'protobuf: number', offset: at })
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, wire] = [Math.floor(tag / 8), tag % 8]
    if (number === 0 || (wire !== 0 && wire !== 2)) {
      throw new ParseError({ code: 'UnknownType', message: 'protobuf: field', offset: at })
    }
    if (wire === 0) yield { number, value: varint() }
    else {
      const length = varint()
      if (at + length > bytes.length)
        throw new ParseError({ code: 'Truncated', message: 'protobuf: field', offset: at })
      yield { number, value: bytes.subarray(at, at + length) }
      at += length
    }
  }
}

const banks = new Map([
  [4, 'sha1'],
  [11, 'sha256'],
  [12, 'sha384'],
  [13, 'sha512'],
] as const)

/** Far above the banks that a TPM has. */
const maximumQuotes = 16
const maximumPcr = 23

/** From here on an `Attestation` has the hardware's evidence, as messages of their own (sev_snp_attestation, tdx_attestation). */
const firstOfHardware = 8

/** Message `Attestation` of go-tpm-tools (attest.proto): key, quotes with registers, event log. Undefined for other bytes. */
export function readAttestationMessage(name: string, bytes: Uint8Array): Piece[] | undefined {
  if (bytes[0] !== 0x0a) return undefined
  try {
    let publicArea: Uint8Array | undefined
    let eventLog: Uint8Array | undefined
    let unread: number | undefined
    const quotes: Uint8Array[] = []
    for (const { number, value } of readFields(bytes)) {
      if (number >= firstOfHardware) unread = number
      if (!(value instanceof Uint8Array)) continue
      if (number === 1) publicArea = value
      else if (number === 2) quotes.push(value)
      else if (number === 3) eventLog = value
    }
    if (publicArea === undefined || publicArea.length > 0xffff) return undefined
    if (quotes.length === 0 || quotes.length > maximumQuotes) return undefined
    // The message holds a TPMT_PUBLIC; TPM2B_PUBLIC puts its length before it.
    const akPublic = concat(Uint8Array.of(publicArea.length >> 8, publicArea.length & 0xff), publicArea)
    const pieces = quotes.map((quote, index) => readQuote(`${name} quote ${index}`, quote, akPublic, eventLog))
    if (unread === undefined) return pieces
    const reason = `Its field ${unread} holds hardware evidence in a form that is not read: give the report or quote as a file`
    return [...pieces, { name, kind: 'unreadable', code: 'UnknownType', reason }]
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

function readQuote(name: string, bytes: Uint8Array, akPublic: Uint8Array, eventLog: Uint8Array | undefined): Piece {
  let message: Uint8Array | undefined
  let signature: Uint8Array | undefined
  let bank: number | undefined
  const pcrs = new Map<number, Uint8Array>()
  for (const { number, value } of readFields(bytes)) {
    if (!(value instanceof Uint8Array)) continue
    if (number === 1) message = value
    else if (number === 2) signature = value
    else if (number === 3) bank = readRegisters(value, pcrs)
  }
  const bankName = banks.get(bank as 4)
  if (message === undefined || signature === undefined || bankName === undefined) {
    throw new ParseError({ code: 'Missing', message: 'protobuf: quote lacks a part' })
  }
  return {
    name,
    kind: 'tpm-quote',
    message,
    signature,
    pcrs,
    bank: bankName,
    akPublic,
    ...(eventLog === undefined ? {} : { eventLog }),
  }
}

/** @returns TPM_ALG_ID of the bank */
function readRegisters(bytes: Uint8Array, pcrs: Map<number, Uint8Array>): number | undefined {
  let bank: number | undefined
  for (const { number, value } of readFields(bytes)) {
    if (number === 1 && typeof value === 'number') bank = value
    if (number !== 2 || !(value instanceof Uint8Array)) continue
    let index = 0
    let digest = new Uint8Array()
    for (const entry of readFields(value)) {
      if (entry.number === 1 && typeof entry.value === 'number') index = entry.value
      if (entry.number === 2 && entry.value instanceof Uint8Array) digest = Uint8Array.from(entry.value)
    }
    if (index > maximumPcr) throw new ParseError({ code: 'InvalidValue', message: 'protobuf: register' })
    pcrs.set(index, digest)
  }
  return bank
}
