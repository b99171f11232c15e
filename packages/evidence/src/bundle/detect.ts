import { ParseError } from '../core/errors.ts'
import { imageMeasurementsType } from '../expect/predict/image-measurements.ts'
import { parseJws } from '../tokens/jws.ts'
import { detectContainer, isGzip } from './containers.ts'
import { decodeText, detectBinary } from './formats/decode.ts'
import { detectMap, isNamedMap } from './formats/cbor-map.ts'
import { maximumLayers, type Budget, type Gunzip } from './pieces/inner.ts'
import { detectJson, isContainer } from './formats/json.ts'
import { detectPem, hasPem } from './formats/pem-pieces.ts'
import { unsupportedBytes, unsupportedText } from './formats/unsupported.ts'
import { isRecognised, type Piece } from './pieces/piece.ts'
import { joinUnused } from './unused/unused.ts'

/** Larger than any log, with room to spare. */
const maximumLength = 32 * 1024 * 1024
/** Texts and lists in one file, across all its containers; a stored boot has 200. */
const maximumValues = 20_000

/**
 * Identifies a file and unpacks containers: PEM, hexadecimal or base64 text, gzip, collateral in SCALE, JSON or CBOR of tools
 * that collect evidence, or this project's own stored boots. It does not parse pieces completely and verifies nothing.
 * @param o.gunzip absent: gzip streams are not unpacked
 * @returns at least one piece; `unknown` for an unknown kind of file
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { utf8 } from '@strongroom/evidence'
 * import { detect } from '@strongroom/evidence/files'
 *
 * detect('report.bin', await readFile('report.bin')).map(({ kind }) => kind) // => ['snp-report']
 * detect('notes.txt', utf8('hello')).map(({ kind }) => kind) // => ['unknown']
 */
export function detect(name: string, bytes: Uint8Array, o: { gunzip?: Gunzip } = {}): Piece[] {
  const budget: Budget = { left: maximumValues, unpacked: maximumLength, ...o }
  const pieces = joinUnused(detectAt(name, bytes, 0, budget), name)
  const areKeys = pieces.every(({ kind }) => keyKinds.has(kind))
  return pieces.map((piece) => ({ ...(areKeys ? piece : asNested(piece)), file: name }))
}

/** Kinds of a file of keys, whatever else stands in it unread. */
const keyKinds: ReadonlySet<Piece['kind']> = new Set<Piece['kind']>(['jwks', 'public-key', 'tpm-public', 'unused'])

/**
 * Keys count as given by the caller only in a file that holds nothing else: beside evidence, whoever made the evidence
 * may have made them.
 */
function asNested(piece: Piece): Piece {
  return piece.kind === 'jwks' || piece.kind === 'public-key' ? { ...piece, nested: true } : piece
}

function detectAt(name: string, bytes: Uint8Array, depth: number, budget: Budget): Piece[] {
  if (bytes.length === 0) return [{ name, kind: 'unknown', reason: 'The file is empty' }]
  if (bytes.length > maximumLength) return [{ name, kind: 'unknown', reason: 'The file is too large' }]
  const container = depth < maximumLayers ? detectContainer(name, bytes, depth, { detectAt, budget }) : undefined
  if (container !== undefined) return container
  const known = detectBinary(name, bytes, depth > 1)
  if (known !== undefined) return known
  const other = unsupportedBytes(name, bytes)
  if (other !== undefined) return [other]
  const text = asText(bytes)
  const isMap = isNamedMap(bytes)
  if (depth >= maximumLayers && (isGzip(bytes) || isMap || (text !== undefined && isContainer(text))))
    return [{ name, kind: 'unreadable', code: 'TooDeep', reason: 'It is nested in more layers than any evidence' }]
  const members = isMap ? detectMap(name, bytes, depth, { detectAt, detectText, budget }) : undefined
  if (members !== undefined) return members
  const otherText = text === undefined ? undefined : unsupportedText(name, text)
  if (otherText !== undefined) return [otherText]
  if (text !== undefined && depth < maximumLayers) {
    const pieces = detectText(name, text, depth, budget)
    if (pieces.length > 0) return pieces
  }
  if ([256, 384, 512].includes(bytes.length)) return [{ name, kind: 'signature', bytes }]
  return [{ name, kind: 'unknown', reason: 'It is not a known kind of evidence' }]
}

/** A file's text, if it is UTF-8 without control characters; undefined for other bytes. */
function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\0$/, '').trim()
    // oxlint-disable-next-line no-control-regex -- control characters are meant
    return text === '' || /[\u0000-\u0008\u000e-\u001f]/.test(text.slice(0, 4096)) ? undefined : text
  } catch {
    return undefined
  }
}

/** Pieces inside a text; empty if none is recognised. */
function detectText(name: string, text: string, depth: number, budget: Budget): Piece[] {
  if (text.startsWith('{') || text.startsWith('['))
    return detectJson(name, text, depth + 1, { detectAt, detectText, budget })
  if (hasPem(text)) return detectPem(name, text)
  if (text.startsWith('eyJ') && text.includes('.')) return [{ name, kind: kindOfJws(text), text }]
  const decoded = decodeText(text)
  if (decoded === undefined) return []
  return detectAt(name, decoded, depth + 1, budget).filter(isRecognised)
}

/** A release is a token that carries certificates and names no key set. */
function kindOfJws(text: string): 'token' | 'release' | 'image-measurements' {
  try {
    const { header } = parseJws(text)
    if (header['typ'] === imageMeasurementsType) return 'image-measurements'
    return Array.isArray(header['x5c']) ? 'release' : 'token'
  } catch (error) {
    if (error instanceof ParseError) return 'token'
    throw error
  }
}
