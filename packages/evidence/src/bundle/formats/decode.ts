import { fromBase64 } from '../../core/bytes/base64.ts'
import { isZero } from '../../core/bytes/bytes.ts'
import { fromHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import { startsWithText } from '../../eventlog/event-log.ts'
import { snpReportLength } from '../../snp/report.ts'
import { binaryKind, readBincodeQuote } from '../pieces/binary.ts'
import { readCertificateTable } from './certificate-table.ts'
import { maximumCertificates, type Piece } from '../pieces/piece.ts'
import { parseTdxQuote } from '../../tdx/quote.ts'
import { attempt } from '../pieces/pool.ts'
import { gap, unusedPiece } from '../unused/unused.ts'
import { readAttestationMessage } from './protobuf.ts'

/**
 * Pieces recognised in bytes; undefined for text and unknown bytes.
 * @param nested the bytes are inside other evidence
 */
export function detectBinary(name: string, bytes: Uint8Array, nested: boolean): Piece[] | undefined {
  const table = readCertificateTable(name, bytes)
  if (table !== undefined) return table
  const extended = readExtendedReport(name, bytes)
  if (extended !== undefined) return extended
  const headed = behindParavisorHeader(bytes)
  if (headed !== undefined) {
    const header = { from: 0, length: bytes.length - headed.length }
    return [{ name, kind: 'snp-report', bytes: headed }, unusedPiece(name, 'header of the paravisor', header)]
  }
  const kind = binaryKind(bytes)
  if (kind === 'certificate') return [{ name, kind: 'certificates', certificates: splitDer(bytes) }]
  if (kind === 'public-key') return [{ name, kind, spki: bytes, nested }]
  if (kind === 'tpm-public') return [{ name, kind, bytes, nested }]
  if (kind === 'tdx-quote') return quoteAndRest(name, bytes)
  if (kind !== undefined) return [{ name, kind, bytes }]
  const response = inReportResponse(bytes)
  if (response !== undefined) return [{ name, kind: 'snp-report', bytes: response }]
  const quote = readBincodeQuote(name, bytes)
  return quote === undefined ? readAttestationMessage(name, bytes) : [quote]
}

/**
 * Concatenated certificates, as some tools write chains. Leftover bytes, or certificates beyond the limit, stay with
 * the last one, which is then refused.
 */
function splitDer(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const begins = (at: number): boolean => at + 4 <= bytes.length && view.getUint16(at, false) === 0x3082
  const certificates: Uint8Array[] = []
  let at = 0
  while (begins(at) && certificates.length < maximumCertificates) {
    const next = at + 4 + view.getUint16(at + 2, false)
    if (!begins(next)) break
    certificates.push(bytes.subarray(at, next))
    at = next
  }
  return [...certificates, bytes.subarray(at)]
}

/** A report followed by the host's certificate table, as tools write extended guest requests to one file. */
function readExtendedReport(name: string, bytes: Uint8Array): Piece[] | undefined {
  const report = bytes.subarray(0, snpReportLength)
  if (binaryKind(report) !== 'snp-report') return undefined
  const table = readCertificateTable(name, bytes.subarray(snpReportLength), snpReportLength)
  return table === undefined ? undefined : [{ name, kind: 'snp-report', bytes: report }, ...table]
}

/**
 * A TD quote, and what providers and others put behind it: padding, which is unsigned, or more evidence, which is
 * judged too.
 */
function quoteAndRest(name: string, bytes: Uint8Array): Piece[] {
  const quote = attempt(() => parseTdxQuote(bytes))
  if (quote === undefined || quote.trailing.length === 0) return [{ name, kind: 'tdx-quote', bytes }]
  const { raw, trailing } = quote
  const zeros = Math.max(
    0,
    trailing.findIndex((byte) => byte !== 0),
  )
  const more = isZero(trailing) ? undefined : detectBinary(`${name} behind the quote`, trailing.subarray(zeros), true)
  const length = more === undefined ? trailing.length : zeros
  return [
    { name, kind: 'tdx-quote', bytes: raw },
    ...gap(name, bytes, 'behind the quote', { from: raw.length, length }),
    ...(more ?? []),
  ]
}

/** The report in the firmware's answer MSG_REPORT_RSP (AMD 56860): status, size, 24 zero bytes, report. */
function inReportResponse(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 32 + snpReportLength) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const zeros = [bytes.subarray(0, 4), bytes.subarray(8, 32), bytes.subarray(32 + snpReportLength)]
  const isAnswer = view.getUint32(4, true) === snpReportLength && zeros.every((each) => isZero(each))
  return isAnswer ? bytes.subarray(32, 32 + snpReportLength) : undefined
}

/** A report behind the paravisor's header (`HCLA`, 20 or 32 bytes), cut off before the claims. */
function behindParavisorHeader(bytes: Uint8Array): Uint8Array | undefined {
  const header = bytes.length - snpReportLength
  if (header !== 20 && header !== 32) return undefined
  const report = bytes.subarray(header)
  const marked = startsWithText(bytes, 'HCLA')
  return marked && binaryKind(report) === 'snp-report' ? report : undefined
}

/** Hexadecimal, or base64 in either alphabet, with or without padding. */
export function decodeText(text: string): Uint8Array | undefined {
  const compact = text.replaceAll(/\s/g, '')
  try {
    const hex = compact.replace(/^0x/, '')
    if (/^[0-9a-fA-F]+$/.test(hex) && hex.length % 2 === 0) return fromHex(hex)
    const plain = /^([\w+/-]+)={0,2}$/.exec(compact)?.[1]?.replaceAll('-', '+').replaceAll('_', '/')
    if (plain === undefined) return undefined
    return fromBase64(plain + '='.repeat((4 - (plain.length % 4)) % 4))
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}
