import {
  AndNode,
  BinaryOperationNode,
  ColumnNode,
  ColumnUpdateNode,
  createQueryId,
  OperatorNode,
  ReturningNode,
  SelectionNode,
  SelectModifierNode,
  SelectQueryNode,
  TableNode,
  UpdateQueryNode,
  ValueNode,
  WhereNode,
  type OperationNode,
  type QueryCompiler,
} from 'kysely'
import type { Binding } from './binding.ts'
import type { BoundTable, Row } from './bound-table.ts'
import { returnedColumns } from './returning.ts'
import { unverifiable } from './select.ts'
import { macColumn } from './shapes.ts'
import type { Work } from './work.ts'

export interface UpdatePlan {
  table: BoundTable
  /** How many parameters the new values use; those of the conditions follow. */
  values: number
  /** Reads the rows to change, and on Postgres locks them. */
  find: string
  /** Changes one row, with its new code: new values, code, key. */
  change: string
  /** Changes one row and reads the result: new values, key. */
  compute: string
  /** Stores one row's code: code, key. */
  bind: string
  /** The columns that are set, if all are set to values; in parameter order. */
  columns: string[] | undefined
  returning: string[] | undefined
}

/**
 * Reads and verifies the rows, then changes each with its own new code: an edit of another column is never adopted.
 * @throws TypeError for a form that cannot be bound
 */
export function planUpdate(node: UpdateQueryNode, binding: Binding, compiler: QueryCompiler): UpdatePlan {
  if (node.table === undefined || !TableNode.is(node.table)) throw unverifiable('an update of more than one table')
  for (const part of ['from', 'joins', 'with', 'limit', 'orderBy', 'top', 'output', 'endModifiers'] as const)
    if (node[part] !== undefined) throw unverifiable(`an update with ${part}`)
  const table = binding.table(node.table.table.identifier.name)
  const updates = node.updates ?? []
  const text = (of: UpdateQueryNode | SelectQueryNode): string => compiler.compileQuery(of, createQueryId()).sql
  const find = compiler.compileQuery(findRows(table, node.where, binding), createQueryId())
  const total = compiler.compileQuery(node, createQueryId()).parameters.length
  const code = ColumnUpdateNode.create(ColumnNode.create(macColumn), ValueNode.create(''))
  const one = { kind: 'UpdateQueryNode', table: node.table, where: equal(table.key) } as const
  const areValues = updates.every(
    (each) => ColumnNode.is(each.column) && ValueNode.is(each.value) && !each.value.immediate,
  )
  return {
    table,
    values: total - find.parameters.length,
    find: find.sql,
    change: text({ ...one, updates: [...updates, code] }),
    compute: text({ ...one, updates, returning: ReturningNode.create([SelectionNode.createSelectAll()]) }),
    bind: bindOne(table, compiler),
    columns: areValues ? updates.map((each) => (each.column as ColumnNode).column.name) : undefined,
    returning: returnedColumns(node.returning, table),
  }
}

/** @returns the rows in their new state @throws ServiceError RowAltered */
export async function update(plan: UpdatePlan, parameters: readonly unknown[], on: Work): Promise<Row[]> {
  const { table, columns } = plan
  const values = parameters.slice(0, plan.values)
  const found = await on.read(plan.find, parameters.slice(plan.values))
  const areKnown = columns?.every((column, index) => table.takes(column, values[index])) === true
  const rows: Row[] = []
  for (const before of found) {
    const share = table.verify(before)
    const key = table.keyOf(before)
    let after: Row
    let bound: ReturnType<BoundTable['bind']>
    if (areKnown) {
      after = { ...before }
      for (const [index, column] of columns.entries()) after[column] = values[index]
      bound = table.bindAgain(after)
      await on.write(plan.change, [...values, bound.mac, ...key])
    } else {
      after = (await on.write(plan.compute, [...values, ...key]))[0]!
      bound = table.bindAgain(after)
      await on.write(plan.bind, [bound.mac, ...table.keyOf(after)])
    }
    on.changes.remove(table.table, share)
    on.changes.add(table.table, bound.share)
    rows.push(after)
  }
  return rows
}

/** Stores one row's code. Parameters: code, key. */
export function bindOne(table: BoundTable, compiler: QueryCompiler): string {
  const node = {
    ...UpdateQueryNode.create([TableNode.create(table.table)]),
    updates: [ColumnUpdateNode.create(ColumnNode.create(macColumn), ValueNode.create(''))],
    where: equal(table.key),
  }
  return compiler.compileQuery(node, createQueryId()).sql
}

/** All columns of the rows about to be changed or deleted. */
export function findRows(table: BoundTable, where: WhereNode | undefined, binding: Binding): SelectQueryNode {
  return {
    ...SelectQueryNode.createFrom([TableNode.create(table.table)]),
    selections: [SelectionNode.createSelectAll()],
    ...(where !== undefined && { where }),
    ...(binding.engine === 'postgres' && { endModifiers: [SelectModifierNode.create('ForUpdate')] }),
  }
}

/** `column = ?` for each. */
export function equal(columns: readonly string[]): WhereNode {
  const conditions: OperationNode[] = columns.map((column) =>
    BinaryOperationNode.create(ColumnNode.create(column), OperatorNode.create('='), ValueNode.create('')),
  )
  return WhereNode.create(conditions.reduce((left, right) => AndNode.create(left, right)))
}
