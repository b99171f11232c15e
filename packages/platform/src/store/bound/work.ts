import { CompiledQuery, type DatabaseConnection } from 'kysely'
import type { Row } from './bound-table.ts'
import type { Changes } from './store-seal.ts'

/** One connection inside a transaction, and the transaction's changes. SQL is in the engine's own form. */
export class Work {
  readonly changes: Changes
  readonly #connection: DatabaseConnection

  constructor(connection: DatabaseConnection, changes: Changes) {
    this.#connection = connection
    this.changes = changes
  }

  async read(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return (await this.#connection.executeQuery<Row>(CompiledQuery.raw(sql, [...parameters]))).rows
  }

  async write(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    const rows = await this.read(sql, parameters)
    this.changes.statements++
    return rows
  }
}
