import { invalidQuery, type Expression, type Named, type Query, type Step } from './kql.ts'

export type Row = Record<string, unknown>

/** Limit on one query's work: rows times values examined per row. */
const workLimit = 20_000_000

/** The rows of a query over a table. @throws ServiceError InvalidQuery */
export function runQuery(query: Query, table: readonly Row[]): Row[] {
  const work = { left: workLimit }
  return query.steps.reduce<Row[]>((rows, step) => runStep(step, rows, work), [...table])
}

interface Work {
  left: number
}

function runStep(step: Step, rows: Row[], work: Work): Row[] {
  const value = (expression: Expression, row: Row): unknown => evaluate(expression, row, work)
  const shaped = (columns: Named[], row: Row): Row =>
    Object.fromEntries(columns.map((column) => [column.name, value(column.value, row)]))
  switch (step.kind) {
    case 'where':
      return rows.filter((row) => value(step.test, row) === true)
    case 'extend':
      return rows.map((row) => ({ ...row, ...shaped(step.columns, row) }))
    case 'project':
      return rows.map((row) => shaped(step.columns, row))
    case 'project-away':
      return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !step.names.includes(name))))
    case 'distinct':
      return [
        ...new Map(rows.map((row) => shaped(step.columns, row)).map((row) => [JSON.stringify(row), row])).values(),
      ]
    case 'count':
      return [{ Count: rows.length }]
    case 'take':
      return rows.slice(0, step.count)
    case 'order':
      return ordered(rows, step.by, value)
    case 'summarize':
      return summarized(step, rows, shaped, value)
  }
}

type ValueOf = (expression: Expression, row: Row) => unknown

function ordered(rows: Row[], by: { value: Expression; descending: boolean }[], value: ValueOf): Row[] {
  const keyed = rows.map((row) => ({ row, keys: by.map((each) => value(each.value, row)) }))
  keyed.sort((a, b) => {
    for (const [index, { descending }] of by.entries()) {
      const order = compare(a.keys[index], b.keys[index])
      if (order !== 0) return descending ? -order : order
    }
    return 0
  })
  return keyed.map(({ row }) => row)
}

function summarized(
  step: Extract<Step, { kind: 'summarize' }>,
  rows: Row[],
  shaped: (columns: Named[], row: Row) => Row,
  value: ValueOf,
): Row[] {
  const groups = Map.groupBy(rows, (row) => JSON.stringify(shaped(step.by, row)))
  // Without groups there is one row, even for empty input.
  if (step.by.length === 0 && groups.size === 0) groups.set('{}', [])
  return [...groups].map(([key, members]) => ({
    ...(JSON.parse(key) as Row),
    ...Object.fromEntries(step.results.map((each) => [each.name, aggregate(each.value, members, value)])),
  }))
}

function aggregate(expression: Expression, rows: Row[], value: ValueOf): unknown {
  const known = 'count(), countif(), dcount(), sum(), avg(), min(), max(), make_list(), make_set()'
  if (expression.kind !== 'call') throw invalidQuery('summarize takes aggregates.', known, expression.kind)
  const [first] = expression.args
  const all = first === undefined ? [] : rows.map((row) => value(first, row))
  const present = all.filter((each) => each !== null && each !== undefined)
  const numbers = present.map(Number).filter((each) => !Number.isNaN(each))
  switch (expression.name) {
    case 'count':
      return rows.length
    case 'countif':
      return all.filter((each) => each === true).length
    case 'dcount':
      return new Set(present.map((each) => JSON.stringify(each))).size
    case 'sum':
      return numbers.reduce((sum, each) => sum + each, 0)
    case 'avg':
      return numbers.length === 0 ? null : numbers.reduce((sum, each) => sum + each, 0) / numbers.length
    case 'min':
      return present.toSorted(compare)[0] ?? null
    case 'max':
      return present.toSorted(compare).at(-1) ?? null
    case 'make_list':
      return present
    case 'make_set':
      return [...new Map(present.map((each) => [JSON.stringify(each), each])).values()]
    default:
      throw invalidQuery(`There is no aggregate '${expression.name}'.`, known, expression.name)
  }
}

