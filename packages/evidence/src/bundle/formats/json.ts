import { utf8 } from '../../core/bytes/bytes.ts'
import { ParseError } from '../../core/errors.ts'
import { readJson } from '../../tokens/json.ts'
import { bareSignature, isTpmSignature } from '../pieces/binary.ts'
import { maximumLayers, type InnerDetector } from '../pieces/inner.ts'
import { decodeText } from './decode.ts'
import { hasPem } from './pem-pieces.ts'
import { isRecognised, type Piece } from '../pieces/piece.ts'
import { brokenPromise } from './promises.ts'
import { unsupportedObject } from './unsupported.ts'
import { encodeSnpReport, reportMembers, unreadInReport } from './snp-json.ts'
import { describeValue, unusedPiece } from '../unused/unused.ts'

const maximumDepth = 16
/** Shorter texts are names and digests, not evidence. */
const minimumLength = 48

type Members = Record<string, unknown>

/**
 * Pieces inside a JSON text, wherever they are: evidence of trustee, attestation-rs, dcap-qvl, go-attestation and
 * Azure's services, Intel's answers, key sets, and stored boots. Values are recognised by their content, not their
 * names.
 */
export function detectJson(name: string, text: string, depth: number, inner: InnerDetector): Piece[] {
  // A text that Intel signed must stay unchanged.
  if (/^\{\s*"tcbInfo"/.test(text)) return [{ name, kind: 'tcb-info', text }]
  if (/^\{\s*"enclaveIdentity"/.test(text)) return [{ name, kind: 'qe-identity', text }]
  let value: unknown
  try {
    value = readJson(text, 'JSON')
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    if (error.code === 'InvalidEncoding') return [{ name, kind: 'unknown', reason: 'It begins like JSON but is not' }]
    return [{ name, kind: 'unreadable', code: error.code, reason: error.message }]
  }
  const members = value as Members
  if (Array.isArray(members['keys']) && members['vm-configuration'] !== undefined) {
    return [{ name, kind: 'runtime-claims', bytes: utf8(text) }]
  }
  if (isKeySet([members]) && (members['n'] !== undefined || members['x'] !== undefined))
    return [{ name, kind: 'jwks', value: { keys: [members] }, nested: depth > 1 }]
  return detectMembers(name, members, depth, inner)
}

/** Pieces inside a CBOR map whose members have names, wherever they are: evidence as JSON has it, with bytes as bytes. */
export function detectMembers(name: string, members: object, depth: number, inner: InnerDetector): Piece[] {
  const pieces: Piece[] = []
  walk({ name, depth, inner }, members, 0, pieces)
  return pieces
}

interface Place {
  name: string
  depth: number
  inner: InnerDetector
}

function walk(place: Place, value: unknown, level: number, pieces: Piece[]): void {
  if (level > maximumDepth) {
    pieces.push(tooDeep(place.name, 'It is nested deeper than any evidence'))
    return
  }
  const { budget } = place.inner
  if (budget.left < 0) return
  if (budget.left-- === 0) {
    const reason = 'It contains more values than any evidence'
    pieces.push({ name: place.name, kind: 'unreadable', code: 'TooLarge', reason })
    return
  }
  const before = pieces.length
  walkValue(place, value, level, pieces)
  if (pieces.slice(before).some(({ kind }) => kind !== 'unused')) return
  // Named once, as a whole; the file itself is then of no known kind.
  pieces.length = before
  if (level > 0) pieces.push(unusedPiece(place.name, describeValue(value)))
}

function walkValue(place: Place, value: unknown, level: number, pieces: Piece[]): void {
  // One by one: a hostile text has more values than a call accepts arguments.
  if (typeof value === 'string') for (const piece of fromString(place, value)) pieces.push(piece)
  else if (Array.isArray(value) || value instanceof Uint8Array) {
    const bytes = byteArray(value)
    if (bytes !== undefined) pieces.push(...fromBytes(place, bytes))
    else for (const [index, item] of value.entries()) walk(inside(place, String(index)), item, level + 1, pieces)
  } else if (typeof value === 'object' && value !== null) walkObject(place, value as Members, level, pieces)
}

function inside(place: Place, member: string): Place {
  return { ...place, name: `${place.name} ${member}` }
}

function walkObject(place: Place, members: Members, level: number, pieces: Piece[]): void {
  const taken = new Set<string>()
  const take = (piece: Piece | undefined, ...names: string[]): void => {
    if (piece === undefined) return
    pieces.push(piece)
    for (const name of names) taken.add(name)
  }
  if (isKeySet(members['keys']))
    take(
      { name: place.name, kind: 'jwks', value: { keys: members['keys'] }, nested: level > 0 || place.depth > 1 },
      'keys',
    )
  take(quoteOf(place, members, ['message', 'signature']), 'message', 'signature', 'pcrs', 'nonce')
  take(
    quoteOf(place, members, ['quoteMessage', 'quoteSignature']),
    'quoteMessage',
    'quoteSignature',
    'pcrs',
    'nonce',
    'eventLog',
  )
  take(signedText(place, members, 'tcb-info', 'tcbInfo', 'tcb_info'), 'tcb_info', 'tcb_info_signature')
  take(
    signedText(place, members, 'qe-identity', 'enclaveIdentity', 'qe_identity'),
    'qe_identity',
    'qe_identity_signature',
  )
  const other = unsupportedObject(place.name, members)
  take(other?.piece, ...(other?.names ?? []))
  const report = encodeSnpReport(members)
  if (report !== undefined) {
    take({ name: place.name, kind: 'snp-report', bytes: report }, ...reportMembers)
    for (const [member, value] of unreadInReport(members))
      pieces.push(unusedPiece(`${place.name} ${member}`, describeValue(value)))
  }
  for (const name of Object.keys(members)) {
    if (taken.has(name)) continue
    const value = members[name]
    const before = pieces.length
    walk(inside(place, name), value, level + 1, pieces)
    const found = pieces.slice(before).filter(({ kind }) => kind !== 'unused')
    const fault = brokenPromise(place.name, name, value, found)
    if (fault !== undefined) pieces.push(fault)
  }
}

function isKeySet(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((key) => typeof (key as Members | null)?.['kty'] === 'string')
  )
}

/** Registers of a TPM (PC Client Platform TPM Profile, section 4.6). */
const registerCount = 24

const countOf = (value: object): number => (Array.isArray(value) ? value : Object.keys(value)).length

/** A TPM quote in members: bytes as hexadecimal, base64 or lists of numbers; registers as a list or by number. */
function quoteOf(place: Place, members: Members, names: readonly [string, string]): Piece | undefined {
  const message = bytesOf(members[names[0]])
  const signature = bytesOf(members[names[1]])
  // An unreadable member beside a quote must be reported, not treated as absent.
  const unread = (member: string): Piece => ({
    name: `${place.name} ${member}`,
    kind: 'unreadable',
    code: 'InvalidEncoding',
    reason: `“${member}” of a quote cannot be read`,
  })
  if (message === undefined || signature === undefined || message[0] !== 0xff || message[1] !== 0x54) {
    const both = members[names[0]] !== undefined && members[names[1]] !== undefined
    return both && members['pcrs'] !== undefined ? unread(names[0]) : undefined
  }
  const pcrs = new Map<number, Uint8Array>()
  const registers = members['pcrs'] ?? {}
  if (typeof registers !== 'object' || countOf(registers) > registerCount) return unread('pcrs')
  for (const [index, value] of Object.entries(registers as Members)) {
    const digest = bytesOf(value)
    if (digest === undefined || !/^(?:0|[1-9]\d?)$/.test(index)) return unread('pcrs')
    pcrs.set(Number(index), digest)
  }
  const [nonce, eventLog] = [bytesOf(members['nonce']), bytesOf(members['eventLog'])]
  for (const [member, read] of [
    ['nonce', nonce],
    ['eventLog', eventLog],
  ] as const) {
    if (read === undefined && members[member] !== undefined && members[member] !== null) return unread(member)
  }
  // A bare signature may begin as a structure does: one in 13,000 has such a scheme in its first two bytes.
  const structured = isTpmSignature(new DataView(signature.buffer, signature.byteOffset, signature.byteLength))
  return {
    name: place.name,
    kind: 'tpm-quote',
    message,
    signature: structured ? signature : bareSignature(signature),
    pcrs,
    ...(nonce === undefined ? {} : { nonce }),
    ...(eventLog === undefined ? {} : { eventLog }),
  }
}

/** Intel's text and its signature, kept apart by the tool, joined as Intel sent them. */
function signedText(
  place: Place,
  members: Members,
  kind: 'tcb-info' | 'qe-identity',
  member: string,
  name: string,
): Piece | undefined {
  const [body, signature] = [members[name], members[`${name}_signature`]]
  if (typeof body !== 'string' || typeof signature !== 'string' || !/^[0-9a-fA-F]*$/.test(signature)) return undefined
  return { name: `${place.name} ${name}`, kind, text: `{"${member}":${body},"signature":"${signature}"}` }
}

/** Whether a text is a container of others. */
export const isContainer = (text: string): boolean => hasPem(text) || /^\s*[{[]/.test(text) || text.startsWith('eyJ')

const tooDeep = (name: string, reason: string): Piece => ({ name, kind: 'unreadable', code: 'TooDeep', reason })

function fromString(place: Place, text: string): Piece[] {
  if (text.length < minimumLength) return []
  if (place.depth > maximumLayers && isContainer(text))
    return [tooDeep(place.name, 'It is nested in more layers than any evidence')]
  const found = place.inner.detectText(place.name, text.trim(), place.depth, place.inner.budget)
  return found.filter(isEvidence)
}

/** Bytes as a list of numbers hold what the same bytes in base64 hold. */
function fromBytes(place: Place, bytes: Uint8Array): Piece[] {
  const { inner } = place
  return inner.detectAt(place.name, bytes, place.depth + 1, inner.budget).filter(isEvidence)
}

const isEvidence = (piece: Piece): boolean => isRecognised(piece) && piece.kind !== 'signature'

function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value === 'string') return value === '' ? new Uint8Array() : decodeText(value)
  return Array.isArray(value) || value instanceof Uint8Array ? byteArray(value, 0) : undefined
}

function byteArray(value: readonly unknown[] | Uint8Array, minimum = minimumLength): Uint8Array | undefined {
  if (value.length < minimum) return undefined
  if (value instanceof Uint8Array) return value
  const good = value.every((byte) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255)
  return good ? Uint8Array.from(value as number[]) : undefined
}
