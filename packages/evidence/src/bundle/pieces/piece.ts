import { type Check, failed } from '../../checks/check.ts'
import { ParseError, type ParseErrorCode } from '../../core/errors.ts'
import type { TpmSignature } from '../../tpm/signature.ts'

/** A part of a file that nothing reads, or that nothing vouches for: the verdict does not depend on it. */
export interface Unused {
  /** File, and place in it. */
  of: string
  /** For example `a text of 12 characters`. */
  what: string
  /** Where it is in the bytes of `of`; absent for all of them. */
  ranges?: readonly Range[]
}

export interface Range {
  from: number
  length: number
}

/** Kinds of evidence that their bytes identify. */
export const binaryKinds = [
  'snp-report',
  'tdx-quote',
  'td-report',
  'hcl-report',
  'event-log',
  'tpm-attest',
  'tpm-signature',
  'crl',
  'nitro-document',
  'cca-token',
  'svsm-manifest',
] as const
export type BinaryKind = (typeof binaryKinds)[number]

/**
 * One piece of evidence, found in a file or in a container inside it. `name` is the file followed by the place in it;
 * `file` is only the file.
 */
export type Piece = { name: string; file?: string } & (
  | { [K in BinaryKind]: { kind: K; bytes: Uint8Array } }[BinaryKind]
  /** TPM2B_PUBLIC. `nested`: it is inside other evidence. */
  | { kind: 'tpm-public'; bytes: Uint8Array; nested: boolean }
  /** DER SubjectPublicKeyInfo. `nested`: it is beside other evidence, whose maker may have made the key too. */
  | { kind: 'public-key'; spki: Uint8Array; nested: boolean }
  /** DER, in the order of the file. */
  | { kind: 'certificates'; certificates: readonly Uint8Array[] }
  /** Unchanged: a signature covers the text. */
  | { kind: 'tcb-info'; text: string }
  | { kind: 'qe-identity'; text: string }
  /** `token` is a JWT of an issuer with a key set; `release` carries its certificates. */
  | { kind: 'token'; text: string }
  | { kind: 'release'; text: string }
  /** Compact JWS: what an image measures, signed by an installation. */
  | { kind: 'image-measurements'; text: string }
  /** `nested`: it is inside other evidence, or beside it in one file, whose maker may have made the keys too. */
  | { kind: 'jwks'; value: unknown; nested: boolean }
  | {
      kind: 'tpm-quote'
      message: Uint8Array
      signature: Uint8Array | TpmSignature
      pcrs: ReadonlyMap<number, Uint8Array>
      bank?: 'sha1' | 'sha256' | 'sha384' | 'sha512'
      nonce?: Uint8Array
      eventLog?: Uint8Array
      akPublic?: Uint8Array
    }
  | { kind: 'runtime-claims'; bytes: Uint8Array }
  /** A signature that does not name its scheme. */
  | { kind: 'signature'; bytes: Uint8Array }
  /** Parts of a file that no reader takes. */
  | { kind: 'unused'; parts: readonly Unused[] }
  /** `recognised`: it is evidence or reference values of a kind that is not verified here. */
  | { kind: 'unknown'; reason: string; recognised?: true }
  /** Declared as evidence, but unreadable: an error, never skipped. */
  | { kind: 'unreadable'; code: ParseErrorCode; reason: string }
)

export type PieceKind = Piece['kind']
export type PieceOf<K extends PieceKind> = Extract<Piece, { kind: K }>

/** Certificates in all pieces of a judgement: each chain is searched among all of them. */
export const maximumCertificates = 1_000
/** Pieces in one judgement; a stored boot has 20. */
const maximumPieces = 512

/** The failed check if a judgement has more pieces than it accepts. */
export function excessOf(pieces: readonly Piece[]): Check | undefined {
  const certificates = pieces.reduce(
    (sum, each) => sum + (each.kind === 'certificates' ? each.certificates.length : 0),
    0,
  )
  const counts: [string, number, number][] = [
    ['pieces', pieces.filter(({ kind }) => kind !== 'unused').length, maximumPieces],
    ['certificates', certificates, maximumCertificates],
  ]
  const over = counts.find(([, found, most]) => found > most)
  if (over === undefined) return undefined
  const [what, found, most] = over
  const message = 'This is too much for one verification: verify each machine separately'
  const facts = { expected: `at most ${most} ${what}`, found: `${found}` }
  return failed('file.kind', new ParseError({ code: 'TooLarge', message, ...facts }))
}

/** False for bytes of which nobody knows what they are. */
export const isRecognised = (piece: Piece): boolean => piece.kind !== 'unknown' || piece.recognised === true

/** The check, with the name of the file it is about. */
export function named(piece: Piece, check: Check): Check {
  const name = piece.name.trim()
  return name === '' ? check : { ...check, shows: `${name}: ${check.shows}` }
}

/** Kinds that state something about a machine. All others only serve to judge these. */
export const statementKinds: readonly PieceKind[] = [
  'snp-report',
  'tdx-quote',
  'td-report',
  'hcl-report',
  'tpm-quote',
  'tpm-attest',
  'token',
  'nitro-document',
  'cca-token',
  'svsm-manifest',
  'release',
]
