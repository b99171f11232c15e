import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { isZero } from '../../core/bytes/bytes.ts'
import { formatGuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'
import type { Piece } from '../piece.ts'

/** What a host puts into the certificate table of an extended guest request (AMD 56421, GHCB specification). */
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
 */
export function readCertificateTable(name: string, bytes: Uint8Array): Piece[] | undefined {
  const pieces: Piece[] = []
  try {
    const reader = new ByteReader(bytes, 'certificate table')
    for (let count = 0; count < maximumEntries; count++) {
      const guid = reader.bytes(16, 'GUID')
      const [offset, length] = [reader.u32le('offset'), reader.u32le('length')]
      if (isZero(guid)) return pieces.length === 0 ? undefined : pieces
      const kind = kinds.get(formatGuid(guid))
      // At least the zero entry lies in between.
      if (offset < reader.position + entryLength || offset + length > bytes.length) return undefined
      const content = bytes.subarray(offset, offset + length)
      // A host may add other kinds of entries; they are ignored.
      if (kind === 'certificate') pieces.push({ name, kind: 'certificates', certificates: [content] })
      if (kind === 'crl') pieces.push({ name, kind: 'crl', bytes: content })
    }
    return undefined
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}
