import { AsyncLocalStorage } from 'node:async_hooks'
import type { KeyObject } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Store } from '../store-types.ts'
import { storeAltered } from './altered.ts'
import { BoundTable, type Row } from './bound-table.ts'
import { macColumn, readShapes, sealTable, type Run } from './shapes.ts'
import { StoreSeal, type Changes, type Total, type Totals } from './store-seal.ts'
import { VerifiedRows } from './verified-rows.ts'

/** Batch size when a whole table is read. */
const batchRows = 500

/**
 * Binds one store's rows to the installation's key: each by an authentication code, and all together by the store's
 * seal, which every writing transaction updates.
 */
export class Binding {
  readonly service: string
  readonly engine: Store['engine']
  /** What its tables share. */
  readonly #parts: { key: KeyObject; known: VerifiedRows }
  readonly #seal: StoreSeal
  readonly #tables = new Map<string, BoundTable>()
  readonly #unbound = new AsyncLocalStorage<true>()
  #version: (() => string) | undefined
  /** `#version` when all rows were last read. */
  #checkedVersion: string | undefined
  #refusal: Error | undefined
  /** Of the latest seal known to be committed. */
  #revision = 0
  /** Increased when tables change, to invalidate statements prepared for earlier ones. */
  edition = 0

  /** @param o.key for this store only */
  constructor(o: { service: string; engine: Store['engine']; key: KeyObject }) {
    this.service = o.service
    this.engine = o.engine
    this.#parts = { key: o.key, known: new VerifiedRows() }
    this.#seal = new StoreSeal(o.key)
  }

  /** @param version changes once another connection has committed, for engines that can tell. */
  watch(version: () => string): void {
    this.#version = version
  }

  /** Every use throws this from now on; undefined for none. */
  refuse(error: Error | undefined): void {
    this.#refusal = error
  }

