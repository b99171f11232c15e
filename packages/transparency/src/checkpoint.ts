import { fromBase64, toBase64 } from './bytes.ts'
import { TransparencyError } from './error.ts'
import { hashBytes } from './merkle.ts'
import { openNote, type NoteKey } from './note.ts'

/** What a log signs for: this many entries, under this root (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Name of the log, for example `platform.vault.strongroom.internal/operationlog`. */
  origin: string
  size: number
  root: Uint8Array
}

/** Text to sign; ends with a newline. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`
}

/** @throws TransparencyError Malformed */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...extensions] = text.split('\n')
  const hash = root === undefined ? undefined : fromBase64(root)
  const wellFormed = origin !== undefined && origin !== '' && size !== undefined && /^(0|[1-9]\d{0,15})$/.test(size)
  if (wellFormed && Number.isSafeInteger(Number(size)) && hash?.length === hashBytes && extensions.at(-1) === '') {
    return { origin, size: Number(size), root: hash }
  }
  throw new TransparencyError({
    code: 'Malformed',
    message: 'This is not a checkpoint of a log.',
    expected: 'lines of origin, size and root',
    found: JSON.stringify(text.slice(0, 120)),
  })
}

/**
 * The checkpoint inside a note, when the log's own key signed it and it speaks of this log.
 * @throws TransparencyError Malformed, SignatureInvalid or OriginMismatch
 */
export async function openCheckpoint(note: string, key: NoteKey, origin: string): Promise<Checkpoint> {
  const checkpoint = parseCheckpoint(await openNote(note, key))
  if (checkpoint.origin === origin) return checkpoint
  throw new TransparencyError({
    code: 'OriginMismatch',
    message: 'The checkpoint belongs to another log.',
    expected: origin,
    found: checkpoint.origin,
  })
}
