import { expect, it } from 'vitest'
import { describeStores, openRaw } from '../testing.ts'
import { countOf } from './count.ts'

describeStores('rows that are only counted', (open) => {
  it('are counted by the engine, with its conditions, and not read', async () => {
    const store = await open()
    await store.migrate('doors', {
      '001': {
        up: async (db) =>
          await db.schema
            .createTable('door')
            .addColumn('name', 'text', (c) => c.primaryKey())
            .addColumn('open', 'integer', (c) => c.notNull())
            .execute(),
      },
    })
    const { db } = store
    expect(await countOf(db, db.selectFrom('door'))).toBe(0)
    const rows = ['a', 'b', 'c'].map((name, index) => ({ name, open: index % 2 }))
    await db.insertInto('door').values(rows).execute()
    expect(await countOf(db, db.selectFrom('door'))).toBe(3)
    expect(await countOf(db, db.selectFrom('door').where('open', '=', 0))).toBe(2)
    await store.transaction(async (tx) => {
      await tx.deleteFrom('door').where('name', '=', 'a').execute()
      expect(await countOf(tx, tx.selectFrom('door').where('open', '=', 0))).toBe(1)
    })
    // A count that reads its rows finds an altered one on both engines. SQLite itself reports foreign writes.
    const raw = await openRaw(store)
    await raw.run(`update door set row_mac = '' where name = 'b'`)
    const codeOf = (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: unknown) => (error as Error & { code: string }).code)
    expect(await codeOf(countOf(db, db.selectFrom('door')))).toBe(store.engine === 'postgres' ? 2 : 'RowAltered')
    const read = db.selectFrom('door').select((of) => of.fn.countAll().as('rows'))
    expect(await codeOf(read.execute())).toBe('RowAltered')
  })
})
