import { createQueryId, DeleteQueryNode, ReturningNode, SelectionNode, TableNode, type QueryCompiler } from 'kysely'
import type { Binding } from './binding.ts'
import type { BoundTable, Row } from './bound-table.ts'
import { returnedColumns } from './returning.ts'
import { unverifiable } from './select.ts'
import { equal, findRows } from './update.ts'
import type { Work } from './work.ts'

export interface DeletePlan {
  table: BoundTable
  /** Gives back whole rows. */
  remove: string
  /** Reads the rows to delete, if others are deleted with them. */
  find: string
  children: { plan: DeletePlan; parentColumns: readonly string[] }[]
  returning: string[] | undefined
}

/** @throws TypeError for a form that cannot be bound */
export function planDelete(node: DeleteQueryNode, binding: Binding, compiler: QueryCompiler): DeletePlan {
  for (const part of ['using', 'joins', 'with', 'orderBy', 'limit', 'top', 'output', 'endModifiers'] as const)
    if (node[part] !== undefined) throw unverifiable(`a delete with ${part}`)
  const [from, ...others] = node.from.froms
  if (from === undefined || others.length > 0 || !TableNode.is(from))
    throw unverifiable('a delete from more than one table')
  const table = binding.table(from.table.identifier.name)
  const returning = ReturningNode.create([SelectionNode.createSelectAll()])
  return {
    table,
    remove: compiler.compileQuery({ ...node, returning }, createQueryId()).sql,
    find: compiler.compileQuery(findRows(table, node.where, binding), createQueryId()).sql,
    children: table.children.map((child) => ({
      plan: planDelete(
        { ...DeleteQueryNode.create([TableNode.create(child.table)]), where: equal(child.columns) },
        binding,
        compiler,
      ),
      parentColumns: child.parentColumns,
    })),
    returning: returnedColumns(node.returning, table),
  }
}

/** Rows that the engine would cascade to are deleted first, so that they leave the seal too. @throws ServiceError RowAltered */
export async function remove(plan: DeletePlan, parameters: readonly unknown[], on: Work): Promise<Row[]> {
  if (plan.children.length > 0) {
    for (const row of await on.read(plan.find, parameters))
      for (const { plan: child, parentColumns } of plan.children)
        await remove(
          child,
          parentColumns.map((column) => row[column]),
          on,
        )
  }
  const rows = await on.write(plan.remove, parameters)
  for (const row of rows) on.changes.remove(plan.table.table, plan.table.verify(row))
  return rows
}
