import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import {
  CompiledQuery,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type Driver,
  type KyselyPlugin,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely'
import { ServiceError } from '../../errors/errors.ts'
import type { Binding } from '../bound/binding.ts'
import { BoundDialect } from '../bound/bound-dialect.ts'
import type { Database, Store } from '../store-types.ts'
import { TableWrites } from './table-writes.ts'

const beginImmediate = CompiledQuery.raw('begin immediate')

/** How long a writer waits for another process that holds the file. */
const busyTimeoutMs = 10_000

export function openSqlite(
  directory: string,
  service: string,
  plugins: KyselyPlugin[],
  binding: Binding,
): { db: Database; revision: Store['revision'] } {
  if (!isAbsolute(directory)) throw new TypeError(`the directory of a SQLite store must be absolute: ${directory}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `${service}.db`)
  // Created before SQLite opens it: the write-ahead log inherits this file's mode.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const db = openFile(path)
  const writes = new TableWrites()
  const dataVersion = db.prepare('pragma data_version')
  const version = (): string => String(dataVersion.get()?.['data_version'])
  binding.watch(version)
  return {
    db: new Kysely({ dialect: new BoundDialect({ inner: new WaitingDialect(adapt(db, writes)), binding }), plugins }),
    revision: revisionOf(version, writes),
  }
}

/** SQLite's data version changes with commits of other connections only; this one's are counted. */
function revisionOf(version: () => string, writes: TableWrites): Store['revision'] {
  let ofThisTurn: string | undefined
  return (tables) => {
    if (ofThisTurn === undefined) {
      ofThisTurn = version()
      // A request in a later turn must see what others had committed by then; within a turn none arrives.
      process.nextTick(() => (ofThisTurn = undefined))
    }
    return `${ofThisTurn} ${writes.of(tables)}`
  }
}

function openFile(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path)
    db.exec(`pragma busy_timeout = ${busyTimeoutMs}`)
    db.exec('pragma journal_mode = wal')
    db.exec('pragma synchronous = full')
    db.exec('pragma foreign_keys = on')
    // The log is copied into the file in short steps: the committing transaction waits, and a concurrent request too.
    // At SQLite's default of 1,000 pages and above, that is what the slowest hundredth of requests waits for.
    db.exec('pragma wal_autocheckpoint = 250')
    // From here on `waiting` does it.
    db.exec('pragma busy_timeout = 0')
    // The default page cache of 2 MiB, once per service, is more than these small tables need.
    db.exec('pragma cache_size = -512')
    return db
  } catch (cause) {
    throw new ServiceError({
      code: 'StoreUnreadable',
      message: `The database ${path} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}.`,
      remedy: 'Restore the file from a backup, or remove the installation with `strongroom reset`.',
      cause,
    })
  }
}

/** Prepared statements kept. Services use the same few dozen; a text made up for one call is soon evicted. */
const preparedStatements = 100

/** Adapts node:sqlite to the shape that Kysely's SqliteDialect expects. */
function adapt(db: DatabaseSync, writes: TableWrites): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    close: () => {
      prepared.clear()
      db.close()
    },
    prepare(text) {
      const known = prepared.get(text)
      // SQLite itself prepares a statement again if the schema has changed.
      if (known !== undefined) return known
      // First in, first out: what is in use returns for the price of one preparation, whereas moving it at each use
      // would keep the last call's text instead of the old equal one, and fill the old generation.
      const statement = prepare(db, text, writes)
      prepared.set(text, statement)
      if (prepared.size > preparedStatements) prepared.delete(prepared.keys().next().value!)
      return statement
    },
  }
}

function prepare(db: DatabaseSync, text: string, writes: TableWrites): SqliteStatement {
  const statement = db.prepare(text)
  const count = writes.counter(text)
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => {
      count?.()
      return statement.all(...(parameters as SQLInputValue[]))
    },
    run: (parameters) => {
      count?.()
      return statement.run(...(parameters as SQLInputValue[]))
    },
    // Rows are returned one by one while others may run the same query: this one has its own statement.
    iterate: (parameters) => db.prepare(text).iterate(...(parameters as SQLInputValue[])),
  } as SqliteStatement
}

class WaitingDialect extends SqliteDialect {
  readonly #database: SqliteDatabase

  constructor(database: SqliteDatabase) {
    super({ database })
    this.#database = database
  }

  override createDriver(): Driver {
    return new WaitingDriver({ database: this.#database })
  }
}

class WaitingDriver extends SqliteDriver {
  override async acquireConnection(): Promise<DatabaseConnection> {
    return waiting(await super.acquireConnection())
  }

  /**
   * Immediate: a deferred transaction that reads before it writes fails with SQLITE_BUSY_SNAPSHOT, however long it
   * waits, once another connection has written in between.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(beginImmediate)
  }
}

/**
 * Waits for another writer without blocking the event loop: SQLite's own busy timeout sleeps in the thread, so a writer
 * in the same process could never finish. Inside an immediate transaction nothing is ever busy.
 */
function waiting(connection: DatabaseConnection): DatabaseConnection {
  return {
    executeQuery: async <R>(query: CompiledQuery, options?: Parameters<DatabaseConnection['executeQuery']>[1]) => {
      const deadline = performance.now() + busyTimeoutMs
      for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
        try {
          return await connection.executeQuery<R>(query, options)
        } catch (error) {
          if (!isBusy(error) || performance.now() > deadline) throw error
        }
        await sleep(pause)
      }
    },
    streamQuery: (query, chunkSize, options) => connection.streamQuery(query, chunkSize, options),
  }
}

/** SQLITE_BUSY in the low byte; extended codes add the reason. */
function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  return typeof errcode === 'number' && (errcode & 0xff) === 5
}
