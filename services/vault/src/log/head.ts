import {
  emptyFrontier,
  formatCheckpoint,
  isFrontier,
  openCheckpoint,
  rootOf,
  sameBytes,
  signNote,
  TransparencyError,
  type Frontier,
} from '@strongroom/transparency'
import type { LogKey } from './log-key.ts'
import type { LogHeadRow } from './tables.ts'

/** Signed checkpoint over a tree. */
export function checkpointOf(key: LogKey, vault: string, frontier: Frontier): string {
  const { name } = key.noteKey(vault)
  const text = formatCheckpoint({ origin: name, size: frontier.size, root: rootOf(frontier) })
  return signNote(text, key.noteKey(vault), (message) => key.sign(message))
}

/** A head that this service signed, and its tree's right edge. */
export interface SignedHead {
  row: LogHeadRow
  frontier: Frontier
}

export function signedHead(key: LogKey, vault: string, frontier: Frontier): SignedHead {
  const hashes = frontier.hashes.map((hash) => Buffer.from(hash).toString('hex'))
  const checkpoint = checkpointOf(key, vault, frontier)
  return { row: { vault, size: frontier.size, frontier: hashes.join(' '), checkpoint }, frontier }
}

/**
 * The tree's right edge, if this service signed it.
 * @param own the head signed last, which is not verified again
 * @throws TransparencyError
 */
export async function openHead(key: LogKey, row: LogHeadRow, own?: SignedHead): Promise<Frontier> {
  if (row.size === 0 && row.frontier === '' && row.checkpoint === '') return emptyFrontier
  const hashes = row.frontier.split(' ')
  if (row.checkpoint === own?.row.checkpoint) {
    if (row.size === own.row.size && row.frontier === own.row.frontier) return own.frontier
  } else {
    const { name } = key.noteKey(row.vault)
    const checkpoint = await openCheckpoint(row.checkpoint, key.noteKey(row.vault), name)
    const bytes = hashes.map((hash) => Uint8Array.from(Buffer.from(hash, 'hex')))
    const frontier: Frontier = { size: row.size, hashes: bytes }
    const same = isFrontier(frontier) && checkpoint.size === frontier.size
    if (same && sameBytes(checkpoint.root, rootOf(frontier))) return frontier
  }
  throw new TransparencyError({
    code: 'RootMismatch',
    message: 'The head of the log is not the last one signed.',
    expected: row.checkpoint.split('\n').slice(1, 3).join(' '),
    found: `${row.size} entries, ${hashes.length} hashes`,
  })
}

/** The size and root of a log that was committed. */
export type Reached = Pick<LogHeadRow, 'size' | 'checkpoint'>

/**
 * A store restored to an earlier state is complete and signed: only someone who remembers a later state can tell. A
 * store that diverged since then has another checkpoint of the same size.
 * @throws TransparencyError LogCut, LogForked
 */
export function assertReached(head: Reached, reached: Reached | undefined): void {
  if (reached === undefined || head.size > reached.size) return
  if (head.size < reached.size) {
    throw new TransparencyError({
      code: 'LogCut',
      message: 'The log is shorter than this service left it.',
      expected: `at least ${reached.size} entries`,
      found: `${head.size} entries`,
    })
  }
  if (head.checkpoint === reached.checkpoint) return
  const rootIn = ({ checkpoint }: Reached): string => checkpoint.split('\n')[2] ?? ''
  throw new TransparencyError({
    code: 'LogForked',
    message: 'The log is not the one this service wrote.',
    expected: `${reached.size} entries with the root ${rootIn(reached)}`,
    found: `the root ${rootIn(head)}`,
  })
}
