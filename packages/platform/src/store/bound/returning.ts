import { ColumnNode, ReferenceNode, SelectAllNode, type ReturningNode } from 'kysely'
import type { BoundTable, Row } from './bound-table.ts'
import { unverifiable } from './select.ts'

/** The columns that a statement returns for the rows it wrote; undefined if none. */
export function returnedColumns(node: ReturningNode | undefined, table: BoundTable): string[] | undefined {
  return node?.selections.flatMap(({ selection }) => {
    const column = ReferenceNode.is(selection) ? selection.column : selection
    if (SelectAllNode.is(column)) return table.columns.map((each) => each.name)
    if (ColumnNode.is(column)) return [column.column.name]
    throw unverifiable(`returning ${column.kind}`)
  })
}

export const returned = (columns: readonly string[] | undefined, rows: readonly Row[]): Row[] =>
  columns === undefined ? [] : rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])))
