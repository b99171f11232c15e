import type { Compilable, Kysely } from 'kysely'
import { expect, it } from 'vitest'
import { describeStores, openRaw } from '../testing.ts'
import { repeatedQuery } from './repeated-query.ts'
import type { Database, Store } from './store-types.ts'

interface Schema {
  colour: { name: string; shade: string; rank: number }
}
type Colour = Schema['colour']
type Ask = (...values: (string | number)[]) => Promise<Colour | undefined>

const makeTable = async (db: Database): Promise<void> => {
  await db.schema
    .createTable('colour')
    .addColumn('name', 'text')
    .addColumn('shade', 'text')
    .addColumn('rank', 'integer')
    .addPrimaryKeyConstraint('colour_key', ['name', 'shade'])
    .execute()
}

describeStores('a query that every request makes', (open) => {
  async function painted(
    o: { shared?: boolean } = {},
  ): Promise<{ store: Store; db: Kysely<Schema>; ask: Ask; compiled: () => number; asked: () => number }> {
    const store = await open()
    await store.migrate('paint', { '001': { up: makeTable } })
    const db = store.db as Kysely<Schema>
    const rows = ['red', 'blue'].flatMap((name) => ['dark', 'light'].map((shade, rank) => ({ name, shade, rank })))
    await db.insertInto('colour').values(rows).execute()
    const query = db.selectFrom('colour').selectAll().where('name', '=', '').where('rank', '>=', 7).orderBy('rank')
    let compiled = 0
    let asked = 0
    const counted: Compilable<Colour> = { compile: () => (compiled++, query.compile()) }
    const counting = new Proxy(db, {
      get: (target, name) => {
        if (name === 'executeQuery') asked++
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    return { store, db, ask: repeatedQuery(counting, counted, o), compiled: () => compiled, asked: () => asked }
  }

  it('finds the first row by the values of the call, not by those of the query it was made from', async () => {
    const { ask, compiled } = await painted()
    expect(await ask('red', 0)).toEqual({ name: 'red', shade: 'dark', rank: 0 })
    expect(await ask('blue', 1)).toEqual({ name: 'blue', shade: 'light', rank: 1 })
    expect(await ask('', 7)).toBeUndefined()
    expect(await ask("red' or '1'='1", 0)).toBeUndefined()
    expect(compiled()).toBe(1)
  })

  it('reads once for calls of one moment with the same values, where they share', async () => {
    const { ask, asked } = await painted({ shared: true })
    const found = await Promise.all([ask('red', 0), ask('blue', 0), ask('red', 0), ask('red', 1)])
    expect(found.map((row) => `${row?.name} ${row?.shade}`)).toEqual(['red dark', 'blue dark', 'red dark', 'red light'])
    expect(asked()).toBe(3)
    await ask('red', 0)
    expect(asked()).toBe(4)
  })

  it('reads for every call where they do not share', async () => {
    const { ask, asked } = await painted()
    await Promise.all([ask('red', 0), ask('red', 0)])
    expect(asked()).toBe(2)
  })

  it.each([true, false])('sees what another process wrote before the call (shared: %s)', async (shared) => {
    const { store, ask } = await painted({ shared })
    const other = await open({ sameAs: store })
    await ask('red', 1)
    await other.db.updateTable('colour').set({ shade: 'pale' }).where('rank', '=', 1).execute()
    expect((await ask('red', 1))?.shade).toBe('pale')
  })

  it('takes values apart that would be one text together', async () => {
    const { db, ask } = await painted({ shared: true })
    await db.insertInto('colour').values({ name: '1\n0', shade: 'odd', rank: 0 }).execute()
    const [odd, one] = await Promise.all([ask('1\n0', 0), ask('1', 0)])
    expect([odd?.shade, one]).toEqual(['odd', undefined])
  })

  it('tells every call that shares a reading of its failure, and reads again for the next', async () => {
    const { store, ask } = await painted({ shared: true })
    const raw = await openRaw(store)
    await raw.run('alter table colour rename to gone')
    const failed = await Promise.allSettled([ask('red', 0), ask('red', 0)])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await raw.run('alter table gone rename to colour')
    await raw.close()
    expect(await ask('red', 0)).toMatchObject({ shade: 'dark' })
  })
})
