import {
  forUpdate,
  GroupCommit,
  ServiceError,
  type Clock,
  type DatabaseTransaction,
  type Store,
} from '@strongroom/platform'
import {
  appended,
  emptyFrontier,
  formatNoteKey,
  leafHash,
  tileHeight,
  tileWidth,
  TransparencyError,
  formatBundle,
  type Frontier,
  type Tile,
} from '@strongroom/transparency'
import type { Kysely, Transaction } from 'kysely'
import { entryText, type LogEntry } from './entry.ts'
import { assertReached, checkpointOf, openHead, signedHead, type Reached, type SignedHead } from './head.ts'
import type { LogKey } from './log-key.ts'
import type { LogEntryRow, LogHeadRow, LogNodeRow, LogTables } from './tables.ts'
import { verifyTree, type LogVerdict } from './verify.ts'

/** Maximum size of a checkpoint or an entry; tlog-tiles writes lengths in two bytes. */
const longestEntry = 65_535
/** Maximum entries written in one transaction. */
const groupLimit = 64

/**
 * Records which principal did what with which key: a Merkle tree per vault, with a signed checkpoint after every
 * transaction. An entry is written in the transaction it records, or before the answer leaves. A tree that differs from
 * the last signed one is never extended.
 */
export class OperationLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #key: LogKey
  /** The last head we signed for each vault, committed or not: it is not verified again. */
  readonly #signed = new Map<string, SignedHead>()
  /** The longest log that the store has had for each vault: a shorter one, or another of that size, is not extended. */
  readonly #reached = new Map<string, Reached>()
  readonly #commit: GroupCommit<LogEntry>

  constructor(o: { store: Store; clock: Clock; key: LogKey }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#key = o.key
    this.#commit = new GroupCommit({ limit: groupLimit, write: (entries) => this.#write(entries) })
  }

  /**
   * Entries that wait while a transaction runs are written together in the next one, so that throughput is not bounded
   * by disk confirmations. Resolves when the entry is on disk.
   * @throws ServiceError 503 OperationLogUnavailable or OperationLogAltered: the operation to be recorded is refused
   */
  append(entry: LogEntry): Promise<void> {
    return this.#commit.add(entry)
  }

  /**
   * Like `append`, with a condition checked while the vault's other writers wait for this entry: what they record is
   * either committed before it and visible to `check`, or comes after it.
   * @throws ServiceError what `check` throws; then nothing is recorded
   */
  async appendWhere(entry: LogEntry, check: (tx: DatabaseTransaction) => Promise<void>): Promise<void> {
    await this.#written(async (tx) => {
      await this.appendIn(tx, entry)
      await check(tx)
    })
  }

  async #write(entries: LogEntry[]): Promise<void> {
    await this.#written((tx) => this.appendIn(tx, ...entries))
  }

  async #written(work: (tx: DatabaseTransaction) => Promise<void>): Promise<void> {
    try {
      await this.#store.transaction(work)
    } catch (cause) {
      if (cause instanceof ServiceError && cause.status < 500) throw cause
      if (cause instanceof ServiceError && cause.code === 'OperationLogAltered') throw cause
      throw new ServiceError({
        code: 'OperationLogUnavailable',
        message: 'The operation log cannot be written, so the operation is refused.',
        remedy: 'Check that the vault’s store is writable and has free space, then repeat the request.',
        cause,
      })
    }
  }

  async appendIn(transaction: DatabaseTransaction, ...entries: LogEntry[]): Promise<void> {
    // In one order, so that two transactions never wait for each other's heads.
    for (const vault of [...new Set(entries.map((entry) => entry.vault))].toSorted()) {
      await this.#appendTo(
        transaction as Transaction<LogTables>,
        vault,
        entries.filter((entry) => entry.vault === vault),
      )
    }
  }

  async #appendTo(tx: Transaction<LogTables>, vault: string, entries: LogEntry[]): Promise<void> {
    const head = await this.#lockedHead(tx, vault)
    let frontier = await this.#openedHead(head)
    const nodes: LogNodeRow[] = []
    const rows: LogEntryRow[] = []
    for (const entry of entries) {
      const text = entryText(entry, this.#clock.now())
      const bytes = Buffer.from(text, 'utf8')
      if (bytes.length > longestEntry) throw new RangeError(`an entry has at most ${longestEntry} bytes`)
      const leaf = leafHash(bytes)
      rows.push({ vault, position: frontier.size, entry: text, leaf_hash: hex(leaf) })
      frontier = appended(frontier, leaf, (level, position, hash) => {
        if (level > 0 && level % tileHeight === 0) {
          nodes.push({ vault, level: level / tileHeight, position, hash: hex(hash) })
        }
      })
    }
    await tx.insertInto('log_entry').values(rows).execute()
    if (nodes.length > 0) await tx.insertInto('log_node').values(nodes).execute()
    const signed = signedHead(this.#key, vault, frontier)
    await tx.updateTable('log_head').set(signed.row).where('vault', '=', vault).execute()
    this.#signed.set(vault, signed)
    this.#store.afterCommit(tx, () => this.#reach(vault, signed.row))
  }

  /** The signed checkpoint of a vault's log. */
  async checkpoint(vault: string): Promise<string> {
    const head = await this.#db.selectFrom('log_head').selectAll().where('vault', '=', vault).executeTakeFirst()
    return head === undefined || head.checkpoint === ''
      ? checkpointOf(this.#key, vault, emptyFrontier)
      : head.checkpoint
  }

  /** The key that verifies a vault's checkpoints, in C2SP signed-note format. */
  verifierKey(vault: string): string {
    return formatNoteKey(this.#key.noteKey(vault))
  }

  /** Bytes of a tile or an entry bundle; undefined beyond the log's end. */
  async tile(vault: string, tile: Tile): Promise<Uint8Array | undefined> {
    const start = tile.index * tileWidth
    const end = start + tile.width
    if (tile.level === 'entries' || tile.level === 0) {
      const rows = await this.#db
        .selectFrom('log_entry')
        .select(['entry', 'leaf_hash'])
        .where('vault', '=', vault)
        .where('position', '>=', start)
        .where('position', '<', end)
        .orderBy('position')
        .execute()
      if (rows.length !== tile.width) return undefined
      return tile.level === 'entries'
        ? formatBundle(rows.map((row) => Buffer.from(row.entry, 'utf8')))
        : Buffer.concat(rows.map((row) => Buffer.from(row.leaf_hash, 'hex')))
    }
    const rows = await this.#db
      .selectFrom('log_node')
      .select('hash')
      .where('vault', '=', vault)
      .where('level', '=', tile.level)
      .where('position', '>=', start)
      .where('position', '<', end)
      .orderBy('position')
      .execute()
    return rows.length === tile.width ? Buffer.concat(rows.map((row) => Buffer.from(row.hash, 'hex'))) : undefined
  }

  /** Verifies the logs of all vaults. Only readers can detect a complete older store restored before this service started. */
  async verify(): Promise<LogVerdict> {
    const vaults = await this.#db.selectFrom('log_entry').select('vault').distinct().execute()
    const heads = await this.#db.selectFrom('log_head').select('vault').execute()
    let entries = 0
    const names = [...vaults, ...heads].map((row) => row.vault)
    for (const vault of new Set([...names, ...this.#reached.keys()])) {
      const verdict = await verifyTree(this.#db, this.#key, vault, this.#reached.get(vault))
      entries += verdict.entries
      if (verdict.broken) return { entries, broken: verdict.broken }
      if (verdict.reached) this.#reach(vault, verdict.reached)
    }
    return { entries }
  }

  get #db(): Kysely<LogTables> {
    return this.#store.db as Kysely<LogTables>
  }

  /** The first writer creates the head; its row is then the lock that orders the vault's writers. */
  async #lockedHead(tx: Transaction<LogTables>, vault: string): Promise<LogHeadRow> {
    const rows = tx.selectFrom('log_head').selectAll().where('vault', '=', vault)
    const found = await forUpdate(this.#store, rows).executeTakeFirst()
    if (found) return found
    await tx
      .insertInto('log_head')
      .values({ vault, size: 0, frontier: '', checkpoint: '' })
      .onConflict((conflict) => conflict.column('vault').doNothing())
      .execute()
    return forUpdate(this.#store, rows).executeTakeFirstOrThrow()
  }

  #reach(vault: string, { size, checkpoint }: Reached): void {
    if (size > (this.#reached.get(vault)?.size ?? 0)) this.#reached.set(vault, { size, checkpoint })
  }

  async #openedHead(head: LogHeadRow): Promise<Frontier> {
    const own = this.#signed.get(head.vault)
    try {
      assertReached(head, this.#reached.get(head.vault))
      const frontier = await openHead(this.#key, head, own)
      // What we signed may be from this very transaction, which can still be rolled back.
      if (head.checkpoint !== own?.row.checkpoint) this.#reach(head.vault, head)
      return frontier
    } catch (cause) {
      if (!(cause instanceof TransparencyError)) throw cause
      throw new ServiceError({
        code: 'OperationLogAltered',
        message:
          `The operation log of the vault ${head.vault} was altered outside the service, so the operation is ` +
          `refused. ${cause.message}`,
        target: head.vault,
        ...(cause.expected !== undefined && { expected: cause.expected }),
        ...(cause.found !== undefined && { found: cause.found }),
        remedy:
          'Find out who wrote to the vault’s store, and restore its last state. An older backup is accepted only ' +
          'after a restart, and anyone who verified the log earlier finds it truncated.',
        cause,
      })
    }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
