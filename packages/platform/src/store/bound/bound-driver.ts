import type { DatabaseConnection, Driver, QueryCompiler, TransactionSettings } from 'kysely'
import type { Binding } from './binding.ts'
import { BoundConnection } from './bound-connection.ts'
import { Plans } from './plans.ts'
import { runOn } from './run.ts'

/** Updates the seal before each commit. */
export class BoundDriver implements Driver {
  readonly #inner: Driver
  readonly #binding: Binding
  readonly #plans: Plans
  readonly #connections = new WeakMap<DatabaseConnection, BoundConnection>()

  constructor(o: { inner: Driver; binding: Binding; compiler: QueryCompiler }) {
    this.#inner = o.inner
    this.#binding = o.binding
    this.#plans = new Plans(o.binding, o.compiler)
  }

  init(): Promise<void> {
    return this.#inner.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const inner = await this.#inner.acquireConnection()
    let bound = this.#connections.get(inner)
    if (bound === undefined) {
      const parts = { inner, binding: this.#binding, plans: this.#plans, driver: this.#inner }
      this.#connections.set(inner, (bound = new BoundConnection(parts)))
    }
    return bound
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const bound = connection as BoundConnection
    await this.#inner.beginTransaction(bound.inner, settings)
    bound.beginChanges()
    if (this.#binding.isUnbound) return
    try {
      await this.#binding.assertFresh(runOn(this.#binding.engine, bound.inner), { inTransaction: true })
    } catch (error) {
      await this.rollbackTransaction(bound)
      throw error
    }
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const bound = connection as BoundConnection
    await this.#binding.commit(runOn(this.#binding.engine, bound.inner), bound.changes)
    await this.#inner.commitTransaction(bound.inner)
    this.#binding.committed(bound.changes)
    bound.endChanges()
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const bound = connection as BoundConnection
    bound.endChanges()
    await this.#inner.rollbackTransaction(bound.inner)
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#inner.releaseConnection((connection as BoundConnection).inner)
  }

  destroy(): Promise<void> {
    return this.#inner.destroy()
  }
}
