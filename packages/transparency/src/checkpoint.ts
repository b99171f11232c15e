import { fromBase64, toBase64 } from './bytes.ts'
import { TransparencyError } from './error.ts'
import { hashBytes } from './merkle.ts'
import { openNote, type NoteKey } from './note.ts'

/** What a log signs: its number of entries and root (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Name of the log, for example `platform.vault.strongroom.internal/operationlog`. */
  origin: string
  size: number
  root: Uint8Array
}

/**
 * Text to sign; ends with a newline.
 * @example
 * import { emptyFrontier, formatCheckpoint, rootOf } from '@strongroom/transparency'
 *
 * const text = formatCheckpoint({ origin: 'vault.example/operationlog', size: 0, root: rootOf(emptyFrontier) })
 * text // => 'vault.example/operationlog\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'
 */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`
}

/**
 * @throws TransparencyError Malformed
 * @example
 * import { parseCheckpoint } from '@strongroom/transparency'
 *
 * const root = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
 * parseCheckpoint(`log.example\n0\n${root}\n`).size // => 0
 * parseCheckpoint('log.example\n007\n') // throws TransparencyError Malformed
 */
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
 * The checkpoint in a note, if the log's key signed it and it belongs to this log.
 * @throws TransparencyError Malformed, SignatureInvalid or OriginMismatch
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { openCheckpoint, parseNoteKey } from '@strongroom/transparency'
 *
 * const note = await readFile('log/checkpoint', 'utf8')
 * const key = parseNoteKey(await readFile('log/key.txt', 'utf8'))
 * const checkpoint = await openCheckpoint(note, key, 'vault.example/operationlog')
 * checkpoint.size // => 300
 * openCheckpoint(note, key, 'another.example/operationlog') // throws TransparencyError OriginMismatch
 * openCheckpoint(note.replace('300', '299'), key, key.name) // throws TransparencyError SignatureInvalid
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
