import { ParseError } from '../core/errors.ts'
import type { InnerDetector } from './pieces/inner.ts'
import { detectPem } from './formats/pem-pieces.ts'
import type { Piece } from './pieces/piece.ts'
import { unusedPiece } from './unused/unused.ts'
import { isScaleCollateral, parseScaleCollateral } from './formats/scale.ts'

/** Pieces in a gzip stream or in collateral as dcap-qvl stores it; undefined for other bytes. */
export function detectContainer(
  name: string,
  bytes: Uint8Array,
  depth: number,
  inner: Pick<InnerDetector, 'detectAt' | 'budget'>,
): Piece[] | undefined {
  if (isScaleCollateral(bytes)) return fromScale(name, bytes)
  if (!isGzip(bytes)) return undefined
  const { budget } = inner
  if (budget.gunzip === undefined) return [{ name, kind: 'unknown', reason: 'Unpack this gzip stream first' }]
  const unpacked = budget.gunzip(bytes, budget.unpacked)
  if (unpacked === undefined) {
    const reason = 'This gzip stream is damaged, or unpacks to more than any evidence'
    return [{ name, kind: 'unreadable', code: 'InvalidEncoding', reason }]
  }
  budget.unpacked -= unpacked.length
  const pieces = inner.detectAt(name, unpacked, depth + 1, budget)
  // Optional fields of the header: a name, a comment, extra data (section 2.3.1.1).
  if (bytes[3] === 0 || pieces.every(({ kind }) => kind === 'unknown')) return pieces
  return [...pieces, unusedPiece(name, 'name, comment or extra field in the header of the gzip stream')]
}

/** RFC 1952, section 2.3.1: DEFLATE is the only method. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8

function fromScale(name: string, bytes: Uint8Array): Piece[] {
  try {
    const found = parseScaleCollateral(bytes)
    const chains = [found.pckCrlIssuerChain, found.tcbInfoIssuerChain, found.qeIdentityIssuerChain]
    const pck = found.pckCertificateChain === undefined ? [] : [found.pckCertificateChain]
    return [
      ...[...chains, ...pck].flatMap((text) => detectPem(name, text)),
      { name, kind: 'crl', bytes: found.rootCaCrl },
      { name, kind: 'crl', bytes: found.pckCrl },
      { name, kind: 'tcb-info', text: found.tcbInfo },
      { name, kind: 'qe-identity', text: found.qeIdentity },
    ]
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return [{ name, kind: 'unreadable', code: error.code, reason: error.message }]
  }
}
