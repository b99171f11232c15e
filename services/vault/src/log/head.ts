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

export function headRow(vault: string, frontier: Frontier, checkpoint: string): LogHeadRow {
  const hashes = frontier.hashes.map((hash) => Buffer.from(hash).toString('hex'))
  return { vault, size: frontier.size, frontier: hashes.join(' '), checkpoint }
}

/**
 * The tree's right edge, if this service signed it.
 * @param trusted a checkpoint known to be ours, which is not verified again
 * @throws TransparencyError
 */
export async function openHead(key: LogKey, row: LogHeadRow, trusted?: string): Promise<Frontier> {
  if (row.size === 0 && row.frontier === '' && row.checkpoint === '') return emptyFrontier
  const hashes = row.frontier.split(' ').map((hash) => Uint8Array.from(Buffer.from(hash, 'hex')))
  const frontier: Frontier = { size: row.size, hashes }
  if (row.checkpoint === trusted) {
    // Signed text begins with exactly these lines, so comparing the text compares size and root.
    if (isFrontier(frontier) && trusted.startsWith(textOf(key, row.vault, frontier))) return frontier
  } else {
    const { name } = key.noteKey(row.vault)
    const checkpoint = await openCheckpoint(row.checkpoint, key.noteKey(row.vault), name)
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

function textOf(key: LogKey, vault: string, frontier: Frontier): string {
  return `${formatCheckpoint({ origin: key.noteKey(vault).name, size: frontier.size, root: rootOf(frontier) })}\n`
}
