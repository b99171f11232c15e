import { existsSync } from 'node:fs'
import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite'
import type { Choices } from './choices.ts'
import type { FilePlace } from './files.ts'
import type { Mutation } from './mutation.ts'

/** A table with rows, as `FILE TABLE`, and its columns. */
export interface Table {
  name: string
  columns: string[]
}
type Row = Record<string, SQLOutputValue>

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Tables of the databases in a folder that have rows. The folder must be a copy: reading writes beside a database. */
export async function listTables(folder: string): Promise<Table[]> {
  const found: Table[] = []
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.db')).toSorted()) {
    const database = new DatabaseSync(join(folder, file))
    try {
      const names = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`).all()
      for (const { name } of names as { name: string }[]) {
        const row = database.prepare(`SELECT * FROM ${quoted(name)} LIMIT 1`).get()
        if (row !== undefined && !name.startsWith('sqlite_'))
          found.push({ name: `${file} ${name}`, columns: Object.keys(row) })
      }
    } finally {
      database.close()
    }
  }
  return found
}

/** One change of one row: a value, absence, a second one, how it was before, or another VM's. */
export function drawRow(choices: Choices, tables: readonly Table[]): Mutation {
  const { name, columns } = choices.pickNamed(tables, (table) => table.name)
  const operation = choices.pick(['exchange', 'exchange', 'drop', 'double', 'older', 'other'] as const)
  const value = operation === 'exchange' ? { value: choices.pick(columns) } : {}
  return { kind: 'rows', target: name, operation, place: choices.place(), ...value }
}

/** @throws Error if there is nothing to put in place, or the database refuses it */
export async function changeRow(
  place: FilePlace,
  { target, operation, place: at = 0, value }: Mutation,
): Promise<void> {
  const [file = '', table = ''] = target.split(' ')
  const database = new DatabaseSync(join(place.stateDir, file), { enableForeignKeyConstraints: false })
  try {
    const rows = rowsOf(database, table)
    const own = rows.filter((row) => mentions(row, place.vmId))
    const among = own.length > 0 ? own : rows
    const row = among[Math.floor(at * among.length)]
    if (row === undefined) throw new Error(`${target} has no row`)
    if (operation === 'drop') return remove(database, table, row)
    if (operation === 'double') return insert(database, table, withAnotherKey(database, table, row))
    const replacement =
      operation === 'exchange'
        ? { ...row, [value!]: another(row[value!]) }
        : operation === 'older'
          ? await olderRow(place, { file, table, keys: keysOf(database, table), row })
          : otherRow(place, rows, { row, keys: keysOf(database, table) })
    if (replacement === undefined) throw new Error(`there is no ${operation} row in ${target}`)
    remove(database, table, row)
    insert(database, table, replacement)
  } finally {
    database.close()
  }
}

const rowsOf = (database: DatabaseSync, table: string): Row[] =>
  database.prepare(`SELECT * FROM ${quoted(table)}`).all() as Row[]

const mentions = (row: Row, id: string): boolean =>
  Object.values(row).some((value) => typeof value === 'string' && value.toLowerCase().includes(id.toLowerCase()))

function keysOf(database: DatabaseSync, table: string): string[] {
  const columns = database.prepare(`PRAGMA table_info(${quoted(table)})`).all() as { name: string; pk: number }[]
  return columns.filter(({ pk }) => pk > 0).map(({ name }) => name)
}

function remove(database: DatabaseSync, table: string, row: Row): void {
  const where = Object.keys(row).map((name) => `${quoted(name)} IS ?`)
  database
    .prepare(`DELETE FROM ${quoted(table)} WHERE ${where.join(' AND ')}`)
    .run(...(Object.values(row) as SQLInputValue[]))
}

function insert(database: DatabaseSync, table: string, row: Row): void {
  const names = Object.keys(row)
  const sql = `INSERT INTO ${quoted(table)} (${names.map(quoted).join()}) VALUES (${names.map(() => '?').join()})`
  database.prepare(sql).run(...(Object.values(row) as SQLInputValue[]))
}

/** A value of the same type. */
export function another(value: SQLOutputValue | undefined): SQLOutputValue {
  if (typeof value === 'number') return value === 0 ? 1 : value - 1
  if (typeof value === 'bigint') return value - 1n
  if (value instanceof Uint8Array) return value.map((byte, index) => (index === value.length >> 1 ? byte ^ 1 : byte))
  if (typeof value !== 'string' || value === '') return 'x'
  const middle = value.length >> 1
  const letter = value[middle] === '0' ? '1' : '0'
  return `${value.slice(0, middle)}${letter}${value.slice(middle + 1)}`
}

const withAnotherKey = (database: DatabaseSync, table: string, row: Row): Row => {
  const last = keysOf(database, table).at(-1)
  return last === undefined ? row : { ...row, [last]: another(row[last]) }
}

/** From a copy, as reading writes beside a database. */
async function olderRow(
  { original, scratch }: FilePlace,
  o: { file: string; table: string; keys: readonly string[]; row: Row },
): Promise<Row | undefined> {
  for (const name of [o.file, `${o.file}-wal`])
    if (existsSync(join(original, name))) await copyFile(join(original, name), join(scratch, name))
  const database = new DatabaseSync(join(scratch, o.file))
  try {
    const older = rowsOf(database, o.table).find((row) => o.keys.every((key) => row[key] === o.row[key]))
    return older !== undefined && JSON.stringify(older) !== JSON.stringify(o.row) ? older : undefined
  } finally {
    database.close()
  }
}

/** What another VM's row says, under this row's key. */
function otherRow(
  { otherId }: FilePlace,
  rows: readonly Row[],
  { row, keys }: { row: Row; keys: readonly string[] },
): Row | undefined {
  const other = rows.find((each) => otherId !== undefined && each !== row && mentions(each, otherId))
  return other && { ...other, ...Object.fromEntries(keys.map((key) => [key, row[key]!])) }
}
