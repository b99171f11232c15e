import { isZero } from '../../core/bytes/bytes.ts'
import { parseHclReport } from '../../azure/hcl-report.ts'
import { parseCcaToken } from '../../cca/token.ts'
import { parseNitroDocument } from '../../nitro/document.ts'
import { parseTdxQuote } from '../../tdx/quote.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { parseCrl } from '../../x509/crl.ts'
import { describeName } from '../../x509/name.ts'
import type { Ledger } from '../pieces/ledger.ts'
import type { Piece, PieceOf, Range, Unused } from '../pieces/piece.ts'
import { unusedKeys } from './keys.ts'
import { unusedInLog } from './log.ts'
import { attempt } from '../pieces/pool.ts'

/** A part that no reader takes, as a piece of its own. */
export const unusedPiece = (of: string, what: string, ...ranges: Range[]): PieceOf<'unused'> => ({
  name: of,
  kind: 'unused',
  parts: [{ of, what, ...(ranges.length === 0 ? {} : { ranges }) }],
})

/** Bytes between or after what is read: padding where they are all zero. @param base where `bytes` begins in `of` */
export function gap(
  of: string,
  bytes: Uint8Array,
  where: string,
  { from, length }: Range,
  base = 0,
): PieceOf<'unused'>[] {
  if (length === 0) return []
  const zero = isZero(bytes.subarray(from, from + length))
  return [unusedPiece(of, `${zero ? 'zeros' : 'bytes'} ${where}`, { from: base + from, length })]
}

/** A JSON value that nothing reads, in words. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `a text of ${value.length} characters`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `a list of ${value.length} values`
  if (typeof value === 'object' && value !== null) return `an object of ${Object.keys(value).length} members`
  return `${typeof value === 'number' ? 'the number ' : ''}${String(value)}`
}

/**
 * Such a part in words, with its place.
 * @example
 * import { describeUnused } from '@strongroom/evidence/files'
 *
 * const ranges = [{ from: 4936, length: 70 }]
 * describeUnused({ of: 'quote.bin', what: 'zeros behind the quote', ranges }) // => 'quote.bin: zeros behind the quote (70 bytes at 4936)'
 */
export function describeUnused({ of, what, ranges = [] }: Unused): string {
  const [first] = ranges
  if (first === undefined) return `${of}: ${what}`
  const bytes = ranges.reduce((sum, { length }) => sum + length, 0)
  const places = ranges.length === 1 ? `at ${first.from}` : `in ${ranges.length} places from ${first.from}`
  return `${of}: ${what} (${bytes} bytes ${places})`
}

/** All such parts of one file as one piece, behind the others. */
export function joinUnused(pieces: readonly Piece[], file: string): Piece[] {
  const parts = pieces.flatMap((piece) => (piece.kind === 'unused' ? piece.parts : []))
  const read = pieces.filter(({ kind }) => kind !== 'unused')
  return parts.length === 0 ? read : [...read, { name: file, kind: 'unused', parts }]
}

/**
 * What the judgement of these pieces did not use: parts that no reader takes, pieces that were not picked, and bytes
 * that nothing vouches for.
 */
export async function whatIsUnused(pieces: readonly Piece[], ledger: Ledger): Promise<Unused[]> {
  const parts = await Promise.all(
    pieces.map(async (piece) => [
      ...notPicked(piece, ledger).map((what): Unused => ({ of: piece.name, what })),
      ...notVouched(piece, pieces, ledger),
      ...(await notReplayed(piece, ledger)),
    ]),
  )
  return parts.flat().map((part) => ({ ...part, of: part.of.trim() }))
}

/** What of this piece another one served instead of, or nothing needed. */
function notPicked(piece: Piece, ledger: Ledger): string[] {
  const unless = (used: boolean, what: string): string[] => (used ? [] : [`${what} that nothing needs`])
  if (piece.kind === 'certificates')
    return piece.certificates.flatMap((der, index) => {
      const subject = attempt(() => describeName(parseCertificate(der).subject)) ?? 'unreadable'
      const place = piece.certificates.length === 1 ? '' : ` ${index + 1}`
      return unless(ledger.has(der), `certificate${place} (${subject})`)
    })
  if (piece.kind === 'crl') return unless(ledger.applied(piece.bytes), `revocation list${describeList(piece.bytes)}`)
  if (piece.kind === 'tcb-info') return unless(ledger.has(piece.text), 'TCB info')
  if (piece.kind === 'qe-identity') return unless(ledger.has(piece.text), 'QE identity')
  if (piece.kind === 'jwks') return unless(ledger.has(JSON.stringify(piece.value)), 'key set')
  if (piece.kind === 'public-key') return unless(ledger.has(piece.spki), 'public key')
  if (piece.kind === 'tpm-public') return unless(ledger.has(piece.bytes) || ledger.applied(piece.bytes), piece.kind)
  if (piece.kind === 'tpm-signature' || piece.kind === 'signature') return unless(ledger.has(piece.bytes), piece.kind)
  return []
}

