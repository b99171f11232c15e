import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeStores, testSealer } from '../../testing.ts'
import { toErrorBody } from '../../errors/errors.ts'
import type { Database } from '../store-types.ts'
import { openStore } from './store.ts'

const addColour = async (db: Database): Promise<void> => {
  await db.schema
    .createTable('colour')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('rank', 'integer')
    .execute()
}
const addShade = async (db: Database): Promise<void> => {
  await db.schema.alterTable('colour').addColumn('shade', 'text').execute()
}

describeStores('openStore', (open) => {
  it('keeps what was committed after it is closed and opened again', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    await store.db.insertInto('colour').values({ name: 'red', rank: 1 }).execute()
    await store.close()
    const again = await open({ sameAs: store })
    expect(await again.db.selectFrom('colour').selectAll().execute()).toEqual([{ name: 'red', rank: 1 }])
  })

  it('keeps nothing of a transaction that throws', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    const failing = store.transaction(async (tx) => {
      await tx.insertInto('colour').values({ name: 'red', rank: 1 }).execute()
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await store.db.selectFrom('colour').selectAll().execute()).toEqual([])
  })

  it('tells who asked once a transaction is committed, in their order, and before it resolves', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    const told: string[] = []
    const result = await store.transaction(async (tx) => {
      store.afterCommit(tx, () => told.push('first'))
      await tx.insertInto('colour').values({ name: 'red', rank: 1 }).execute()
      store.afterCommit(tx, () => told.push('second'))
      expect(told).toEqual([])
      return 'result'
    })
    expect([result, told]).toEqual(['result', ['first', 'second']])
    await store.transaction(async (tx) => void (await tx.selectFrom('colour').selectAll().execute()))
    expect(told).toHaveLength(2)
  })

  it('tells nobody of a transaction that was rolled back, by its work or by its commit', async () => {
    const store = await open()
    const told: string[] = []
    const thrown = store.transaction((tx) => {
      store.afterCommit(tx, () => told.push('thrown'))
      return Promise.reject(new Error('undone'))
    })
    await expect(thrown).rejects.toThrow('undone')
    const family = async (db: Database): Promise<void> => {
      await sql`create table parent (id integer primary key)`.execute(db)
      const parent = sql.raw('references parent (id) deferrable initially deferred')
      await sql`create table child (id integer primary key ${parent})`.execute(db)
    }
    await store.migrate('family', { '001': { up: family } })
    const failing = store.transaction(async (tx) => {
      store.afterCommit(tx, () => told.push('not committed'))
      await tx.insertInto('child').values({ id: 7 }).execute()
    })
    await expect(failing).rejects.toThrow()
    expect(told).toEqual([])
  })

  it('refuses the use of db inside a transaction instead of hanging', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    const misuse = store.transaction(() => store.db.selectFrom('colour').selectAll().execute())
    await expect(misuse).rejects.toThrow('only its tx may be used')
  })

  it('does not lose a count that two connections raise at once', async () => {
    const first = await open()
    await first.migrate('paint', { '001': { up: addColour } })
    await first.db.insertInto('colour').values({ name: 'red', rank: 0 }).execute()
    const second = await open({ sameAs: first })
    const raise = (store: typeof first): Promise<void> =>
      store.transaction(async (tx) => {
        const query = tx.selectFrom('colour').select('rank')
        const { rank } = await (store.engine === 'postgres' ? query.forUpdate() : query).executeTakeFirstOrThrow()
        await tx
          .updateTable('colour')
          .set({ rank: Number(rank) + 1 })
          .execute()
      })
    for (let i = 0; i < 10; i++) await Promise.all([raise(first), raise(second)])
    expect(await first.db.selectFrom('colour').select('rank').executeTakeFirst()).toEqual({ rank: 20 })
  })
})

