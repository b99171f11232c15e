import { randomBytes } from 'node:crypto'
import { systemClock, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../store/migrations.ts'
import { OperationLog, type LogEntry } from './operation-log.ts'

const entry: LogEntry = {
  objectId: 'o',
  appId: 'a',
  operation: 'release',
  vault: 'platform',
  keyName: 'vm-1',
  verdict: 'allowed',
}

describeStores('the operation log', (open) => {
  const filled = async (): Promise<{ store: Store; log: OperationLog; key: Buffer }> => {
    const store = await open()
    await store.migrate('vault', migrations)
    const key = randomBytes(32)
    const log = new OperationLog({ store, clock: systemClock, key })
    await Promise.all(Array.from({ length: 12 }, (_, index) => log.append({ ...entry, keyName: `vm-${index}` })))
    return { store, log, key }
  }

  it('is whole after writes that came at once, and across a restart', async () => {
    const { store, log, key } = await filled()
    expect(await log.verify()).toEqual({ entries: 12 })
    const again = new OperationLog({ store, clock: systemClock, key })
    await again.append(entry)
    expect(await again.verify()).toEqual({ entries: 13 })
  })

  it('is whole when it is empty', async () => {
    const store = await open()
    await store.migrate('vault', migrations)
    expect(await new OperationLog({ store, clock: systemClock, key: randomBytes(32) }).verify()).toEqual({ entries: 0 })
  })

  it('shows an entry that was edited', async () => {
    const { store, log } = await filled()
    await store.db.updateTable('operation_log').set({ verdict: 'refused' }).where('sequence', '=', 4).execute()
    expect(await log.verify()).toEqual({ entries: 3, brokenAt: 4 })
  })

  it('shows a field that was moved to its neighbour', async () => {
    const { store, log } = await filled()
    await store.db.updateTable('operation_log').set({ object_id: '', app_id: 'oa' }).where('sequence', '=', 4).execute()
    expect((await log.verify()).brokenAt).toBe(4)
  })

  it('shows an entry that was taken out', async () => {
    const { store, log } = await filled()
    await store.db.deleteFrom('operation_log').where('sequence', '=', 4).execute()
    expect((await log.verify()).brokenAt).toBe(4)
  })

  it('shows a tail that was cut off, also where the head was set back with it', async () => {
    const { store, log } = await filled()
    await store.db.deleteFrom('operation_log').where('sequence', '>', 9).execute()
    expect((await log.verify()).brokenAt).toBe(10)
    const last = await store.db
      .selectFrom('operation_log')
      .selectAll()
      .where('sequence', '=', 9)
      .executeTakeFirstOrThrow()
    await store.db.updateTable('operation_log_head').set({ sequence: 9, last_mac: last.mac }).execute()
    expect((await log.verify()).brokenAt).toBe(10)
    await store.db.deleteFrom('operation_log_head').execute()
    expect((await log.verify()).brokenAt).toBeDefined()
  })

  it('shows an entry that was added without the key', async () => {
    const { store, log } = await filled()
    const last = await store.db
      .selectFrom('operation_log')
      .selectAll()
      .where('sequence', '=', 12)
      .executeTakeFirstOrThrow()
    await store.db
      .insertInto('operation_log')
      .values({ ...last, sequence: 13 })
      .execute()
    expect((await log.verify()).brokenAt).toBe(13)
  })

  it('does not verify under another key', async () => {
    const { store } = await filled()
    expect((await new OperationLog({ store, clock: systemClock, key: randomBytes(32) }).verify()).brokenAt).toBe(1)
  })
})