  /**
   * Reads all rows again if another connection has committed since they were last read, because its writer is unknown.
   * @param o.inTransaction whether `run` is already in one
   * @throws ServiceError RowAltered, StoreAltered
   */
  async assertFresh(run: Run, o: { inTransaction: boolean }): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal
    if (this.#version === undefined || this.#checkedVersion === undefined) return
    if (this.#version() === this.#checkedVersion) return
    if (!o.inTransaction) await run('begin')
    try {
      await this.check(run, await this.readSeal(run))
    } finally {
      if (!o.inTransaction) await run('rollback')
    }
  }

  /** Statements of `work` go to the database unchanged: for migrations, which bind their result. */
  unbound<T>(work: () => Promise<T>): Promise<T> {
    return this.#unbound.run(true, work)
  }

  get isUnbound(): boolean {
    return this.#unbound.getStore() === true
  }

  /** @throws UnknownTable for one that no migration has made, or another process since */
  table(name: string): BoundTable {
    const table = this.#tables.get(name)
    if (table === undefined) throw new UnknownTable(`the table ${name} of ${this.service} was not made by a migration`)
    return table
  }

  /** Of the latest seal known to be committed. */
  get revision(): number {
    return this.#revision
  }

  /**
   * Within a transaction, which on Postgres waits for holders of the seal.
   * @param o.before reads a snapshot, without waiting, that began when the seal had this revision
   * @throws ServiceError StoreAltered
   */
  async readSeal(run: Run, o: { before?: number } = {}): Promise<Totals> {
    const lock = o.before === undefined && this.engine === 'postgres' ? ' for update' : ''
    const [row] = await run(`select sealed from ${sealTable} where id = 1${lock}`)
    const totals = typeof row?.['sealed'] === 'string' ? this.#seal.open(row['sealed']) : undefined
    const least = o.before ?? this.#revision
    if (totals !== undefined && totals.revision < least)
      throw storeAltered(this.service, {
        target: 'its seal',
        expected: `the seal of write ${least} or later`,
        found: `that of write ${totals.revision}: an older copy of the whole database was restored`,
      })
    if (totals !== undefined) {
      this.#revision = Math.max(this.#revision, totals.revision)
      return totals
    }
    throw storeAltered(this.service, {
      target: 'its seal',
      expected: 'a seal that this installation wrote',
      found: row === undefined ? 'none' : 'one that was altered, or written under another master key',
    })
  }

  /** Whether there is a seal, of any origin. */
  async isSealed(run: Run): Promise<boolean> {
    // Not to_regclass, which may answer from before a lock that was waited for.
    const tables = await run(
      this.engine === 'sqlite'
        ? `select name from sqlite_master where type = 'table' and name = ?`
        : 'select tablename as name from pg_tables where schemaname = current_schema() and tablename = ?',
      [sealTable],
    )
    return tables.length > 0 && (await run(`select id from ${sealTable}`)).length > 0
  }

  async hasRows(run: Run): Promise<boolean> {
    for (const { table } of await readShapes(this.engine, run))
      if ((await run(`select 1 as one from ${quoted(table)} limit 1`)).length > 0) return true
    return false
  }

  /**
   * Reads every row of every table. The caller ensures that nobody commits meanwhile.
   * @throws ServiceError RowAltered, StoreAltered
   */
  async check(run: Run, totals: Totals): Promise<void> {
    const shapes = new Map((await readShapes(this.engine, run)).map((shape) => [shape.table, shape]))
    for (const [name, total] of totals.tables) {
      const shape = shapes.get(name)
      const table = shape && new BoundTable(this.service, shape, this.#parts)
      if (table?.form !== total.form || shape?.hasMac !== true)
        throw storeAltered(this.service, {
          target: `the table ${name}`,
          expected: 'the columns it was created with',
          found: shape === undefined ? 'no such table' : 'others',
        })
      this.#tables.set(name, table)
      let [rows, sum] = [0, 0n]
      for await (const row of this.#rows(run, table)) {
        rows++
        sum += table.verify(row)
      }
      if (rows !== total.rows || BigInt.asUintN(256, sum) !== total.sum) {
        const sameCount = 'rows of which some are outdated or unknown'
        throw storeAltered(this.service, {
          target: `the table ${name}`,
          expected: `the ${total.rows} rows that were written last`,
          found: rows === total.rows ? sameCount : `${rows} rows`,
        })
      }
    }
    const strange = [...shapes.keys()].find((name) => !totals.tables.has(name))
    if (strange !== undefined)
      throw storeAltered(this.service, {
        target: `the table ${strange}`,
        expected: 'no such table',
        found: 'a table that this server did not create',
      })
    this.#checkedVersion = this.#version?.()
  }

  /** Loads tables created by another process since. @throws ServiceError StoreAltered */
  async load(run: Run): Promise<void> {
    if (!(await this.isSealed(run))) return
    const totals = await this.readSeal(run, { before: this.#revision })
    for (const shape of await readShapes(this.engine, run)) {
      const table = new BoundTable(this.service, shape, this.#parts)
      if (!this.#tables.has(shape.table) && totals.tables.get(shape.table)?.form === table.form)
        this.#tables.set(shape.table, table)
    }
    // Their rows were not read yet.
    this.#checkedVersion ??= ''
  }

  /** Computes every row's code, and writes the seal. The rows' content is trusted: the caller has checked it. */
  async bindAll(run: Run): Promise<void> {
    await run(`create table if not exists ${sealTable} (id integer primary key, sealed text not null)`)
    const totals = new Map<string, Total>()
    for (const shape of await readShapes(this.engine, run)) {
      if (!shape.hasMac)
        await run(`alter table ${quoted(shape.table)} add column ${macColumn} text not null default ''`)
      const table = new BoundTable(this.service, shape, this.#parts)
      const change =
        `update ${quoted(shape.table)} set ${macColumn} = ? where ` +
        `${shape.key.map((name) => `${quoted(name)} = ?`).join(' and ')}`
      let [rows, sum] = [0, 0n]
      for await (const row of this.#rows(run, table)) {
        const { mac: code, share } = table.bind(row)
        if (row[macColumn] !== code) await run(change, [code, ...table.keyOf(row)])
        rows++
        sum += share
      }
      totals.set(shape.table, { form: table.form, rows, sum: BigInt.asUintN(256, sum) })
      this.#tables.set(shape.table, table)
    }
    this.edition++
    this.#checkedVersion = this.#version?.()
    await run(`delete from ${sealTable}`)
    await run(`insert into ${sealTable} (id, sealed) values (1, ?)`, [
      this.#seal.close({ revision: this.#revision + 1, tables: totals }),
    ])
  }

  /** Must be the last action before a transaction commits: on Postgres others wait for the seal from here on. */
  async commit(run: Run, changes: Changes): Promise<void> {
    if (changes.failure !== undefined) throw changes.failure
    if (changes.isEmpty) return
    const totals = await this.readSeal(run)
    const after = changes.appliedTo(totals)
    changes.revision = after.revision
    await run(`update ${sealTable} set sealed = ? where id = 1`, [this.#seal.close(after)])
  }

  /** After the commit. */
  committed(changes: Changes): void {
    this.#revision = Math.max(this.#revision, changes.revision)
  }

  async *#rows(run: Run, table: BoundTable): AsyncGenerator<Row> {
    const key = table.key.map(quoted).join(', ')
    const after = `where (${key}) > (${table.key.map(() => '?').join(', ')})`
    for (let last: unknown[] | undefined; ;) {
      const from = `select * from ${quoted(table.table)} ${last === undefined ? '' : after} order by ${key} limit ${batchRows}`
      const rows = await run(from, last)
      yield* rows
      if (rows.length < batchRows) return
      // Large stores take seconds: other work gets a turn.
      await setImmediate()
      last = table.keyOf(rows.at(-1)!)
    }
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

export class UnknownTable extends TypeError {}
