import {
  AggregateFunctionNode,
  AliasNode,
  ColumnNode,
  createQueryId,
  IdentifierNode,
  ReferenceNode,
  SelectAllNode,
  SelectionNode,
  SelectModifierNode,
  TableNode,
  type OperationNode,
  type QueryCompiler,
  type SelectQueryNode,
} from 'kysely'
import type { Binding } from './binding.ts'
import type { BoundTable, Row } from './bound-table.ts'
import { macColumn } from './shapes.ts'

interface Source {
  /** How the query calls it. */
  name: string
  table: BoundTable
  /** For an outer join: there may be no row. */
  isOptional: boolean
}

interface VerifiedSource extends Source {
  /** The result's names of the columns, in authentication order, and of the code. */
  names: string[]
  mac: string
}

/** A query that reads whole rows, whatever was requested, so that they can be verified. */
interface RowPlan {
  sql: string
  sources: VerifiedSource[]
  outputs: string[]
}

/** A query that counts, sums or folds rows: they are read and verified first, then the query runs unchanged. */
interface FoldPlan {
  rows: RowPlan
  /** Position of the row query's parameters among all parameters. */
  from: number
  to: number
}

export type SelectPlan = { rows: RowPlan; fold?: undefined } | { fold: FoldPlan } | { nothing: true }

/**
 * How a select's rows are verified. For subqueries within its conditions, only the outer rows are; the store's seal
 * ensures that no row is missing or outdated.
 * @throws TypeError for a form that cannot be verified
 */
export function planSelect(node: SelectQueryNode, binding: Binding, compiler: QueryCompiler): SelectPlan {
  if (node.from === undefined) return { nothing: true }
  if (node.with !== undefined || node.setOperations !== undefined) throw unverifiable('with or union')
  const sources = sourcesOf(node, binding)
  if (!folds(node)) return { rows: planRows(node, sources, compiler) }
  const plain = { ...node }
  for (const part of ['groupBy', 'having', 'orderBy', 'limit', 'offset', 'frontModifiers', 'endModifiers'] as const)
    delete (plain as { [Part in typeof part]?: unknown })[part]
  const rows = { ...plain, selections: [] }
  const { joins: _joins, where: _where, ...head } = plain
  const from = compiler.compileQuery(head as SelectQueryNode, createQueryId()).parameters.length
  const plan = planRows(rows, sources, compiler)
  const to = from + compiler.compileQuery({ ...rows, selections: [all] }, createQueryId()).parameters.length
  return { fold: { rows: plan, from, to } }
}

/** The query's result, verified and without added columns. @throws ServiceError RowAltered */
export function verifiedRows(plan: RowPlan, rows: readonly Row[]): Row[] {
  return rows.map((row) => {
    for (const { table, names, mac, isOptional } of plan.sources) {
      if (isOptional && row[mac] === null && names.every((name) => row[name] === null)) continue
      table.verifyNamed(row, names, mac)
    }
    const result: Row = {}
    for (const name of plan.outputs) result[name] = row[name]
    return result
  })
}

const all = SelectionNode.createSelectAll()

function planRows(node: SelectQueryNode, sources: readonly Source[], compiler: QueryCompiler): RowPlan {
  const single = sources.length === 1
  const asked = (node.selections ?? []).flatMap((selection) => expand(selection, sources))
  const taken = new Map(
    asked.flatMap((each) => (each.column === undefined ? [] : [[each.column, each.output] as const])),
  )
  const added: SelectionNode[] = []
  const place = (source: Source, index: number, column: string): string => {
    const known = taken.get(`${source.name}.${column}`)
    if (known !== undefined) return known
    const name = `~${index}~${column}`
    added.push(SelectionNode.create(AliasNode.create(reference(source, column, single), IdentifierNode.create(name))))
    return name
  }
  const verified = sources.map((source, index) => ({
    ...source,
    names: source.table.names.map((column) => place(source, index, column)),
    mac: place(source, index, macColumn),
  }))
  const selections = [...asked.map((each) => each.node), ...added]
  return {
    sql: compiler.compileQuery({ ...node, selections }, createQueryId()).sql,
    sources: verified,
    outputs: asked.map((each) => each.output),
  }
}

interface Asked {
  node: SelectionNode
  output: string
  /** `source.column` if the output is that stored column, unchanged. */
  column?: string
}

function expand(node: SelectionNode, sources: readonly Source[]): Asked[] {
  const { selection } = node
  const single = sources.length === 1
  const columnsOf = (of: readonly Source[]): Asked[] =>
    of.flatMap((source) =>
      source.table.columns.map(({ name }) => ({
        node: SelectionNode.create(reference(source, name, single)),
        output: name,
        column: `${source.name}.${name}`,
      })),
    )
  if (SelectAllNode.is(selection)) return columnsOf(sources)
  if (AliasNode.is(selection)) return [{ node, output: nameOf(selection.alias) }]
  if (!ReferenceNode.is(selection)) throw unverifiable(`a selection without a name (${selection.kind})`)
  const table = selection.table?.table.identifier.name
  const of = table === undefined ? sources : sources.filter((source) => source.name === table)
  if (SelectAllNode.is(selection.column)) return columnsOf(of)
  const column = nameOf(selection.column.column)
  const [source] = of.filter((each) => each.table.names.includes(column))
  return [{ node, output: column, ...(source !== undefined && { column: `${source.name}.${column}` }) }]
}

function sourcesOf(node: SelectQueryNode, binding: Binding): Source[] {
  const source = (of: OperationNode, isOptional: boolean): Source => {
    const table = AliasNode.is(of) ? of.node : of
    if (!TableNode.is(table)) throw unverifiable('a subquery to select from')
    const name = table.table.identifier.name
    return { name: AliasNode.is(of) ? nameOf(of.alias) : name, table: binding.table(name), isOptional }
  }
  const joined = (node.joins ?? []).map((join) => {
    if (join.joinType !== 'InnerJoin' && join.joinType !== 'LeftJoin') throw unverifiable(join.joinType)
    return source(join.table, join.joinType === 'LeftJoin')
  })
  return [...node.from!.froms.map((from) => source(from, false)), ...joined]
}

const folds = (node: SelectQueryNode): boolean =>
  node.groupBy !== undefined ||
  node.distinctOn !== undefined ||
  (node.frontModifiers ?? []).some((each) => SelectModifierNode.is(each) && each.modifier === 'Distinct') ||
  (node.selections ?? []).some(({ selection }) =>
    AggregateFunctionNode.is(AliasNode.is(selection) ? selection.node : selection),
  )

const reference = (source: Source, column: string, single: boolean): ReferenceNode =>
  ReferenceNode.create(ColumnNode.create(column), single ? undefined : TableNode.create(source.name))

function nameOf(node: OperationNode): string {
  if (!IdentifierNode.is(node)) throw unverifiable('a name that is not an identifier')
  return node.name
}

export const unverifiable = (what: string): TypeError =>
  new TypeError(`the rows of this query cannot be verified: ${what}. Ask in a form that store/bound knows`)
