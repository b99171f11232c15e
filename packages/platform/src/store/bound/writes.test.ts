import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeStores } from '../../testing.ts'
import type { Database, Store } from '../store-types.ts'

const makeTables = async (db: Database): Promise<void> => {
  await db.schema
    .createTable('account')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('total', 'bigint', (c) => c.notNull().defaultTo(5))
    .addColumn('note', 'text')
    .execute()
  await db.schema
    .createTable('entry')
    .addColumn('account', 'text', (c) => c.notNull().references('account.id').onDelete('cascade'))
    .addColumn('position', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('entry_key', ['account', 'position'])
    .execute()
  await db.schema
    .createTable('remark')
    .addColumn('account', 'text', (c) => c.notNull())
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('text', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('remark_key', ['account', 'position'])
    .addForeignKeyConstraint('remark_entry', ['account', 'position'], 'entry', ['account', 'position'], (f) =>
      f.onDelete('cascade'),
    )
    .execute()
}
const addColour = async (db: Database): Promise<void> => {
  await db.schema.alterTable('account').addColumn('colour', 'text').execute()
  await db.updateTable('account').set({ colour: 'red' }).execute()
}
const first = { '001': { up: makeTables } }

const all = (db: Database): Promise<unknown[]> => db.selectFrom('account').selectAll().orderBy('id').execute()

describeStores('what is written', (open) => {
  const made = async (): Promise<Store> => {
    const store = await open()
    await store.migrate('accounts', first)
    return store
  }
  /** Whether a start finds everything as it was left. */
  const reopened = async (store: Store): Promise<Store> => {
    await store.close()
    return await open({ sameAs: store })
  }

  it('is told as the database tells it: counts, what comes back, defaults and columns that compute', async () => {
    const store = await made()
    const { db } = store
    const inserted = await db
      .insertInto('account')
      .values([{ id: 'a' }, { id: 'b' }])
      .returning(['id', 'total'])
      .execute()
    expect(inserted).toEqual([
      { id: 'a', total: 5 },
      { id: 'b', total: 5 },
    ])
    const passed = db
      .insertInto('account')
      .values([
        { id: 'b', total: 1 },
        { id: 'c', total: 1 },
      ])
      .onConflict((c) => c.column('id').doNothing())
    expect((await passed.executeTakeFirst()).numInsertedOrUpdatedRows).toBe(1n)
    const put = (id: string, total: number) =>
      db
        .insertInto('account')
        .values({ id, total, note: null })
        .onConflict((c) => c.column('id').doUpdateSet({ total }))
    expect((await put('c', 9).executeTakeFirst()).numInsertedOrUpdatedRows).toBe(1n)
    expect(await put('d', 3).returningAll().execute()).toEqual([{ id: 'd', total: 3, note: null }])
    const raised = await db
      .updateTable('account')
      .set((e) => ({ total: e('total', '*', 2), note: e.ref('id') }))
      .where('total', '>', 4)
      .returning('note')
      .execute()
    expect(new Set(raised.map((row) => row['note']))).toEqual(new Set(['a', 'b', 'c']))
    expect(
      (await db.updateTable('account').set({ id: 'e', note: '7' }).where('id', '=', 'd').executeTakeFirst())
        .numUpdatedRows,
    ).toBe(1n)
    expect((await db.deleteFrom('account').where('id', '=', 'a').executeTakeFirst()).numDeletedRows).toBe(1n)
    expect((await db.deleteFrom('account').where('id', '=', 'a').executeTakeFirst()).numDeletedRows).toBe(0n)
    const expected = [
      { id: 'b', total: 10, note: 'b' },
      { id: 'c', total: 18, note: 'c' },
      { id: 'e', total: 3, note: '7' },
    ]
    expect(await all(db)).toEqual(expected)
    expect(await all((await reopened(store)).db)).toEqual(expected)
  })

  it('takes with it what refers to it, over several tables', async () => {
    const store = await made()
    await store.db
      .insertInto('account')
      .values([{ id: 'a' }, { id: 'b' }])
      .execute()
    for (const account of ['a', 'b'])
      for (const position of [1, 2]) {
        await store.db.insertInto('entry').values({ account, position }).execute()
        await store.db.insertInto('remark').values({ account, position, text: 'x' }).execute()
      }
    await store.db.deleteFrom('account').where('id', '=', 'a').execute()
    const again = await reopened(store)
    for (const table of ['entry', 'remark'])
      expect(
        (await again.db.selectFrom(table).select('account').distinct().execute()).map((row) => row['account']),
      ).toEqual(['b'])
  })

  it('is left as it was by a transaction that fails, and by a statement of which one row fails', async () => {
    const store = await made()
    await store.db
      .insertInto('account')
      .values([{ id: 'a' }, { id: 'b' }])
      .execute()
    const failing = store.transaction(async (tx) => {
      await tx.deleteFrom('account').execute()
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    const twice = store.db.updateTable('account').set({ id: 'c', note: 'n' })
    await expect(twice.execute()).rejects.toThrow()
    // Continuing after a partially executed statement gets nothing done.
    const goesOn = store.transaction(async (tx) => {
      await tx
        .updateTable('account')
        .set({ id: 'c' })
        .execute()
        .catch(() => undefined)
      if (store.engine === 'sqlite') await tx.insertInto('account').values({ id: 'd' }).execute()
    })
    await expect(goesOn).rejects.toThrow()
    expect(await all((await reopened(store)).db)).toMatchObject([{ id: 'a' }, { id: 'b' }])
  })

  it('keeps its codes over a migration that changes it, and refuses one that an edit came before', async () => {
    const store = await made()
    await store.db
      .insertInto('account')
      .values([{ id: 'a' }, { id: 'b' }])
      .execute()
    await store.migrate('accounts', { ...first, '002': { up: addColour } })
    await store.db.updateTable('account').set({ colour: 'blue' }).where('id', '=', 'a').execute()
    const again = await reopened(store)
    expect(await again.db.selectFrom('account').select('colour').orderBy('id').execute()).toEqual([
      { colour: 'blue' },
      { colour: 'red' },
    ])
  })

  it('adds up where several connections write at once', async () => {
    const store = await made()
    await store.db.insertInto('account').values({ id: 'a', total: 0 }).execute()
    const others = [store, await open({ sameAs: store }), await open({ sameAs: store })]
    const raise = async (each: Store, index: number): Promise<void> => {
      await each.db
        .updateTable('account')
        .set((e) => ({ total: e('total', '+', 1) }))
        .where('id', '=', 'a')
        .execute()
      await each.transaction(async (tx) => {
        await tx
          .insertInto('account')
          .values({ id: `${index}`, total: index })
          .execute()
        await tx
          .insertInto('account')
          .values({ id: 'shared', total: 1, note: null })
          .onConflict((c) => c.column('id').doUpdateSet((e) => ({ total: e('account.total', '+', 1) })))
          .execute()
      })
    }
    await Promise.all(Array.from({ length: 24 }, (_, index) => raise(others[index % 3]!, index)))
    const again = await reopened(store)
    expect(await again.db.selectFrom('account').select('total').where('id', 'in', ['a', 'shared']).execute()).toEqual([
      { total: 24 },
      { total: 24 },
    ])
    expect(await all(again.db)).toHaveLength(26)
  })

  it('is found whole after any sequence of writes', { timeout: 60_000 }, async () => {
    const id = fc.constantFrom('a', 'b', 'c')
    const note = fc.option(fc.string({ unit: fc.constantFrom('1', ':', '-', '#', ';', 'ä', '\u{1f512}') }), {
      nil: null,
    })
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), id, note, total: fc.integer() }),
      fc.record({ do: fc.constant('set' as const), id, note }),
      fc.record({ do: fc.constant('raise' as const), id }),
      fc.record({ do: fc.constant('drop' as const), id }),
    )
    const groups = fc.array(fc.record({ steps: fc.array(step, { maxLength: 4 }), fails: fc.boolean() }), {
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(groups, async (each) => {
        const store = await made()
        let model = new Map<string, { total: number; note: string | null }>()
        for (const { steps, fails } of each) {
          const next = new Map(model)
          const done = store.transaction(async (tx) => {
            for (const o of steps) {
              const row = next.get(o.id)
              if (o.do === 'put') {
                const value = { total: o.total, note: o.note }
                await tx
                  .insertInto('account')
                  .values({ id: o.id, ...value })
                  .onConflict((c) => c.column('id').doUpdateSet(value))
                  .execute()
                next.set(o.id, value)
              } else if (o.do === 'set') {
                await tx.updateTable('account').set({ note: o.note }).where('id', '=', o.id).execute()
                if (row) next.set(o.id, { ...row, note: o.note })
              } else if (o.do === 'raise') {
                await tx
                  .updateTable('account')
                  .set((e) => ({ total: e('total', '+', 1) }))
                  .where('id', '=', o.id)
                  .execute()
                if (row) next.set(o.id, { ...row, total: row.total + 1 })
              } else {
                await tx.deleteFrom('account').where('id', '=', o.id).execute()
                next.delete(o.id)
              }
            }
            if (fails) throw new Error('no')
          })
          if (fails) await expect(done).rejects.toThrow('no')
          else model = (await done, next)
        }
        const rows = [...model]
          .map(([key, value]) => ({ id: key, ...value }))
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        expect(await all((await reopened(store)).db)).toEqual(rows)
      }),
      { numRuns: 25 },
    )
  })
})
