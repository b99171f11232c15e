import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import {
  CompiledQuery,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type Driver,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely'
import { ServiceError } from '../errors.ts'
import type { Database } from './store.ts'
import type { TransactionGuard } from './transaction-guard.ts'

const beginImmediate = CompiledQuery.raw('begin immediate')

/** How long a writer waits for another process that holds the file. */
const busyTimeoutMs = 10_000

export function openSqlite(directory: string, service: string, guard: TransactionGuard): Database {
  if (!isAbsolute(directory)) throw new TypeError(`the directory of a SQLite store must be absolute: ${directory}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `${service}.db`)
  // Made before SQLite opens it: the write-ahead log inherits this file's mode.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const db = openFile(path)
  return new Kysely({ dialect: new GuardedSqliteDialect(adapt(db), guard) })
}

function openFile(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path)
    db.exec(`pragma busy_timeout = ${busyTimeoutMs}`)
    db.exec('pragma journal_mode = wal')
    db.exec('pragma synchronous = full')
    db.exec('pragma foreign_keys = on')
    // The default page cache of 2 MiB, once per service, is more than these small tables need.
    db.exec('pragma cache_size = -512')
    return db
  } catch (cause) {
    throw new ServiceError({
      code: 'StoreUnreadable',
      status: 500,
      message: `The database ${path} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}.`,
      remedy: 'Restore the file from a backup, or remove the installation with `strongroom reset`.',
      cause,
    })
  }
}

/** Adapts node:sqlite to the shape that Kysely's SqliteDialect expects. */
function adapt(db: DatabaseSync): SqliteDatabase {
  return {
    close: () => db.close(),
    prepare(text) {
      const statement = db.prepare(text)
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
      } as SqliteStatement
    },
  }
}

class GuardedSqliteDialect extends SqliteDialect {
  readonly #database: SqliteDatabase
  readonly #guard: TransactionGuard

  constructor(database: SqliteDatabase, guard: TransactionGuard) {
    super({ database })
    this.#database = database
    this.#guard = guard
  }

  override createDriver(): Driver {
    return new GuardedSqliteDriver(this.#database, this.#guard)
  }
}

class GuardedSqliteDriver extends SqliteDriver {
  readonly #guard: TransactionGuard

  constructor(database: SqliteDatabase, guard: TransactionGuard) {
    super({ database })
    this.#guard = guard
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#guard.assertOutside()
    return super.acquireConnection()
  }

  /**
   * Immediate: a deferred transaction that reads before it writes fails with SQLITE_BUSY_SNAPSHOT, whatever the busy
   * timeout, once another process has written in between.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(beginImmediate)
  }
}
