import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { isZero } from '../../core/bytes/bytes.ts'
import { formatUuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'
import { startsWithText } from '../../eventlog/event-log.ts'
import { detectPem } from './pem-pieces.ts'
import type { Piece, Range } from '../pieces/piece.ts'
import { gap, unusedPiece } from '../unused/unused.ts'

/**
 * What a host puts into the certificate table of an extended guest request (AMD 56421, GHCB specification), by UUID with
 * its bytes in the order of its text.
 */
const kinds: ReadonlyMap<string, 'certificate' | 'crl'> = new Map([
  ['63da758d-e664-4564-adc5-f4b93be8accd', 'certificate'],
  ['a8074bc2-a25a-483e-aae6-39c045a0b8a1', 'certificate'],
  ['4ab7b379-bbac-4fe4-a02f-05aef327c782', 'certificate'],
  ['c0b406a4-a803-4952-9743-3fb6014cd0ae', 'certificate'],
  ['92f81bc3-5811-4d3d-97ff-d19f88dc67ea', 'crl'],
])
const entryLength = 24
const maximumEntries = 16

/**
 * Certificates and revocation list in such a table: GUID, offset and length of each, a zero entry, then the data.
 * Undefined for other bytes.
 * @param base where the table begins in its file
 */
export function readCertificateTable(name: string, bytes: Uint8Array, base = 0): Piece[] | undefined {
  const pieces: Piece[] = []
  const entries: Range[] = []
  const gaps = (): Piece[] =>
    between(entries, bytes.length).flatMap((each) => gap(name, bytes, 'between entries', each, base))
  try {
    const reader = new ByteReader(bytes, 'certificate table')
    for (let count = 0; count < maximumEntries; count++) {
      const guid = reader.bytes(16, 'GUID')
      const [offset, length] = [reader.u32le('offset'), reader.u32le('length')]
      // The end has no content: its offset and length say nothing.
      const end = offset === 0 && length === 0 ? reader.position : reader.position - 8
      if (isZero(guid)) entries.push({ from: 0, length: end })
      if (isZero(guid)) return pieces.some(({ kind }) => kind !== 'unused') ? [...pieces, ...gaps()] : undefined
      const kind = kinds.get(formatUuid(guid))
      // At least the zero entry lies in between.
      if (offset < reader.position + entryLength || offset + length > bytes.length) return undefined
      const content = bytes.subarray(offset, offset + length)
      entries.push({ from: offset, length })
      // A host may add other kinds of entries.
      if (kind === undefined)
        pieces.push(unusedPiece(name, `entry ${formatUuid(guid)}`, { from: base + offset, length }))
      else pieces.push(...contentOf(name, kind, content))
    }
    return undefined
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** What lies between these ranges, up to the end. */
function between(ranges: readonly Range[], end: number): Range[] {
  const left: Range[] = []
  let at = 0
  for (const { from, length } of ranges.toSorted((one, other) => one.from - other.from)) {
    if (from > at) left.push({ from: at, length: from - at })
    at = Math.max(at, from + length)
  }
  return at < end ? [...left, { from: at, length: end - at }] : left
}

/** DER, or PEM as hosts of some clouds store it. */
function contentOf(name: string, kind: 'certificate' | 'crl', content: Uint8Array): Piece[] {
  if (startsWithText(content, '-----BEGIN ')) return detectPem(name, new TextDecoder().decode(content))
  return kind === 'crl' ? [{ name, kind, bytes: content }] : [{ name, kind: 'certificates', certificates: [content] }]
}
