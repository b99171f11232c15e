import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '@strongroom/platform'
import { describeStores, openRaw, type RawDatabase } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { everyStore } from './schema/every-store.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/explanation/stores.md'), 'utf8')

/** `store.table` and the columns that decisions depend on, from the page. */
const documented = new Map(
  [...page.matchAll(/^\| `(\w+)\.(\w+)` \| ([^|]*) \|/gm)].map(([, store, table, columns]) => [
    `${store}.${table}`,
    [...columns!.matchAll(/`(\w+)`/g)].map(([, column]) => column!),
  ]),
)

interface Table {
  name: string
  columns: { name: string; isNumber: boolean }[]
}

/** As in the database, without what binds them. */
async function tablesOf(store: Store, raw: RawDatabase): Promise<Table[]> {
  const rows = await raw.run(
    store.engine === 'sqlite'
      ? `select t.name as "table", c.name, c.type from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table'`
      : `select table_name as "table", column_name as name, data_type as type from information_schema.columns
         where table_schema = current_schema()`,
  )
  const names = [...new Set(rows.map((row) => row['table'] as string))].filter((name) => name !== 'strongroom_seal')
  return names.map((name) => ({
    name,
    columns: rows
      .filter((row) => row['table'] === name && row['name'] !== 'row_mac')
      .map((row) => ({ name: row['name'] as string, isNumber: /int/i.test(row['type'] as string) })),
  }))
}

/** A row in every table, referenced ones first. */
async function fill(store: Store, tables: readonly Table[]): Promise<void> {
  let left = tables.filter(({ name }) => name !== 'strongroom_migration')
  while (left.length > 0) {
    const later: Table[] = []
    for (const table of left) {
      const row = Object.fromEntries(table.columns.map(({ name, isNumber }) => [name, isNumber ? 1 : 'a']))
      await store.db
        .insertInto(table.name)
        .values(row)
        .execute()
        .catch(() => later.push(table))
    }
    if (later.length === left.length) throw new Error(`no row goes into ${later.map(({ name }) => name).join(', ')}`)
    left = later
  }
}

describeStores('the columns of a store', (open) => {
  it.each(Object.entries(everyStore))('%s are those of docs/explanation/stores.md', async (name, make) => {
    const store = await open()
    await make(store)
    const raw = await openRaw(store)
    const tables = await tablesOf(store, raw)
    await raw.close()
    const named = [...documented.keys()].filter((key) => key.startsWith(`${name}.`))
    expect(named.toSorted()).toEqual(tables.map((table) => `${name}.${table.name}`).toSorted())
    for (const table of tables) {
      const columns = documented.get(`${name}.${table.name}`)!
      expect(columns, table.name).not.toEqual([])
      expect(
        table.columns.map((column) => column.name),
        table.name,
      ).toEqual(expect.arrayContaining(columns))
    }
  })

  it.each(Object.entries(everyStore))(
    '%s are edited by nobody without being found (attack H5)',
    async (_name, make) => {
      const store = await open()
      await make(store)
      const raw = await openRaw(store)
      const tables = await tablesOf(store, raw)
      await fill(store, tables)
      for (const table of tables) {
        const read = (): Promise<unknown> => store.db.selectFrom(table.name).selectAll().execute()
        for (const column of table.columns) {
          const where = `"${column.name}" = (select min("${column.name}") from "${table.name}")`
          const [before] = await raw.run(`select min("${column.name}") as value from "${table.name}"`)
          const value = before!['value'] as string | number
          await read()
          const edited = column.isNumber ? 7 : 'edited'
          await raw.run(`update "${table.name}" set "${column.name}" = ? where ${where}`, [edited])
          await expect(read(), `${table.name}.${column.name}`).rejects.toMatchObject({
            code: 'RowAltered',
            target: table.name,
          })
          await raw.run(`update "${table.name}" set "${column.name}" = ? where "${column.name}" = ?`, [value, edited])
        }
        await read()
      }
      await raw.close()
    },
  )
})
