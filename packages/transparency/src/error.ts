export type TransparencyCode =
  /** A malformed note, checkpoint, tile, bundle or key. */
  | 'Malformed'
  /** A checkpoint that the expected key did not sign. */
  | 'SignatureInvalid'
  /** A signed checkpoint of another log. */
  | 'OriginMismatch'
  /** Entries or tiles that do not hash to the signed root: something was edited. */
  | 'RootMismatch'
  /** The log has fewer entries than it once signed for. */
  | 'LogCut'
  /** Today's log does not contain the remembered one. */
  | 'LogForked'
  /** What the log signed for is unavailable. */
  | 'Missing'

/**
 * Why a log, or a part of it, does not verify.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { auditLog, TransparencyError } from '@strongroom/transparency'
 *
 * const checkpoint = { origin: 'log.example', size: 300, root: new Uint8Array(32) }
 * await auditLog({ checkpoint, fetch: (path) => readFile(`log/${path}`) }).catch((error: unknown) => {
 *   if (!(error instanceof TransparencyError)) throw error
 *   error.code // => 'RootMismatch'
 * })
 */
export class TransparencyError extends Error {
  readonly code: TransparencyCode
  readonly expected: string | undefined
  readonly found: string | undefined

  constructor(o: { code: TransparencyCode; message: string; expected?: string; found?: string; cause?: unknown }) {
    super(o.message, { cause: o.cause })
    this.name = 'TransparencyError'
    this.code = o.code
    this.expected = o.expected
    this.found = o.found
  }
}
