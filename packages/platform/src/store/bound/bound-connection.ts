import {
  DeleteQueryNode,
  InsertQueryNode,
  RawNode,
  SelectQueryNode,
  UpdateQueryNode,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import { UnknownTable, type Binding } from './binding.ts'
import type { Row } from './bound-table.ts'
import type { Plans } from './plans.ts'
import { runOn } from './run.ts'
import type { Run } from './shapes.ts'
import { Changes } from './store-seal.ts'
import { verifiedRows } from './select.ts'
import { Work } from './work.ts'

/** Raw SQL that neither reads nor writes rows. */
const readsNoRow = /^\s*(?:pragma\s|select pg_advisory_\w+\()/i

/** Verifies rows that are read, and binds rows that are written. */
export class BoundConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #binding: Binding
  readonly #plans: Plans
  readonly #driver: Driver
  readonly #run: Run
  #changes: Changes | undefined

  constructor(o: { inner: DatabaseConnection; binding: Binding; plans: Plans; driver: Driver }) {
    this.inner = o.inner
    this.#binding = o.binding
    this.#plans = o.plans
    this.#driver = o.driver
    this.#run = runOn(o.binding.engine, o.inner)
  }

  /** Of the open transaction. */
  get changes(): Changes {
    if (this.#changes === undefined) throw new TypeError('no transaction is open on this connection')
    return this.#changes
  }

  beginChanges(): void {
    this.#changes = new Changes()
  }

  endChanges(): void {
    this.#changes = undefined
  }

  /** @throws ServiceError RowAltered, StoreAltered */
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const node = query.query
    if (this.#binding.isUnbound) return await this.inner.executeQuery<R>(query)
    if (SelectQueryNode.is(node)) return { rows: (await this.#select(query, node)) as R[] }
    if (InsertQueryNode.is(node) || UpdateQueryNode.is(node) || DeleteQueryNode.is(node)) {
      const { count, rows } = await this.#write(query, node)
      return { rows: rows as R[], numAffectedRows: BigInt(count) }
    }
    if (RawNode.is(node) && readsNoRow.test(query.sql)) return await this.inner.executeQuery<R>(query)
    throw new TypeError(`outside of migrations only statements that can be bound are taken, not ${node.kind}`)
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    yield await Promise.reject(new TypeError('rows are read whole, so that they can be verified'))
  }

  async #select(query: CompiledQuery, node: SelectQueryNode): Promise<Row[]> {
    if (this.#changes === undefined) await this.#binding.assertFresh(this.#run, { inTransaction: false })
    const plan = await this.#knowing(async () => this.#plans.select(query.sql, node))
    if ('nothing' in plan) return (await this.inner.executeQuery<Row>(query)).rows
    if (plan.fold === undefined)
      return verifiedRows(plan.rows, (await this.inner.executeQuery<Row>({ ...query, sql: plan.rows.sql })).rows)
    const { rows, from, to } = plan.fold
    const read = { ...query, sql: rows.sql, parameters: query.parameters.slice(from, to) }
    verifiedRows(rows, (await this.inner.executeQuery<Row>(read)).rows)
    return (await this.inner.executeQuery<Row>(query)).rows
  }

  /** Outside a transaction, in a separate one. */
  async #write(
    query: CompiledQuery,
    node: InsertQueryNode | UpdateQueryNode | DeleteQueryNode,
  ): Promise<{ count: number; rows: Row[] }> {
    if (this.#changes !== undefined) return await this.#writeWithin(this.#changes, query, node)
    await this.#driver.beginTransaction(this.inner, {})
    const changes = new Changes()
    try {
      await this.#binding.assertFresh(this.#run, { inTransaction: true })
      const result = await this.#writeWithin(changes, query, node)
      await this.#binding.commit(this.#run, changes)
      await this.#driver.commitTransaction(this.inner)
      this.#binding.committed(changes)
      return result
    } catch (error) {
      // The first error counts; a connection that cannot roll back is discarded by its driver.
      await this.#driver.rollbackTransaction(this.inner).catch(() => undefined)
      throw error
    }
  }

  async #writeWithin(
    changes: Changes,
    query: CompiledQuery,
    node: InsertQueryNode | UpdateQueryNode | DeleteQueryNode,
  ): Promise<{ count: number; rows: Row[] }> {
    const before = changes.statements
    try {
      return await this.#knowing(() => this.#plans.write(query, node, new Work(this.inner, changes)))
    } catch (error) {
      // Partially done. A caller that catches this and continues must not keep that part.
      if (changes.statements > before) changes.failure ??= error
      throw error
    }
  }

  /** Another process may have created the table since. Statements that need one notice before they do anything. */
  async #knowing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UnknownTable)) throw error
    }
    await this.#binding.load(this.#run)
    return await work()
  }
}
