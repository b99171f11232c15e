import { ParseError } from '../../core/errors.ts'
import { parsePem } from '../../x509/pem.ts'
import type { Piece } from '../pieces/piece.ts'
import { describeValue, unusedPiece } from '../unused/unused.ts'

const readLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'PUBLIC KEY', 'X509 CRL'])

/** PEM as Intel's service puts it into headers (`…-Issuer-Chain`): every character that is not a letter or digit as %XX. */
const encodedBegin = '-----BEGIN%20'

/** True if a text holds PEM, plain or percent-encoded as in a header. */
export function hasPem(text: string): boolean {
  return text.includes('-----BEGIN ') || text.includes(encodedBegin)
}

const block = /-----BEGIN ([A-Z0-9 ]{1,64})-----[^]*?-----END \1-----/g
/** Marks outside any block; JSON; a long run, or many lines, of encoded bytes, matched where a run begins. */
const evidently = /-----|[{[]\s*["{[]|(?<![\w+/=-])(?:[\w+/=-]{512}|(?:[\w+/=-]{40,}\s+){7})/

/** Whether text around the blocks, where tools put descriptions, holds evidence that would be ignored. */
const holdsMore = (text: string): boolean => evidently.test(text.replace(block, ''))

/** Certificates, keys and lists of a PEM text; `unreadable` for other kinds of blocks, and for evidence around them. */
export function detectPem(name: string, text: string): Piece[] {
  const plain = text.replaceAll(/-----BEGIN%20[^\s"']+/g, (header) => {
    try {
      return decodeURIComponent(header)
    } catch {
      return header
    }
  })
  if (!plain.includes(encodedBegin)) return detectBlocks(name, plain)
  return [{ name, kind: 'unreadable', code: 'InvalidEncoding', reason: 'A URL-encoded chain is damaged' }]
}

function detectBlocks(name: string, text: string): Piece[] {
  const pieces: Piece[] = []
  try {
    if (text.includes('-----BEGIN CERTIFICATE-----')) {
      pieces.push({ name, kind: 'certificates', certificates: parsePem(text) })
    }
    if (text.includes('-----BEGIN PUBLIC KEY-----')) {
      for (const spki of parsePem(text, 'PUBLIC KEY')) pieces.push({ name, kind: 'public-key', spki, nested: false })
    }
    if (text.includes('-----BEGIN X509 CRL-----')) {
      for (const bytes of parsePem(text, 'X509 CRL')) pieces.push({ name, kind: 'crl', bytes })
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return [{ name, kind: 'unknown', reason: `The PEM text is damaged: ${error.message}` }]
  }
  if (pieces.length === 0) return [{ name, kind: 'unknown', reason: 'The PEM text holds no evidence' }]
  if (holdsMore(text)) {
    const reason = 'The file contains more than PEM blocks and their description: pass that part as a separate file'
    pieces.push({ name, kind: 'unreadable', code: 'UnknownType', reason })
  }
  const around = text.replace(block, '').trim()
  if (around !== '' && !holdsMore(text))
    pieces.push(unusedPiece(name, `${describeValue(around)} around the PEM blocks`))
  for (const [, label] of text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,64})-----/g)) {
    if (label === undefined || readLabels.has(label)) continue
    pieces.push({ name, kind: 'unreadable', code: 'UnknownType', reason: `A PEM block ${label} is not evidence` })
  }
  return pieces
}
