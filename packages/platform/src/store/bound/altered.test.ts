import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { describeStores, openRaw, testSealer, type OpenTestStore, type RawDatabase } from '../../testing.ts'
import { createSealer } from '../../sealing/sealer.ts'
import type { Database, Store } from '../store-types.ts'
import { openStore } from '../engines/store.ts'

const makeTables = async (db: Database): Promise<void> => {
  for (const table of ['door', 'window'])
    await db.schema
      .createTable(table)
      .addColumn('house', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('open', 'integer', (c) => c.notNull())
      .addColumn('note', 'text')
      .addPrimaryKeyConstraint(`${table}_key`, ['house', 'name'])
      .execute()
}
const migrations = { '001': { up: makeTables } }

/** Rows: a/front (was open, is shut), a/back and b/front (open). */
async function houses(
  open: OpenTestStore,
): Promise<{ store: Store; raw: RawDatabase; earlier: Record<string, unknown> }> {
  const store = await open()
  await store.migrate('houses', migrations)
  const rows = ['a', 'b'].flatMap((house) => ['front', 'back'].map((name) => ({ house, name, open: 1, note: null })))
  for (const table of ['door', 'window']) await store.db.insertInto(table).values(rows.slice(0, 3)).execute()
  const raw = await openRaw(store)
  const [earlier] = await raw.run(`select * from door where house = 'a' and name = 'front'`)
  await store.db.updateTable('door').set({ open: 0 }).where('house', '=', 'a').where('name', '=', 'front').execute()
  return { store, raw, earlier: earlier! }
}

const front = (db: Database): Promise<unknown> =>
  db.selectFrom('door').select('open').where('house', '=', 'a').where('name', '=', 'front').executeTakeFirst()

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  )

/** Edits by someone with the database but without the key, and how each is detected. */
const edits: Record<
  string,
  { sql: string | ((earlier: Record<string, unknown>) => [string, string[]]); found: string }
> = {
  'a number': { sql: `update door set open = 1 where house = 'a' and name = 'front'`, found: 'RowAltered' },
  'a text that was null': { sql: `update door set note = '' where name = 'back'`, found: 'RowAltered' },
  'a key': { sql: `update door set house = 'c' where house = 'b'`, found: 'RowAltered' },
  'a code taken away': { sql: `update door set row_mac = '' where house = 'b'`, found: 'RowAltered' },
  'the code of another row': {
    sql: `update door set row_mac = (select d.row_mac from door d where d.name = 'back') where house = 'b'`,
    found: 'RowAltered',
  },
  'the code of the same row of another table': {
    sql: `update door set open = 1, row_mac = (select w.row_mac from "window" w where w.house = 'a' and w.name = 'front')
      where house = 'a' and name = 'front'`,
    found: 'RowAltered',
  },
  'a row put in': { sql: `insert into door values ('x', 'front', 1, null, 'AAAA')`, found: 'RowAltered' },
  'an older row put back': {
    sql: (row) => [
      `update door set open = 1, row_mac = ? where house = 'a' and name = 'front'`,
      [row['row_mac'] as string],
    ],
    found: 'StoreAltered',
  },
  'a row taken away': { sql: `delete from door where house = 'a' and name = 'front'`, found: 'StoreAltered' },
  'all rows of a table taken away': { sql: 'delete from door', found: 'StoreAltered' },
  'a table taken away': { sql: 'drop table door', found: 'StoreAltered' },
  'a column taken away': { sql: 'alter table door drop column note', found: 'StoreAltered' },
  'a table put in': { sql: 'create table shed (name text primary key)', found: 'StoreAltered' },
  'another seal': { sql: `update strongroom_seal set sealed = 'AAAA'`, found: 'StoreAltered' },
  'no seal': { sql: 'delete from strongroom_seal', found: 'StoreUnbound' },
  'no table of the seal': { sql: 'drop table strongroom_seal', found: 'StoreUnbound' },
}

