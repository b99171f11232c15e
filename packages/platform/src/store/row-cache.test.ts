import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { describeStores } from '../testing.ts'
import { RowCache } from './row-cache.ts'
import type { Database, Store } from './store-types.ts'
import { TableWrites } from './engines/table-writes.ts'

interface Colour {
  rank: number
}

const makeTables = async (db: Database): Promise<void> => {
  for (const table of ['colour', 'brush'])
    await db.schema
      .createTable(table)
      .addColumn('name', 'text', (c) => c.primaryKey())
      .addColumn('rank', 'integer')
      .execute()
}

const rankTo = (db: Database, rank: number, table = 'colour'): Promise<unknown> =>
  db.updateTable(table).set({ rank }).execute()

describeStores('what was read and is asked for again', (open) => {
  async function painted(): Promise<{ store: Store; reads: () => number; rank: () => Promise<number | undefined> }> {
    const store = await open()
    await store.migrate('paint', { '001': { up: makeTables } })
    for (const table of ['colour', 'brush']) await store.db.insertInto(table).values({ name: 'red', rank: 0 }).execute()
    const cache = new RowCache<Colour>({ store, tables: ['colour'], limit: 2 })
    let reads = 0
    const rank = async (): Promise<number | undefined> => {
      const found = await cache.get('red', async () => {
        reads++
        return (await store.db.selectFrom('colour').select('rank').where('name', '=', 'red').executeTakeFirst()) as
          | Colour
          | undefined
      })
      return found?.rank
    }
    return { store, reads: () => reads, rank }
  }

  it('is what was written since, by whoever and however', async () => {
    const { store, rank } = await painted()
    const other = await open({ sameAs: store })
    const writes: ((rank: number) => Promise<unknown>)[] = [
      (to) => rankTo(store.db, to),
      (to) => store.transaction((tx) => rankTo(tx, to)),
      (to) =>
        store.db
          .insertInto('colour')
          .values({ name: 'red', rank: to })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ rank: to }))
          .returning('name')
          .execute(),
      (to) => rankTo(other.db, to),
      (to) => other.transaction((tx) => rankTo(tx, to)),
    ]
    for (const [index, write] of writes.entries()) {
      await rank()
      await write(index + 1)
      await nextTurn()
      expect(await rank()).toBe(index + 1)
    }
    await other.db.deleteFrom('colour').execute()
    await nextTurn()
    expect(await rank()).toBeUndefined()
    await other.db.insertInto('colour').values({ name: 'red', rank: 99 }).execute()
    await nextTurn()
    expect(await rank()).toBe(99)
  })

  it('is what stands after a transaction that is taken back, before which others asked', async () => {
    const { store, rank } = await painted()
    await rank()
    const [written, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const failing = store.transaction(async (tx) => {
      await rankTo(tx, 7)
      written.resolve()
      await goOn.promise
      throw new Error('no')
    })
    await written.promise
    const asked = rank()
    goOn.resolve()
    await expect(failing).rejects.toThrow('no')
    expect(await asked).toBe(0)
    expect(await rank()).toBe(0)
  })

  it('is read again where it was written while it was read', async () => {
    const { store, rank } = await painted()
    const cache = new RowCache<Colour>({ store, tables: ['colour'], limit: 2 })
    const read = async (): Promise<Colour> => {
      const found = (await store.db.selectFrom('colour').select('rank').executeTakeFirstOrThrow()) as Colour
      await rankTo(store.db, found.rank + 1)
      return found
    }
    expect(await cache.get('red', read)).toEqual({ rank: 0 })
    expect(await cache.get('red', read)).toEqual({ rank: 1 })
    expect(await rank()).toBe(2)
  })

  it('is refused inside a transaction, as every use of db is', async () => {
    const { store, rank } = await painted()
    await rank()
    await expect(store.transaction(() => rank())).rejects.toThrow('only its tx may be used')
  })

  it('is read once on SQLite, where writes to other tables do not count, and each time on Postgres', async () => {
    const { store, rank, reads } = await painted()
    for (let index = 0; index < 5; index++) {
      await rank()
      await rankTo(store.db, index, 'brush')
    }
    expect(reads()).toBe(store.engine === 'sqlite' ? 1 : 5)
  })

  it('is kept for the last few alone, and never for what is not there', async () => {
    const { store } = await painted()
    const cache = new RowCache<Colour>({ store, tables: ['colour'], limit: 2 })
    const read: string[] = []
    const get = (name: string, value?: Colour): Promise<unknown> =>
      cache.get(name, () => {
        read.push(name)
        return Promise.resolve(value)
      })
    for (const name of ['a', 'b', 'c', 'c', 'a']) await get(name, { rank: 0 })
    await get('d')
    await get('d')
    expect(read.slice(0, store.engine === 'sqlite' ? 4 : 5).join('')).toBe(store.engine === 'sqlite' ? 'abca' : 'abcca')
    expect(read.slice(-2)).toEqual(['d', 'd'])
  })
})

it('writes are counted for their table, and for all where the text is not understood', () => {
  const counted = (text: string): [colour: number, brush: number] => {
    const writes = new TableWrites()
    writes.counter(text)?.()
    return [writes.of(['colour']), writes.of(['brush'])]
  }
  for (const text of [
    'insert into "colour" ("name") values (?)',
    'insert or replace into colour values (?)',
    'UPDATE Colour set "rank" = 1',
    'update "colour" set "rank" = ?',
    ' DELETE FROM colour where name in (select name from brush)',
  ])
    expect(counted(text), text).toEqual([1, 0])
  for (const text of ['select * from colour', 'begin immediate', 'commit', 'pragma data_version'])
    expect(counted(text), text).toEqual([0, 0])
  for (const text of [
    'drop table colour',
    'with a as (select 1) delete from colour',
    'update main.colour set rank = 1',
    '',
  ])
    expect(counted(text), text).toEqual([1, 1])
})
