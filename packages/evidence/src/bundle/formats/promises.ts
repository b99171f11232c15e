import { statementKinds, type Piece, type PieceKind } from '../pieces/piece.ts'

type Promised = readonly PieceKind[] | 'any'

/** What a report or a quote may be. An SVSM's manifest and a key release accompany one, and are none. */
const statements: readonly PieceKind[] = statementKinds.filter((kind) => kind !== 'svsm-manifest' && kind !== 'release')

/**
 * What a JSON member's name promises, in lower case without separators, as tools that collect evidence name them:
 * trustee, attestation-rs, go-tpm-tools, dstack, Azure's services, this project's boots. The value must be readable as
 * one of these kinds; otherwise the file would be judged by its other content.
 */
const promised: ReadonlyMap<string, Promised> = new Map<string, Promised>([
  ...['attestationreport', 'snpreport', 'sevsnpreport', 'report', 'hclreport', 'hardwarereport'].map(
    (name) => [name, statements] as const,
  ),
  // Linux, configfs-tsm: the statement, and the host's certificates with it.
  ['outblob', statements],
  ['auxblob', ['certificates', 'crl']],
  ...['vcek', 'vlek'].map((name) => [name, ['certificates'] as const] as const),
  ...['svsmmanifest', 'manifestblob'].map((name) => [name, ['svsm-manifest'] as const] as const),
  ...['quote', 'tdquote', 'tdxquote', 'tpmquote', 'tdreport'].map((name) => [name, statements] as const),
  ['evidence', 'any'],
  ...['cceventlog', 'eventlog', 'tcglogs', 'ccel'].map((name) => [name, ['event-log'] as const] as const),
  ...['akpub', 'akpublic', 'aikpub'].map((name) => [name, ['tpm-public', 'public-key'] as const] as const),
  ...['runtimeclaims'].map((name) => [name, ['runtime-claims'] as const] as const),
  ...['token', 'jwt', 'attestationtoken'].map((name) => [name, ['token', 'release'] as const] as const),
])

/**
 * A fault if a member's name promises evidence and its value holds none that can be read.
 * @param found what was found in the value
 */
export function brokenPromise(
  name: string,
  member: string,
  value: unknown,
  found: readonly Piece[],
): Piece | undefined {
  const kinds = promised.get(member.toLowerCase().replaceAll(/[^a-z]/g, '')) ?? promisedByWord(member, value)
  if (kinds === undefined || isNothing(value)) return undefined
  if (found.some(({ kind }) => kinds === 'any' || kinds.includes(kind) || kind === 'unreadable' || kind === 'unknown'))
    return undefined
  const place = `${name} ${member}`
  const log = kinds.includes('event-log')
  if (log && isList(value)) {
    const reason = 'An event log as JSON is not read: give the log as the firmware wrote it (ACPI table CCEL)'
    return { name: place, kind: 'unknown', reason }
  }
  const reason = `“${member}” holds nothing that can be read as ${log ? 'an event log' : 'evidence'}`
  return { name: place, kind: 'unreadable', code: 'UnknownType', reason }
}

/** Words in the names that tools and people give to evidence: `raw_quote`, `quoteHex`, `report_bytes`. */
const words = new Set(['quote', 'report', 'evidence', 'attestation', 'token'])
/** An SNP report in base64, the shortest evidence under such names, is half as long again; digests and types are shorter. */
const longText = 1_000
const longList = 500

function promisedByWord(member: string, value: unknown): Promised | undefined {
  const isLong = hasLength(value) && value.length >= (typeof value === 'string' ? longText : longList)
  if (!isLong) return undefined
  const named = member
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]/)
  return named.some((word) => words.has(word)) ? 'any' : undefined
}

/** Records as objects, as dstack and some go-tpm-tools writers store them. */
function isList(value: unknown): boolean {
  return typeof value === 'string'
    ? value.trimStart().startsWith('[{')
    : Array.isArray(value) && typeof value[0] === 'object'
}

const hasLength = (value: unknown): value is string | readonly unknown[] | Uint8Array =>
  typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array

/** Tools write what they did not collect as null, an empty text or an empty list. */
function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number') return true
  return hasLength(value) && value.length === 0
}