describeStores('a database that somebody edited', (open) => {
  for (const [name, { sql: text, found }] of Object.entries(edits)) {
    it(`is refused at the next start: ${name}`, async () => {
      const { store, raw, earlier } = await houses(open)
      await store.close()
      const [statement, parameters] = typeof text === 'string' ? [text, []] : text(earlier)
      await raw.run(statement, parameters)
      const start = async (): Promise<void> => (await open({ sameAs: store })).migrate('houses', migrations)
      expect(await codeOf(start())).toBe(found)
      await raw.close()
    })
  }

  it('is refused too where two columns have changed their names', async () => {
    const { store, raw } = await houses(open)
    await store.close()
    for (const [from, to] of [
      ['house', 'x'],
      ['name', 'house'],
      ['x', 'name'],
    ])
      await raw.run(`alter table door rename column "${from}" to "${to}"`)
    expect(await codeOf(open({ sameAs: store }))).toBe('StoreAltered')
    await raw.close()
  })

  it('is refused under the key of another installation, and under another service name', async () => {
    const { store, raw } = await houses(open)
    await store.close()
    const other = { url: store.url, service: store.service, sealer: createSealer(new Uint8Array(32).fill(1)) }
    expect(await codeOf(openStore(other))).toBe('StoreAltered')
    await raw.close()
  })

  it('says which row, and what to do', async () => {
    const { store, raw } = await houses(open)
    await raw.run(edits['a number']!.sql as string)
    await raw.close()
    await expect(front(store.db)).rejects.toMatchObject({
      code: 'RowAltered',
      status: 500,
      message: `A row of the database of ${store.service} was altered outside this server: table door, house 'a', name 'front'.`,
      remedy: expect.stringContaining('Restore the database from a backup') as string,
    })
  })
})

/** Whatever form a query has, an edit of what it reads is detected. */
const reads: Record<string, (db: Database) => Promise<unknown>> = {
  'of all columns': (db) => db.selectFrom('door').selectAll().execute(),
  'of one column': (db) => db.selectFrom('door').select('house').execute(),
  'under other names': (db) => db.selectFrom('door as d').select(['d.house as open', 'd.name as house']).execute(),
  'of a join': (db) =>
    db
      .selectFrom('window')
      .innerJoin('door', (join) => join.onRef('door.house', '=', 'window.house').onRef('door.name', '=', 'window.name'))
      .select('window.name')
      .execute(),
  'of an outer join': (db) =>
    db
      .selectFrom('window')
      .leftJoin('door', (join) => join.onRef('door.house', '=', 'window.house').onRef('door.name', '=', 'window.name'))
      .selectAll('window')
      .execute(),
  'of a count': (db) =>
    db
      .selectFrom('door')
      .select((e) => e.fn.countAll().as('n'))
      .where('house', '=', 'a')
      .execute(),
  'of a maximum': (db) =>
    db
      .selectFrom('door')
      .select((e) => e.fn.max('open').as('most'))
      .execute(),
  'of what differs': (db) => db.selectFrom('door').select('house').distinct().execute(),
  'of groups': (db) => db.selectFrom('door').select('house').groupBy('house').execute(),
}
const writes: Record<string, (db: Database) => Promise<unknown>> = {
  'of another column': (db) => db.updateTable('door').set({ note: 'n' }).where('house', '=', 'a').execute(),
  'by what it was': (db) =>
    db
      .updateTable('door')
      .set((e) => ({ open: e('open', '+', 1) }))
      .execute(),
  'by an insert that meets it': (db) =>
    db
      .insertInto('door')
      .values({ house: 'a', name: 'front', open: 0, note: 'n' })
      .onConflict((c) => c.columns(['house', 'name']).doUpdateSet({ note: 'n' }))
      .execute(),
  'that takes it away': (db) => db.deleteFrom('door').where('house', '=', 'a').execute(),
}