function evaluate(expression: Expression, row: Row, work: Work): unknown {
  work.left -= 1
  if (work.left < 0) throw invalidQuery('It is too expensive.', 'a query over fewer rows', 'too many')
  const value = (inner: Expression): unknown => evaluate(inner, row, work)
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'column':
      if (Object.hasOwn(row, expression.name)) return row[expression.name]
      throw invalidQuery(`There is no column '${expression.name.slice(0, 60)}'.`, Object.keys(row).join(', '), expression.name) // prettier-ignore
    case 'member':
      return memberOf(value(expression.of), value(expression.name))
    case 'in': {
      const left = folded(value(expression.left), expression.folded)
      const found = expression.values.some((each) => same(left, folded(value(each), expression.folded)))
      return found !== expression.negated
    }
    case 'binary':
      return binary(
        expression.operator,
        () => value(expression.left),
        () => value(expression.right),
      )
    case 'call':
      return call(expression.name, expression.args.map(value))
  }
}

/** JSON names are matched exactly first, then in any case: clients' spellings differ. */
function memberOf(of: unknown, key: unknown): unknown {
  if (typeof of !== 'object' || of === null) return null
  if (Array.isArray(of)) return typeof key === 'number' ? (of[key] ?? null) : null
  const name = String(key)
  if (Object.hasOwn(of, name)) return (of as Row)[name]
  const near = Object.keys(of).find((each) => each.toLowerCase() === name.toLowerCase())
  return near === undefined ? null : (of as Row)[near]
}

const textOf = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
const folded = (value: unknown, fold: boolean): unknown => (fold ? textOf(value).toLowerCase() : value)

/** JSON values are compared with texts by their text form, like Kusto's dynamic ones. */
const same = (a: unknown, b: unknown): boolean =>
  typeof a === typeof b && typeof a !== 'object' ? a === b : textOf(a) === textOf(b)

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [x, y] = [textOf(a), textOf(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

function binary(operator: string, left: () => unknown, right: () => unknown): boolean {
  if (operator === 'and') return left() === true && right() === true
  if (operator === 'or') return left() === true || right() === true
  const [a, b] = [left(), right()]
  const [x, y] = [textOf(a).toLowerCase(), textOf(b).toLowerCase()]
  switch (operator) {
    case '==':
      return same(a, b)
    case '!=':
      return !same(a, b)
    case '=~':
      return x === y
    case '!~':
      return x !== y
    case '<':
      return compare(a, b) < 0
    case '<=':
      return compare(a, b) <= 0
    case '>':
      return compare(a, b) > 0
    case '>=':
      return compare(a, b) >= 0
    case 'contains_cs':
      return textOf(a).includes(textOf(b))
    case '!contains_cs':
      return !textOf(a).includes(textOf(b))
    default: {
      const tests: Record<string, boolean> = {
        contains: x.includes(y),
        has: ` ${x.replaceAll(/[^a-z0-9]+/g, ' ')} `.includes(` ${y.replaceAll(/[^a-z0-9]+/g, ' ').trim()} `),
        startswith: x.startsWith(y),
        endswith: x.endsWith(y),
      }
      return operator.startsWith('!') ? tests[operator.slice(1)] === false : tests[operator] === true
    }
  }
}

function call(name: string, args: unknown[]): unknown {
  const [first, second, third] = args
  const empty = (value: unknown): boolean => textOf(value) === ''
  switch (name) {
    case 'not':
      return first !== true
    case 'isempty':
    case 'isnull':
      return empty(first)
    case 'isnotempty':
    case 'isnotnull':
      return !empty(first)
    case 'tostring':
      return textOf(first)
    case 'tolower':
      return textOf(first).toLowerCase()
    case 'toupper':
      return textOf(first).toUpperCase()
    case 'toint':
    case 'tolong':
      return /^-?\d+$/.test(textOf(first)) ? Number(textOf(first)) : null
    case 'tobool':
      return textOf(first).toLowerCase() === 'true'
    case 'strcat':
      return args.map(textOf).join('')
    case 'strlen':
      return textOf(first).length
    case 'array_length':
      return Array.isArray(first) ? first.length : null
    case 'split':
      return textOf(first).split(textOf(second))
    case 'iff':
    case 'iif':
      return first === true ? second : third
    case 'coalesce':
      return args.find((each) => !empty(each)) ?? null
    default:
      throw invalidQuery(`There is no function '${name.slice(0, 40)}'.`, 'not, isempty, isnotempty, isnull, isnotnull, tostring, tolower, toupper, toint, tolong, tobool, strcat, strlen, array_length, split, iff, coalesce', name) // prettier-ignore
  }
}
