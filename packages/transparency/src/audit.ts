import { sameBytes, toBase64 } from './bytes.ts'
import type { Checkpoint } from './checkpoint.ts'
import { TransparencyError } from './error.ts'
import { appended, emptyFrontier, leafHash, rootOf } from './merkle.ts'
import { verifyConsistency, verifyInclusion } from './proof.ts'
import { Prover, type Fetch } from './proofs.ts'
import { parseBundle, tileOf, tilePath, tileWidth } from './tiles.ts'

/**
 * Reads every entry of a log and verifies that they are exactly the entries covered by the checkpoint, and that the
 * log still begins with those covered by `remembered`. `onEntry` receives entries as they arrive, before the log is
 * verified.
 * @throws TransparencyError RootMismatch, LogCut, LogForked, Missing or Malformed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { auditLog, openCheckpoint, parseNoteKey } from '@strongroom/transparency'
 *
 * const key = parseNoteKey(await readFile('log/key.txt', 'utf8')) // from the log's operator
 * const checkpoint = await openCheckpoint(await readFile('log/checkpoint', 'utf8'), key, key.name)
 * const entries: string[] = []
 * await auditLog({
 *   checkpoint,
 *   fetch: (path) => readFile(`log/${path}`),
 *   onEntry: (entry) => entries.push(new TextDecoder().decode(entry)),
 * })
 * entries.length // => 300
 */
export async function auditLog(o: {
  checkpoint: Checkpoint
  fetch: Fetch
  remembered?: Checkpoint
  onEntry?: (entry: Uint8Array, index: number) => void
}): Promise<void> {
  const { checkpoint, fetch, remembered } = o
  if (remembered) refuseCut(checkpoint, remembered)
  let frontier = emptyFrontier
  /** Root at the remembered size, if that differs. */
  let other: Uint8Array | undefined
  const compare = (): void => {
    if (remembered?.size !== frontier.size) return
    const root = rootOf(frontier)
    if (!sameBytes(root, remembered.root)) other = root
  }
  compare()
  for (let start = 0; start < checkpoint.size; start += tileWidth) {
    const tile = tileOf('entries', start, checkpoint.size)
    for (const entry of parseBundle(await fetch(tilePath(tile)), tile.width)) {
      o.onEntry?.(entry, frontier.size)
      frontier = appended(frontier, leafHash(entry))
      compare()
    }
  }
  const root = rootOf(frontier)
  if (sameBytes(root, checkpoint.root)) {
    if (remembered && other) throw forked(remembered, other)
    return
  }
  throw new TransparencyError({
    code: 'RootMismatch',
    message: 'The entries of the log are not the ones it signed: entries were edited, added or removed.',
    expected: `root ${toBase64(checkpoint.root)}`,
    found: `root ${toBase64(root)}`,
  })
}

/**
 * Verifies from hash tiles that the log still begins with the entries covered by `remembered`; reads few tiles.
 * @throws TransparencyError LogCut or LogForked
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkConsistency, openCheckpoint, parseNoteKey } from '@strongroom/transparency'
 *
 * const key = parseNoteKey(await readFile('log/key.txt', 'utf8'))
 * const [checkpoint, remembered] = await Promise.all(
 *   ['checkpoint', 'remembered-checkpoint'].map(async (name) => openCheckpoint(await readFile(`log/${name}`, 'utf8'), key, key.name)),
 * )
 * if (checkpoint === undefined || remembered === undefined) throw new Error()
 * const fetch = (path: string) => readFile(`log/${path}`)
 * await checkConsistency({ checkpoint, remembered, fetch }) // => undefined
 * // An older copy was restored.
 * checkConsistency({ checkpoint: remembered, remembered: checkpoint, fetch }) // throws TransparencyError LogCut
 */
export async function checkConsistency(o: {
  checkpoint: Checkpoint
  remembered: Checkpoint
  fetch: Fetch
}): Promise<void> {
  const { checkpoint, remembered } = o
  refuseCut(checkpoint, remembered)
  const proof = await new Prover({ fetch: o.fetch, size: checkpoint.size }).consistency(remembered.size)
  const good = verifyConsistency({
    oldSize: remembered.size,
    newSize: checkpoint.size,
    oldRoot: remembered.root,
    newRoot: checkpoint.root,
    proof,
  })
  if (!good) throw forked(remembered, checkpoint.root)
}

/**
 * Returns one entry with verified inclusion in the log; reads one bundle and few tiles.
 * @throws TransparencyError RootMismatch or Missing
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { openCheckpoint, parseNoteKey, provenEntry } from '@strongroom/transparency'
 *
 * const key = parseNoteKey(await readFile('log/key.txt', 'utf8'))
 * const checkpoint = await openCheckpoint(await readFile('log/checkpoint', 'utf8'), key, key.name)
 * const entry = await provenEntry({ checkpoint, index: 299, fetch: (path) => readFile(`log/${path}`) })
 * new TextDecoder().decode(entry) // => 'entry 299'
 */
export async function provenEntry(o: { checkpoint: Checkpoint; index: number; fetch: Fetch }): Promise<Uint8Array> {
  const { checkpoint, index, fetch } = o
  if (!Number.isSafeInteger(index) || index < 0 || index >= checkpoint.size) {
    throw new TransparencyError({
      code: 'Missing',
      message: 'The log has no such entry.',
      expected: `an index below ${checkpoint.size}`,
      found: String(index),
    })
  }
  const tile = tileOf('entries', index, checkpoint.size)
  const entry = parseBundle(await fetch(tilePath(tile)), tile.width)[index - tile.index * tileWidth]!
  const proof = await new Prover({ fetch, size: checkpoint.size }).inclusion(index)
  if (verifyInclusion({ index, size: checkpoint.size, leaf: leafHash(entry), proof, root: checkpoint.root })) {
    return entry
  }
  throw new TransparencyError({
    code: 'RootMismatch',
    message: `Entry ${index} is not the one the log signed.`,
    expected: `an entry under the root ${toBase64(checkpoint.root)}`,
    found: 'an entry or tiles that do not hash to it',
  })
}

function refuseCut(checkpoint: Checkpoint, remembered: Checkpoint): void {
  if (checkpoint.size >= remembered.size) return
  throw new TransparencyError({
    code: 'LogCut',
    message: 'The log is shorter than it was: entries were cut off, or an older copy was restored.',
    expected: `at least ${remembered.size} entries`,
    found: `${checkpoint.size} entries`,
  })
}

function forked(remembered: Checkpoint, root: Uint8Array): TransparencyError {
  return new TransparencyError({
    code: 'LogForked',
    message: 'The log was rewritten: it does not contain what it signed earlier.',
    expected: `the first ${remembered.size} entries under the root ${toBase64(remembered.root)}`,
    found: `other entries, root ${toBase64(root)}`,
  })
}