describeStores('an edit while the server runs', (open) => {
  for (const [name, work] of [...Object.entries(reads), ...Object.entries(writes)]) {
    it(`is found by a ${name in reads ? 'read' : 'write'} ${name}, alone and in a transaction`, async () => {
      const { store, raw } = await houses(open)
      await work(store.db)
      for (const table of ['door', 'window']) await raw.run(`select * from "${table}"`)
      const [before] = await raw.run(`select count(*) as n, sum(length(coalesce(note, ''))) as notes from door`)
      const there = await store.db
        .selectFrom('door')
        .selectAll()
        .where('house', '=', 'a')
        .where('name', '=', 'front')
        .execute()
      if (there.length > 0) await raw.run(`update door set open = 7 where house = 'a' and name = 'front'`)
      else await raw.run(`update door set open = 7`)
      const again = there.length > 0 ? work : reads['of all columns']!
      expect(await codeOf(again(store.db))).toBe('RowAltered')
      expect(await codeOf(store.transaction((tx) => again(tx)))).toBe('RowAltered')
      expect(await raw.run(`select count(*) as n, sum(length(coalesce(note, ''))) as notes from door`)).toEqual([
        before,
      ])
      await raw.close()
    })
  }

  it('is found on SQLite whatever it is, and by every use of the store from then on', async () => {
    const { store, raw, earlier } = await houses(open)
    await raw.run(`update door set open = 1, row_mac = ? where house = 'a' and name = 'front'`, [
      earlier['row_mac'] as string,
    ])
    await raw.close()
    const expected = store.engine === 'sqlite' ? 'StoreAltered' : 'done'
    for (let index = 0; index < 2; index++) {
      expect(await codeOf(front(store.db))).toBe(expected)
      expect(await codeOf(store.db.selectFrom('window').selectAll().execute())).toBe(expected)
      expect(
        await codeOf(
          store.db
            .updateTable('window')
            .set({ note: `${index}` })
            .execute(),
        ),
      ).toBe(expected)
      expect(await codeOf(store.transaction((tx) => tx.deleteFrom('window').where('name', '=', 'x').execute()))).toBe(
        expected,
      )
    }
    await store.close()
    expect(await codeOf(open({ sameAs: store }))).toBe('StoreAltered')
  })

  it('is found on Postgres by the next check of all rows, and is over once it is undone', async () => {
    const { store, raw, earlier } = await houses(open)
    const quick = await openStore({ url: store.url, service: store.service, sealer: testSealer, checkSeconds: 0.05 })
    const write = (code: unknown, state: number): Promise<unknown> =>
      raw.run(`update door set open = ${state}, row_mac = ? where house = 'a' and name = 'front'`, [code as string])
    const [latest] = await raw.run(`select row_mac from door where house = 'a' and name = 'front'`)
    await write(earlier['row_mac'], 1)
    await expect.poll(() => codeOf(quick.db.selectFrom('window').selectAll().execute())).toBe('StoreAltered')
    expect(await codeOf(quick.db.updateTable('window').set({ note: 'n' }).execute())).toBe('StoreAltered')
    await write(latest!['row_mac'], 0)
    await expect.poll(() => codeOf(quick.db.selectFrom('window').selectAll().execute())).toBe('done')
    await quick.close()
    await raw.close()
  })

  it('is found where the whole database is put back as it was a moment ago', async () => {
    const { store, raw } = await houses(open)
    const tables = ['door', 'window', 'strongroom_seal']
    const kept = await Promise.all(tables.map((table) => raw.run(`select * from "${table}"`)))
    await store.db.updateTable('door').set({ open: 1 }).where('house', '=', 'a').execute()
    for (const [index, table] of tables.entries()) {
      await raw.run(`delete from "${table}"`)
      for (const row of kept[index]!)
        await raw.run(
          `insert into "${table}" (${Object.keys(row)
            .map((name) => `"${name}"`)
            .join(', ')}) values (${Object.keys(row)
            .map(() => '?')
            .join(', ')})`,
          Object.values(row) as string[],
        )
    }
    await raw.close()
    const write = store.db.updateTable('door').set({ note: 'n' }).where('house', '=', 'a').execute()
    await expect(write).rejects.toMatchObject({ code: 'StoreAltered', target: 'its seal' })
    await store.close()
    // As docs/explanation/stores.md describes a start: a valid database of this installation.
    expect(await front((await open({ sameAs: store })).db)).toEqual({ open: 0 })
  })

  it('does not hide in a value of another type', async () => {
    const { store, raw } = await houses(open)
    if (store.engine === 'postgres') return await raw.close()
    await store.db.updateTable('door').set({ note: '7' }).execute()
    await raw.run(`update door set note = x'37' where house = 'b'`)
    await raw.close()
    expect(await codeOf(store.db.selectFrom('door').selectAll().execute())).toBe('RowAltered')
  })
})

describeStores('a database of an earlier Strongroom', (open) => {
  it('is refused with words, bound once where the owner asks for it, and checked from then on', async () => {
    const store = await open()
    const raw = await openRaw(store)
    await raw.run(
      'create table strongroom_migration (list text not null, name text not null, applied_at text not null, primary key (list, name))',
    )
    await raw.run(`insert into strongroom_migration values ('houses', '001', '2026-01-01T00:00:00.000Z')`)
    for (const table of ['door', 'window']) {
      await raw.run(
        `create table "${table}" (house text not null, name text not null, open integer not null, note text, primary key (house, name))`,
      )
      for (let index = 0; index < 1203; index++)
        await raw.run(`insert into "${table}" values ('a', '${index}', 1, null)`)
    }
    const place = { url: store.url, service: store.service, sealer: testSealer }
    await expect(store.migrate('houses', migrations)).rejects.toMatchObject({
      code: 'StoreUnbound',
      remedy: expect.stringContaining('STRONGROOM_BIND_ROWS=1') as string,
    })
    const once = await openStore({ ...place, bindRows: true })
    await once.migrate('houses', migrations)
    await once.db.updateTable('door').set({ open: 0 }).where('name', '=', '7').execute()
    await once.close()
    const later = await openStore(place)
    await later.migrate('houses', migrations)
    const query = later.db
      .selectFrom('door')
      .select(sql<number>`open`.as('open'))
      .where('name', '=', '7')
    expect(await query.execute()).toEqual([{ open: 0 }])
    await later.close()
    await raw.run(`update door set open = 3 where name = '1202'`)
    for (const bindRows of [false, true]) expect(await codeOf(openStore({ ...place, bindRows }))).toBe('RowAltered')
    await raw.close()
  })
})
