import type { Check } from '../checks/check.ts'
import type { ParseErrorCode } from '../core/errors.ts'
import type { TpmSignature } from '../tpm/signature.ts'

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
  | { kind: 'unknown'; reason: string }
  /** Declared as evidence, but unreadable: an error, never skipped. */
  | { kind: 'unreadable'; code: ParseErrorCode; reason: string }
)

export type PieceKind = Piece['kind']
export type PieceOf<K extends PieceKind> = Extract<Piece, { kind: K }>

/** Certificates in all pieces of a judgement: each chain is searched among all of them. */
export const maximumCertificates = 1_000

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
