import type { Store } from '@strongroom/platform'
import { openRaw } from '@strongroom/platform/testing'

/** With `?` if a row may come without it: it may be null, or has a default. */
type SchemaColumn = 'text' | 'text?' | 'integer' | 'integer?'

const isOptional = (column: SchemaColumn): boolean => column.endsWith('?')
const typeOf = (column: SchemaColumn): string => column.replace('?', '')

interface SchemaTable {
  columns: Record<string, SchemaColumn>
  /** Columns of each unique index, primary key included, as `a, b`. */
  unique: string[]
}

/** Tables by `store.table`. */
export type Schema = Record<string, SchemaTable>

/** What a release has left. */
export interface RecordedSchema {
  releaseStep: number
  /** `store.table` or `store.table.column`: nothing of that release reads or writes it. */
  retired: string[]
  tables: Schema
}

/** Why programs of the release before cannot use the stores that this one has changed. */
export function breaksOf(previous: RecordedSchema, now: Schema): string[] {
  const kept = (name: string): boolean => !previous.retired.includes(name)
  return Object.entries(previous.tables).flatMap(([table, { columns, unique }]) => {
    const found = now[table]
    if (!kept(table)) return []
    if (found === undefined) return [`${table} is gone`]
    const old = Object.entries(columns).filter(([name]) => kept(`${table}.${name}`))
    return [
      ...old.flatMap(([name, before]) => {
        const after = found.columns[name]
        if (after === undefined) return [`${table}.${name} is gone`]
        if (typeOf(after) !== typeOf(before)) return [`${table}.${name} has another type`]
        return isOptional(before) && !isOptional(after) ? [`${table}.${name} must be given now`] : []
      }),
      ...Object.entries(found.columns)
        .filter(([name, column]) => columns[name] === undefined && !isOptional(column))
        .map(([name]) => `${table}.${name} is new and must be given`),
      ...found.unique.filter((each) => !unique.includes(each)).map((each) => `${table} is unique by ${each} now`),
    ]
  })
}

const columnsSql = {
  sqlite: `select t.name as "table", c.name, c.type, (c."notnull" = 0 and c.pk = 0) or c.dflt_value is not null as optional
    from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table'`,
  postgres: `select table_name as "table", column_name as name, data_type as type,
    (is_nullable = 'YES' or column_default is not null)::int as optional
    from information_schema.columns where table_schema = current_schema()`,
}

const uniqueSql = {
  // A primary key that is the row's number has no index there.
  sqlite: `select t.name as "table", i.name as "index", c.name as "column", c.seqno as n from sqlite_master t
    join pragma_index_list(t.name) i join pragma_index_info(i.name) c where t.type = 'table' and i."unique" = 1
    union select t.name, 'key', c.name, c.pk from sqlite_master t join pragma_table_info(t.name) c
    where t.type = 'table' and c.pk > 0 order by 1, 2, 4`,
  postgres: `select t.relname as "table", i.relname as "index", a.attname as "column" from pg_index x
    join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
    join pg_namespace s on s.oid = t.relnamespace and s.nspname = current_schema()
    cross join unnest(x.indkey) with ordinality as k(attribute, n)
    join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attribute where x.indisunique order by 1, 2, k.n`,
}

/** As in the database, without what binds its rows. */
export async function readSchema(name: string, store: Store): Promise<Schema> {
  const raw = await openRaw(store)
  try {
    const [columns, uniques] = [await raw.run(columnsSql[store.engine]), await raw.run(uniqueSql[store.engine])]
    const schema: Schema = {}
    for (const row of columns) {
      const [table, column] = [String(row['table']), String(row['name'])]
      if (table === 'strongroom_seal' || column === 'row_mac') continue
      const entry = (schema[`${name}.${table}`] ??= { columns: {}, unique: [] })
      const type = /int/i.test(String(row['type'])) ? 'integer' : 'text'
      entry.columns[column] = Number(row['optional']) === 1 ? `${type}?` : type
    }
    const indexes = new Map<string, string[]>()
    for (const row of uniques) {
      const key = `${String(row['table'])} ${String(row['index'])}`
      indexes.set(key, [...(indexes.get(key) ?? []), String(row['column'])])
    }
    for (const [key, of] of indexes) {
      const unique = schema[`${name}.${key.split(' ')[0]}`]?.unique
      if (unique !== undefined && !unique.includes(of.join(', '))) unique.push(of.join(', '))
    }
    return schema
  } finally {
    await raw.close()
  }
}