describeStores('migrate', (open) => {
  it('ends one of two transactions that wait for each other, and says that it may be repeated', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    for (const name of ['red', 'blue']) await store.db.insertInto('colour').values({ name, rank: 0 }).execute()
    const waiting: (() => void)[] = []
    /** Until both have arrived; on SQLite the second arrives only after the first has ended. */
    const both = async (): Promise<void> => {
      if (store.engine === 'sqlite') return
      await new Promise<void>((go) => waiting.push(go) === 2 && waiting.forEach((each) => each()))
    }
    const raise = async (first: string, second: string): Promise<void> =>
      await store.transaction(async (tx) => {
        const one = (name: string) =>
          tx
            .updateTable('colour')
            .set((eb) => ({ rank: eb('rank', '+', 1) }))
            .where('name', '=', name)
            .execute()
        await one(first)
        await both()
        await one(second)
      })
    const outcomes = await Promise.allSettled([raise('red', 'blue'), raise('blue', 'red')])
    const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [toErrorBody(each.reason, 'r')] : []))
    const lost = store.engine === 'sqlite' ? 0 : 1
    expect(refused.map(({ status, body }) => [status, body.error.code])).toEqual(Array(lost).fill([503, 'ServerBusy']))
    const ranks = await store.db.selectFrom('colour').select('rank').execute()
    expect(ranks.map((row) => Number(row['rank']))).toEqual([2 - lost, 2 - lost])
  })

  it('applies only what is missing', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour } })
    await store.migrate('paint', { '001': { up: addColour }, '002': { up: addShade } })
    await store.db.insertInto('colour').values({ name: 'red', rank: 1, shade: 'dark' }).execute()
    expect(await store.db.selectFrom('colour').select('shade').execute()).toEqual([{ shade: 'dark' }])
  })

  it('leaves the database as it was when one of the list fails', async () => {
    const store = await open()
    const broken = { up: () => Promise.reject(new Error('broken')) }
    await expect(store.migrate('paint', { '001': { up: addColour }, '002': broken })).rejects.toThrow('broken')
    await store.migrate('paint', { '001': { up: addColour } })
  })

  it('refuses a database that a newer program wrote', async () => {
    const store = await open()
    await store.migrate('paint', { '001': { up: addColour }, '002': { up: addShade } })
    await expect(store.migrate('paint', { '001': { up: addColour } })).rejects.toMatchObject({
      code: 'DatabaseTooNew',
      found: '002',
    })
  })

  it('serves a program of the release before with what the next one has added, and none of an earlier one', async () => {
    const before = await open({ step: 5 })
    await before.migrate('paint', { '001': { up: addColour } })
    await before.db.insertInto('colour').values({ name: 'red', rank: 1 }).execute()
    await before.close()
    const next = await open({ sameAs: before, step: 6 })
    const expanded = {
      up: async (db: Database) => {
        await db.schema
          .alterTable('colour')
          .addColumn('gloss', 'integer', (c) => c.notNull().defaultTo(3))
          .execute()
        await db.schema.alterTable('colour').addColumn('maker', 'text').execute()
        await sql`create table brush (name text primary key)`.execute(db)
      },
    }
    await next.migrate('paint', { '001': { up: addColour }, '002': expanded })
    await next.close()
    // An update that was taken back: it reads, writes and changes rows that have columns it does not know.
    const again = await open({ sameAs: before, step: 5 })
    await again.migrate('paint', { '001': { up: addColour } })
    await again.db.insertInto('colour').values({ name: 'blue', rank: 1 }).execute()
    for (const rank of [5, 6])
      for (const name of ['blue', 'green'])
        await again.db
          .insertInto('colour')
          .values({ name, rank })
          .onConflict((on) => on.column('name').doUpdateSet({ rank }))
          .execute()
    await again.close()
    const forth = await open({ sameAs: before, step: 6 })
    await forth.migrate('paint', { '001': { up: addColour }, '002': expanded })
    expect(await forth.db.selectFrom('colour').selectAll().orderBy('name').execute()).toEqual([
      { name: 'blue', rank: 6, gloss: 3, maker: null },
      { name: 'green', rank: 6, gloss: 3, maker: null },
      { name: 'red', rank: 1, gloss: 3, maker: null },
    ])
    await forth.close()
    const early = await open({ sameAs: before, step: 4 })
    await expect(early.migrate('paint', { '001': { up: addColour } })).rejects.toMatchObject({
      code: 'DatabaseTooNew',
      found: '002',
    })
  })

  it('applies once when two processes start at the same time', async () => {
    const first = await open()
    const second = await open({ sameAs: first })
    await Promise.all([first, second].map((store) => store.migrate('paint', { '001': { up: addColour } })))
    await second.db.selectFrom('colour').selectAll().execute()
  })
})

describe('openStore', () => {
  it('lets nobody else read the SQLite files, log included', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-store-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const store = await openStore({ url: `sqlite:${directory}/state`, service: 'test', sealer: testSealer })
    await store.migrate('paint', { '001': { up: addColour } })
    const modes = ['', '/test.db', '/test.db-wal', '/test.db-shm'].map(
      (file) => statSync(`${directory}/state${file}`).mode & 0o777,
    )
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600])
    await store.close()
  })

  it('refuses an unknown engine without repeating the URL, which may hold a password', async () => {
    const error = await openStore({ url: 'mysql://root:hunter2@localhost', service: 'test', sealer: testSealer }).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ code: 'InvalidStoreUrl' })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  it('reports a full SQLite disk as such', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-store-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
    await store.migrate('paint', { '001': { up: addColour } })
    await sql`pragma max_page_count = 1`.execute(store.db)
    const fill = store.db
      .insertInto('colour')
      .values({ name: 'x'.repeat(100_000), rank: 1 })
      .execute()
    expect(toErrorBody(await fill.catch((error: unknown) => error))).toMatchObject({ status: 507 })
    await store.close()
  })
})
