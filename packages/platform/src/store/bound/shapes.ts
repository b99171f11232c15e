import type { Store } from '../store-types.ts'

/** Contains a row's authentication code. Only this folder sees it. */
export const macColumn = 'row_mac'
/** One row: the totals of all tables. */
export const sealTable = 'strongroom_seal'

/** Runs SQL unchanged; `?` marks parameters on both engines. */
export type Run = (sql: string, parameters?: readonly unknown[]) => Promise<Record<string, unknown>[]>

export interface Column {
  name: string
  kind: 'text' | 'integer'
  hasDefault: boolean
}

/** Rows of `table` that the engine would delete with the row they refer to. */
export interface Child {
  table: string
  /** Of the child, and of the parent, in the same order. */
  columns: readonly string[]
  parentColumns: readonly string[]
}

export interface Shape {
  table: string
  /** As declared, without the authentication code. */
  columns: readonly Column[]
  /** Columns of the primary key, in its order. */
  key: readonly string[]
  children: readonly Child[]
}

type ColumnRow = {
  table: string
  name: string
  type: string
  /** From 1 if the column belongs to the key. */
  position: number | null
  preset: string | null
}

type ReferenceRow = {
  table: string
  id: string | number
  parent: string
  column: string
  parent_column: string | null
  cascades: number
}

const columnsSql = {
  sqlite: `select t.name as "table", c.name, c.type, c.pk as position, c.dflt_value as preset
    from sqlite_master t join pragma_table_info(t.name) c
    where t.type = 'table' and t.name not like 'sqlite~_%' escape '~' order by t.name, c.cid`,
  postgres: `select t.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
    (select k.n from unnest(i.indkey) with ordinality as k(attribute, n) where k.attribute = a.attnum) as position,
    pg_get_expr(d.adbin, d.adrelid) as preset
    from pg_class t join pg_namespace s on s.oid = t.relnamespace
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = t.oid and i.indisprimary
    left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
    where s.nspname = current_schema() and t.relkind in ('r', 'p') order by t.relname, a.attnum`,
}

const referencesSql = {
  sqlite: `select t.name as "table", f.id, f."table" as parent, f."from" as "column", f."to" as parent_column,
    f.on_delete = 'CASCADE' as cascades
    from sqlite_master t join pragma_foreign_key_list(t.name) f where t.type = 'table' order by t.name, f.id, f.seq`,
  postgres: `select c.relname as "table", r.conname as id, p.relname as parent, ca.attname as "column", pa.attname as parent_column,
    (r.confdeltype = 'c')::int as cascades
    from pg_constraint r join pg_class c on c.oid = r.conrelid join pg_class p on p.oid = r.confrelid
    join pg_namespace s on s.oid = c.relnamespace and s.nspname = current_schema()
    cross join unnest(r.conkey, r.confkey) with ordinality as k(child, parent, n)
    join pg_attribute ca on ca.attrelid = c.oid and ca.attnum = k.child
    join pg_attribute pa on pa.attrelid = p.oid and pa.attnum = k.parent
    where r.contype = 'f' order by c.relname, r.conname, k.n`,
}

/** The database's tables, except the seal's. @throws TypeError for one that cannot be bound */
export async function readShapes(engine: Store['engine'], run: Run): Promise<(Shape & { hasMac: boolean })[]> {
  const columns = (await run(columnsSql[engine])) as ColumnRow[]
  const references = (await run(referencesSql[engine])) as ReferenceRow[]
  const tables = grouped(
    columns.filter((row) => row.table !== sealTable),
    (row) => row.table,
  )
  return [...tables].map(([table, rows]) => {
    const key = rows.filter((row) => (row.position ?? 0) > 0).toSorted((a, b) => a.position! - b.position!)
    if (key.length === 0) throw new TypeError(`the table ${table} has no primary key, so its rows cannot be bound`)
    return {
      table,
      hasMac: rows.some((row) => row.name === macColumn),
      columns: rows.filter((row) => row.name !== macColumn).map(toColumn),
      key: key.map((row) => row.name),
      children: childrenOf(
        table,
        key.map((row) => row.name),
        references,
      ),
    }
  })
}

function toColumn(row: ColumnRow): Column {
  const kind = /^text$/i.test(row.type) ? 'text' : /^(?:integer|bigint)$/i.test(row.type) ? 'integer' : undefined
  if (kind === undefined) throw new TypeError(`the column ${row.table}.${row.name} is ${row.type}: text or integer`)
  return { name: row.name, kind, hasDefault: row.preset !== null }
}

function childrenOf(parent: string, key: readonly string[], references: readonly ReferenceRow[]): Child[] {
  const own = references.filter((row) => row.parent === parent && Boolean(row.cascades))
  return [...grouped(own, (row) => `${row.table} ${row.id}`).values()].map((rows) => ({
    table: rows[0]!.table,
    columns: rows.map((row) => row.column),
    parentColumns: rows.map((row, index) => row.parent_column ?? key[index]!),
  }))
}

function grouped<Item>(items: readonly Item[], name: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(name(item), [...(groups.get(name(item)) ?? []), item])
  return groups
}