function describeList(bytes: Uint8Array): string {
  const list = attempt(() => parseCrl(bytes))
  return list === undefined ? '' : ` (${describeName(list.issuer)}, ${list.thisUpdate.toISOString()})`
}

/** Parts without a reader, and bytes of a statement that are under no signature and are compared with nothing. */
function notVouched(piece: Piece, pieces: readonly Piece[], ledger: Ledger): Unused[] {
  if (piece.kind === 'unused') return [...piece.parts]
  if (piece.kind === 'jwks') return ledger.has(JSON.stringify(piece.value)) ? unusedKeys(piece, pieces, ledger) : []
  if (piece.kind === 'nitro-document' || piece.kind === 'cca-token') return unprotectedIn(piece)
  if (piece.kind === 'tdx-quote') return encryptedId(piece)
  if (piece.kind === 'hcl-report') return unsignedOfHcl(piece)
  return piece.kind === 'td-report' ? [unsignedOfTd(piece.name, 0)] : []
}

async function notReplayed(piece: Piece, ledger: Ledger): Promise<Unused[]> {
  if (piece.kind === 'event-log') return unusedInLog(piece.name, piece.bytes, ledger)
  if (piece.kind !== 'tpm-quote' || piece.eventLog === undefined) return []
  return unusedInLog(`${piece.name} event log`, piece.eventLog, ledger)
}

/** Header of a COSE_Sign1 that its signature does not cover (RFC 9052, section 3). */
function unprotectedIn({ name, kind, bytes }: PieceOf<'nitro-document' | 'cca-token'>): Unused[] {
  const signed = attempt(() => {
    if (kind === 'nitro-document') return [parseNitroDocument(bytes).sign1]
    const { platform, realm } = parseCcaToken(bytes)
    return [platform.sign1, realm.sign1]
  })
  const count = (signed ?? []).reduce((sum, { unprotected }) => sum + unprotected.size, 0)
  return count === 0 ? [] : [{ of: name, what: `unprotected headers of ${count} members` }]
}

/** PPID of a quote that only names its certificate, encrypted for Intel (DCAP, certification data of types 2 and 3). */
function encryptedId({ name, bytes }: PieceOf<'tdx-quote'>): Unused[] {
  const named = attempt(() => parseTdxQuote(bytes))?.certification
  if (named?.type !== 'ppid' || named.kind === 1) return []
  const ranges = [{ from: named.ppid.byteOffset - bytes.byteOffset, length: named.ppid.length }]
  return [{ of: name, what: 'PPID, encrypted for Intel', ranges }]
}

const slotLength = 1184

/** Headers and padding of a paravisor's report, and what no quote repeats of a TDREPORT in it. */
function unsignedOfHcl({ name, bytes }: PieceOf<'hcl-report'>): Unused[] {
  const report = attempt(() => parseHclReport(bytes))
  if (report === undefined) return []
  const [slot, claims] = [report.hardwareReport.byteOffset, report.claims.byteOffset]
  const end = claims + report.claims.length
  const ranges = [
    { from: 0, length: slot },
    { from: slot + slotLength, length: claims - slot - slotLength },
  ]
  const padding = gap(name, bytes, 'after the claims', { from: end, length: bytes.length - end })
  return [
    { of: name, what: 'headers, which no signature covers', ranges },
    ...padding.flatMap(({ parts }) => parts),
    ...(report.reportType === 'TDX' ? [unsignedOfTd(name, slot)] : []),
  ]
}

/** TDX module ABI, section 3.6. */
const unsignedOfTd = (of: string, at: number): Unused => ({
  of,
  what: 'CPUSVN, MAC and reserved bytes of the TDREPORT, which only its own processor can verify',
  ranges: [
    { from: at + 16, length: 16 },
    { from: at + 224, length: 40 },
    { from: at + 495, length: 17 },
  ],
})
