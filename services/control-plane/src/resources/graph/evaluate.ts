import { Fuel } from '@strongroom/platform'
import { functions } from './functions.ts'
import { invalidQuery, type Expression, type Named, type Query, type Step } from './kql.ts'
import { operators } from './operators.ts'
import { compareKeys, memberOf, sortKey, textOf, type Row } from './values.ts'

/** Units of work of one query: for itself, and for each row that its caller may read. Queries of Azure's portal need some fifty a row. */
const most = { itself: 500_000, perRow: 100 }

/** @param rows of the table */
export const queryFuel = (rows: number, isAbandoned?: () => boolean): Fuel =>
  new Fuel({
    most: most.itself + most.perRow * rows,
    exhausted: () => invalidQuery('It is too expensive.', 'fewer rows, columns or characters', 'too many'),
    isAbandoned,
  })

/**
 * The rows of a query over a table.
 * @param rows the query's own: it changes them
 * @throws ServiceError InvalidQuery
 */
export async function runQuery(query: Query, rows: Row[], fuel: Fuel): Promise<Row[]> {
  for (const step of query.steps) rows = await new Evaluation(fuel).run(step, rows)
  return rows
}

/** What a column of a new row costs besides its value. */
const perColumn = 6

/** One step of a query. Each row costs what is evaluated, read and created for it. */
class Evaluation {
  readonly #fuel: Fuel
  /** Texts of lists of constants, made once for all rows. */
  readonly #constants = new Map<Expression, ReadonlySet<string>>()

  constructor(fuel: Fuel) {
    this.#fuel = fuel
  }

  async run(step: Step, rows: Row[]): Promise<Row[]> {
    switch (step.kind) {
      case 'where':
        return await this.#each(rows, (row) => (this.#value(step.test, row) === true ? [row] : []))
      case 'project':
        return await this.#each(rows, (row) => [this.#shaped(step.columns, row)])
      case 'count':
        return [{ Count: rows.length }]
      case 'take':
        return rows.slice(0, step.count)
      case 'order':
        return await this.#ordered(rows, step.by)
      case 'summarize':
        return await this.#summarized(step, rows)
    }
  }

  /** Other work gets its turns between two rows. */
  async #each<T>(rows: readonly Row[], work: (row: Row) => T[]): Promise<T[]> {
    const results: T[] = []
    for (const row of rows) {
      if (this.#fuel.isTurnDue) await this.#fuel.turn()
      this.#fuel.take()
      results.push(...work(row))
    }
    return results
  }

  #shaped(columns: readonly Named[], row: Row): Row {
    this.#fuel.take(perColumn * columns.length)
    const shaped: Row = {}
    for (const { name, value } of columns) shaped[name] = this.#value(value, row)
    return shaped
  }

  async #ordered(rows: Row[], by: Extract<Step, { kind: 'order' }>['by']): Promise<Row[]> {
    const keyed = await this.#each(rows, (row) => [
      { row, keys: by.map(({ value }) => sortKey(this.#value(value, row), this.#fuel)) },
    ])
    // A sort compares each key as often as the rows can be halved.
    const halvings = Math.log2(rows.length + 1)
    for (const { keys } of keyed)
      this.#fuel.take(halvings * keys.reduce((sum, { text }) => sum + 2 + text.length / 8, 0))
    keyed.sort((a, b) => {
      for (const [index, { descending }] of by.entries()) {
        const order = compareKeys(a.keys[index]!, b.keys[index]!)
        if (order !== 0) return descending ? -order : order
      }
      return 0
    })
    return keyed.map(({ row }) => row)
  }

  async #summarized(step: Extract<Step, { kind: 'summarize' }>, rows: Row[]): Promise<Row[]> {
    for (const { value } of step.results)
      if (value.kind !== 'call' || value.name !== 'count' || value.args.length > 0)
        throw invalidQuery('summarize counts rows.', 'count()', value.kind === 'call' ? value.name : value.kind)
    const groups = new Map<string, { by: Row; count: number }>()
    // Without groups there is one row, even for empty input.
    if (step.by.length === 0) groups.set('{}', { by: {}, count: 0 })
    await this.#each(rows, (row) => {
      const by = this.#shaped(step.by, row)
      const key = textOf(by, this.#fuel)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { by, count: 1 })
      else group.count += 1
      return []
    })
    this.#fuel.take(perColumn * step.results.length * groups.size)
    return [...groups.values()].map(({ by, count }) => ({
      ...by,
      ...Object.fromEntries(step.results.map(({ name }) => [name, count])),
    }))
  }

  #value(expression: Expression, row: Row): unknown {
    this.#fuel.take()
    switch (expression.kind) {
      case 'literal':
        return expression.value
      case 'column':
        if (Object.hasOwn(row, expression.name)) return row[expression.name]
        throw invalidQuery(
          `There is no column '${expression.name.slice(0, 60)}'.`,
          Object.keys(row).join(', ').slice(0, 1_000),
          expression.name,
        )
      case 'member':
        return memberOf(this.#value(expression.of, row), this.#value(expression.name, row), this.#fuel)
      case 'in':
        return this.#isIn(expression, row) !== expression.negated
      case 'every':
        return expression.of.every((each) => this.#value(each, row) === true)
      case 'some':
        return expression.of.some((each) => this.#value(each, row) === true)
      case 'binary': {
        const { left, right } = expression
        return operators.get(expression.operator)!(this.#value(left, row), this.#value(right, row), this.#fuel)
      }
      case 'call': {
        const called = functions.get(expression.name)
        if (called !== undefined)
          return called(
            expression.args.map((each) => this.#value(each, row)),
            this.#fuel,
          )
        const known = [...functions.keys()].join(', ')
        throw invalidQuery(`There is no function '${expression.name.slice(0, 40)}'.`, known, expression.name)
      }
    }
  }

  /** Values are equal if their texts are. */
  #isIn(expression: Extract<Expression, { kind: 'in' }>, row: Row): boolean {
    const folded = (value: unknown): string => {
      const text = textOf(value, this.#fuel)
      return expression.folded ? text.toLowerCase() : text
    }
    const left = folded(this.#value(expression.left, row))
    const known = this.#constants.get(expression)
    if (known !== undefined) return known.has(left)
    if (!expression.values.every(({ kind }) => kind === 'literal'))
      return expression.values.some((each) => folded(this.#value(each, row)) === left)
    const texts = new Set(expression.values.map((each) => folded(this.#value(each, row))))
    this.#constants.set(expression, texts)
    return texts.has(left)
  }
}
