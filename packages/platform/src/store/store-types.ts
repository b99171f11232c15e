import type { Kysely } from 'kysely'

/** Each service declares its tables: `store.db as Kysely<Tables>` gives the typed view. */
// oxlint-disable-next-line typescript/no-explicit-any -- one store type serves every service's tables
export type Database = Kysely<any>
/** Within Store.transaction. */
export type DatabaseTransaction = Database

export interface Migration {
  up(db: Database): Promise<void>
}

/**
 * One interface over two engines. SQL has to be accepted by both: text and integer columns, JSON as text, ISO
 * timestamps as text, booleans as 0 and 1. Inside `transaction` only `tx` may be used: `db` is refused there, because
 * on SQLite it would wait forever for the single connection and on Postgres it would be outside the transaction.
 */
export interface Store {
  engine: 'sqlite' | 'postgres'
  /** openStore's argument, so that a second process can open the same data. */
  url: string
  service: string
  db: Database
  /** Applies the missing migrations of one named list, in one transaction, by name order. */
  migrate(list: string, migrations: Record<string, Migration>): Promise<void>
  /** SQLite: `begin immediate`. Postgres: read committed; lock rows with `forUpdate`. @throws ServiceError ServerBusy */
  transaction<T>(work: (tx: DatabaseTransaction) => Promise<T>): Promise<T>
  /**
   * Calls `work`, which must not throw, after the transaction commits and before `transaction` resolves. Not after a
   * rollback, nor if the outcome is unknown because the connection broke.
   */
  afterCommit(tx: DatabaseTransaction, work: () => void): void
  /**
   * Changes once any of these tables may have been written: by this process at once, by another from the next turn of
   * the event loop on. Cascading foreign keys and triggers are not considered. Undefined if the engine cannot tell:
   * Postgres. For `RowCache`.
   */
  revision(tables: readonly string[]): string | undefined
  close(): Promise<void>
}
