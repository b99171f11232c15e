import {
  ColumnNode,
  createQueryId,
  OnConflictNode,
  PrimitiveValueListNode,
  ReturningNode,
  SelectionNode,
  TableNode,
  UpdateQueryNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
  type InsertQueryNode,
  type QueryCompiler,
} from 'kysely'
import { busy } from '../busy.ts'
import type { Binding } from './binding.ts'
import type { BoundTable, Row } from './bound-table.ts'
import { returnedColumns } from './returning.ts'
import { unverifiable } from './select.ts'
import { macColumn } from './shapes.ts'
import { bindOne, equal, planUpdate, update, type UpdatePlan } from './update.ts'
import type { Work } from './work.ts'

export interface InsertPlan {
  table: BoundTable
  columns: string[]
  rows: number
  /** Each row's values and its code. Returns the inserted rows, if conflicts are skipped. */
  insert: string
  /** Inserts without codes and returns the result; if the database computes values. */
  compute: string
  bind: string
  areValues: boolean
  passesOver: boolean
  returning: string[] | undefined
  upsert: { update: UpdatePlan; insert: InsertPlan; target: number[] } | undefined
}

/** Attempts to find a row that another transaction inserts and deletes at the same moment. */
const attempts = 5

/** @throws TypeError for a form that cannot be bound */
export function planInsert(node: InsertQueryNode, binding: Binding, compiler: QueryCompiler): InsertPlan {
  for (const part of [
    'onDuplicateKey',
    'with',
    'orAction',
    'replace',
    'defaultValues',
    'endModifiers',
    'top',
    'output',
  ] as const)
    if (node[part] !== undefined && node[part] !== false) throw unverifiable(`an insert with ${part}`)
  if (node.into === undefined || node.values === undefined || !ValuesNode.is(node.values))
    throw unverifiable('an insert of what is selected')
  const table = binding.table(node.into.table.identifier.name)
  const columns = (node.columns ?? []).map((each) => each.column.name)
  const lists = node.values.values
  const conflict = node.onConflict
  const passesOver = conflict?.doNothing === true
  const code = ColumnNode.create(macColumn)
  const text = (onConflict: OnConflictNode | undefined, isCoded: boolean, returning: boolean): string => {
    const value = isCoded ? ValueNode.create('') : ValueNode.createImmediate('')
    const values = lists.map((list) => {
      const nodes = PrimitiveValueListNode.is(list) ? list.values.map((each) => ValueNode.create(each)) : list.values
      return ValueListNode.create([...nodes, value])
    })
    const { returning: _returning, onConflict: _onConflict, ...rest } = node
    const whole = {
      ...rest,
      columns: [...(node.columns ?? []), code],
      values: ValuesNode.create(values),
      ...(onConflict !== undefined && { onConflict }),
      ...(returning && { returning: ReturningNode.create([SelectionNode.createSelectAll()]) }),
    }
    return compiler.compileQuery(whole, createQueryId()).sql
  }
  const areParameters = lists.every(
    (list) => PrimitiveValueListNode.is(list) || list.values.every((each) => ValueNode.is(each) && !each.immediate),
  )
  const areValues =
    areParameters && table.columns.every((column) => !column.hasDefault || columns.includes(column.name))
  const plan = {
    table,
    columns,
    rows: lists.length,
    insert: text(conflict, true, passesOver),
    compute: text(conflict, false, true),
    bind: bindOne(table, compiler),
    areValues,
    passesOver,
    returning: returnedColumns(node.returning, table),
  }
  if (conflict === undefined || passesOver) return { ...plan, upsert: undefined }
  const { columns: target, updates } = conflict
  if (!areParameters || target === undefined || updates === undefined || conflict.updateWhere !== undefined)
    throw unverifiable('this form of on conflict')
  const names = target.map((each) => each.column.name)
  const { returning: _returning, ...rest } = node
  const single = {
    ...rest,
    values: ValuesNode.create(lists.slice(0, 1)),
    onConflict: { ...OnConflictNode.create(), columns: target, doNothing: true },
  }
  return {
    ...plan,
    upsert: {
      update: planUpdateOf(table, names, updates, binding, compiler),
      insert: planInsert(single, binding, compiler),
      target: names.map((name) => columns.indexOf(name)),
    },
  }
}

function planUpdateOf(
  table: BoundTable,
  where: readonly string[],
  updates: NonNullable<OnConflictNode['updates']>,
  binding: Binding,
  compiler: QueryCompiler,
): UpdatePlan {
  const node = { ...UpdateQueryNode.create([TableNode.create(table.table)]), updates, where: equal(where) }
  return planUpdate(node, binding, compiler)
}

/** @returns the inserted or changed rows, in their new state @throws ServiceError RowAltered, ServerBusy */
export async function insert(plan: InsertPlan, parameters: readonly unknown[], on: Work): Promise<Row[]> {
  const { table, columns, upsert } = plan
  if (upsert !== undefined) return await insertOrUpdate(plan, upsert, parameters, on)
  const width = columns.length
  const given = plan.areValues
    ? Array.from({ length: plan.rows }, (_, index) => parameters.slice(index * width, (index + 1) * width))
    : []
  const areKnown =
    plan.areValues && given.every((values) => columns.every((column, index) => table.takes(column, values[index])))
  return areKnown ? await insertKnown(plan, given, on) : await insertComputed(plan, parameters, on)
}

async function insertKnown(plan: InsertPlan, given: readonly unknown[][], on: Work): Promise<Row[]> {
  const { table, columns } = plan
  const rows = given.map((values) => {
    const row: Row = {}
    for (const name of table.names) row[name] = null
    for (const [index, column] of columns.entries()) row[column] = values[index]
    const { mac, share } = table.bind(row)
    return { row, values, mac, share }
  })
  const written = await on.write(
    plan.insert,
    rows.flatMap(({ values, mac }) => [...values, mac]),
  )
  const isWritten = new Set(written.map((row) => row[macColumn]))
  const inserted = plan.passesOver ? rows.filter(({ mac }) => isWritten.has(mac)) : rows
  for (const { share } of inserted) on.changes.add(table.table, share)
  return inserted.map(({ row }) => row)
}

async function insertComputed(plan: InsertPlan, parameters: readonly unknown[], on: Work): Promise<Row[]> {
  const { table } = plan
  const rows = await on.write(plan.compute, parameters)
  for (const row of rows) {
    const { mac, share } = table.bind(row)
    await on.write(plan.bind, [mac, ...table.keyOf(row)])
    on.changes.add(table.table, share)
  }
  return rows
}

/** An existing row is verified before it is changed, as in an update. */
async function insertOrUpdate(
  plan: InsertPlan,
  upsert: NonNullable<InsertPlan['upsert']>,
  parameters: readonly unknown[],
  on: Work,
): Promise<Row[]> {
  const width = plan.columns.length
  const changed = parameters.slice(plan.rows * width)
  const rows: Row[] = []
  for (let index = 0; index < plan.rows; index++) {
    const values = parameters.slice(index * width, (index + 1) * width)
    const target = upsert.target.map((column) => values[column])
    let done: Row[] = []
    for (let attempt = 0; attempt < attempts && done.length === 0; attempt++) {
      done = await update(upsert.update, [...changed, ...target], on)
      if (done.length === 0) done = await insert(upsert.insert, values, on)
    }
    if (done.length === 0) throw busy()
    rows.push(...done)
  }
  return rows
}
