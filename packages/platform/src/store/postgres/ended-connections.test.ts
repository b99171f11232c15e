import { describe, expect, it } from 'vitest'
import { describeStores, openRaw } from '../../testing.ts'
import type { Store } from '../store-types.ts'

/** As a server that ends or changes its role does to all its clients. */
async function endConnections(store: Store): Promise<void> {
  const raw = await openRaw(store)
  await raw.run('select pg_terminate_backend(pid) from pg_stat_activity where application_name = ?', [
    `strongroom ${store.service}`,
  ])
  await raw.close()
}

describe('a connection that its server ends', () => {
  describeStores('fails with 503', (open) => {
    it('in the middle of a transaction, between two statements, and the next transaction is carried out', async () => {
      const store = await open()
      if (store.engine === 'sqlite') return
      await store.migrate('paint', {
        '001': {
          up: async (db) =>
            await db.schema
              .createTable('colour')
              .addColumn('name', 'text', (c) => c.primaryKey())
              .execute(),
        },
      })
      const insert = async (name: string, between: () => Promise<void>): Promise<void> =>
        await store.transaction(async (tx) => {
          await tx.insertInto('colour').values({ name }).execute()
          await between()
          await tx
            .insertInto('colour')
            .values({ name: `${name} again` })
            .execute()
        })
      await expect(insert('red', async () => await endConnections(store))).rejects.toMatchObject({
        code: 'StoreUnavailable',
        status: 503,
        headers: { 'retry-after': '3' },
      })
      await insert('green', async () => {})
      expect(await store.db.selectFrom('colour').select('name').orderBy('name').execute()).toEqual([
        { name: 'green' },
        { name: 'green again' },
      ])
    })

    it('while nobody uses it, and nobody notices', async () => {
      const store = await open()
      if (store.engine === 'sqlite') return
      await endConnections(store)
      // The pool notices in Node's next turn.
      await new Promise((done) => setTimeout(done, 50))
      await store.transaction(async () => {})
    })
  })
})
