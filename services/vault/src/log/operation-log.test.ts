import { systemClock, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import {
  auditLog,
  formatNoteKey,
  openCheckpoint,
  parseNoteKey,
  tileOf,
  tilePath,
  parseTilePath,
} from '@strongroom/transparency'
import type { Kysely } from 'kysely'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import type { LogEntry } from './entry.ts'
import { newLogKey, openLogKey, type LogKey } from './log-key.ts'
import { OperationLog } from './operation-log.ts'
import { logMigrations, type LogTables } from './tables.ts'

const entry: LogEntry = {
  objectId: 'o',
  appId: 'a',
  operation: 'release',
  vault: 'platform',
  keyName: 'vm-1',
  verdict: 'allowed',
}

describeStores('the operation log', (open) => {
  const tables = (store: Store): Kysely<LogTables> => store.db as Kysely<LogTables>
  const filled = async (
    size = 12,
  ): Promise<{ store: Store; log: OperationLog; key: LogKey; again: () => OperationLog }> => {
    const store = await open()
    await store.migrate('vault-log', logMigrations)
    const key = openLogKey(await newLogKey())
    const again = (): OperationLog => new OperationLog({ store, clock: systemClock, key })
    const log = again()
    const many = Array.from({ length: size }, (_, index) => ({ ...entry, keyName: `vm-${index}` }))
    for (let start = 0; start < size; start += 50) {
      await Promise.all(many.slice(start, start + 50).map((each) => log.append(each)))
    }
    return { store, log, key, again }
  }
  const audit = async (log: OperationLog, vault = 'platform'): Promise<number> => {
    const key = parseNoteKey(log.verifierKey(vault))
    const checkpoint = await openCheckpoint(await log.checkpoint(vault), key, key.name)
    await auditLog({
      checkpoint,
      fetch: async (path) => (await log.tile(vault, parseTilePath(path)!)) ?? Promise.reject(new Error(path)),
    })
    return checkpoint.size
  }

  it('is whole after writes that came at once, and across a restart', async () => {
    const { store, log, again } = await filled()
    expect(await log.verify()).toEqual({ entries: 12 })
    const restarted = again()
    await restarted.append(entry)
    expect(await restarted.verify()).toEqual({ entries: 13 })
    expect(await audit(restarted)).toBe(13)
    expect((await loggedIn(store)).at(-1)).toMatchObject(entry)
  })

  it('is whole when it is empty, and signs for that', async () => {
    const { log } = await filled(0)
    expect(await log.verify()).toEqual({ entries: 0 })
    expect(await audit(log)).toBe(0)
  })

  it('serves full and partial tiles of all levels, and nothing beyond its end', async () => {
    const { store, log } = await filled(0)
    // Two full tiles: one transaction writes them faster than 520 would.
    await store.transaction(async (tx) => {
      for (let index = 0; index < 520; index++) await log.appendIn(tx, entry)
    })
    expect(await audit(log)).toBe(520)
    expect(await log.tile('platform', { level: 1, index: 0, width: 2 })).toHaveLength(64)
    expect(await log.tile('platform', { level: 0, index: 2, width: 8 })).toHaveLength(256)
    expect(await log.tile('platform', { level: 0, index: 2, width: 9 })).toBeUndefined()
    expect(await log.tile('platform', { level: 1, index: 0, width: 3 })).toBeUndefined()
    expect(tilePath(tileOf('entries', 519, 520))).toBe('tile/entries/002.p/8')
    await tables(store)
      .updateTable('log_node')
      .set({ hash: '00'.repeat(32) })
      .where('position', '=', 1)
      .execute()
    expect((await log.verify()).broken).toMatchObject({ vault: 'platform', reason: 'a hash of the tree was edited' })
  })

  it('keeps the logs of vaults apart: a checkpoint of one is none of another', async () => {
    const { log, key } = await filled()
    await log.append({ ...entry, vault: 'kv1' })
    expect(await audit(log, 'kv1')).toBe(1)
    expect(await log.verify()).toEqual({ entries: 13 })
    const other = key.noteKey('kv1')
    await expect(openCheckpoint(await log.checkpoint('platform'), other, other.name)).rejects.toMatchObject({
      code: 'SignatureInvalid',
    })
  })

  it('shows an entry that was edited, with its hash or without', async () => {
    const { store, log } = await filled()
    const row = await tables(store)
      .selectFrom('log_entry')
      .selectAll()
      .where('position', '=', 5)
      .executeTakeFirstOrThrow()
    const text = (await loggedIn(store))[4]!
    const forged = JSON.stringify({ ...text, verdict: 'refused' })
    await tables(store).updateTable('log_entry').set({ entry: forged }).where('position', '=', 4).execute()
    expect(await log.verify()).toMatchObject({ entries: 4, broken: { index: 4, reason: 'an entry was edited' } })
    await tables(store)
      .updateTable('log_entry')
      .set({ entry: row.entry, leaf_hash: row.leaf_hash })
      .where('position', '=', 4)
      .execute()
    expect((await log.verify()).broken?.reason).toBe('the entries are not the signed ones')
    await expect(audit(log)).rejects.toMatchObject({ code: 'RootMismatch' })
  })

  it('shows an entry that was taken out, and one that was added', async () => {
    const { store, log } = await filled()
    await tables(store).deleteFrom('log_entry').where('position', '=', 4).execute()
    expect((await log.verify()).broken).toMatchObject({ index: 4, reason: 'an entry is missing' })
    const added = await filled()
    await tables(added.store)
      .insertInto('log_entry')
      .values({ vault: 'platform', position: 12, entry: '{}', leaf_hash: '00'.repeat(32) })
      .execute()
    expect((await added.log.verify()).broken).toMatchObject({ index: 12 })
  })

  it('takes no further entry after its tail was cut off with its head set back, and says so', async () => {
    const { store, log, again } = await filled()
    const earlier = await tables(store).selectFrom('log_head').selectAll().executeTakeFirstOrThrow()
    await log.append(entry)
    await tables(store).deleteFrom('log_entry').where('position', '=', 12).execute()
    expect((await log.verify()).broken).toMatchObject({ index: 12 })
    await tables(store).updateTable('log_head').set({ size: 12, frontier: earlier.frontier }).execute()
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered', status: 503 })
    await expect(again().append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered' })
    expect((await again().verify()).broken).toBeDefined()
  })

  it('notices while it runs that the store was put back whole', async () => {
    const { store, log } = await filled()
    const earlier = await tables(store).selectFrom('log_head').selectAll().executeTakeFirstOrThrow()
    await log.append(entry)
    await log.append(entry)
    await tables(store).deleteFrom('log_entry').where('position', '>', 11).execute()
    await tables(store).updateTable('log_head').set(earlier).execute()
    await expect(log.append(entry)).rejects.toMatchObject({
      code: 'OperationLogAltered',
      expected: 'at least 14 entries',
    })
  })

  /** Removes a log's last transaction from the store, like someone who restores a recent copy. */
  const undoing = async (
    store: Store,
    work: () => Promise<unknown>,
    vault = 'platform',
  ): Promise<{ again: () => Promise<void> }> => {
    const rows = async (): Promise<{ head: LogTables['log_head']; entries: LogTables['log_entry'][] }> => ({
      head: await tables(store).selectFrom('log_head').selectAll().where('vault', '=', vault).executeTakeFirstOrThrow(),
      entries: await tables(store).selectFrom('log_entry').selectAll().where('vault', '=', vault).execute(),
    })
    const put = async ({ head, entries }: Awaited<ReturnType<typeof rows>>): Promise<void> => {
      await tables(store).deleteFrom('log_entry').where('vault', '=', vault).execute()
      await tables(store).insertInto('log_entry').values(entries).execute()
      await tables(store).updateTable('log_head').set(head).where('vault', '=', vault).execute()
    }
    const earlier = await rows()
    await work()
    const later = await rows()
    await put(earlier)
    return { again: () => put(later) }
  }

  it('notices while it runs that its last transaction alone was undone, and goes on once it is back', async () => {
    const { store, log, again } = await filled()
    await log.append({ ...entry, vault: 'kv1' })
    const undone = await undoing(store, () => log.append(entry))
    const refusal = {
      code: 'OperationLogAltered',
      status: 503,
      expected: 'at least 13 entries',
      found: '12 entries',
      remedy: expect.stringContaining('restore its last state') as string,
    }
    await expect(log.append(entry)).rejects.toMatchObject(refusal)
    await expect(store.transaction((tx) => log.appendIn(tx, entry))).rejects.toMatchObject(refusal)
    expect((await log.verify()).broken).toMatchObject({ vault: 'platform', reason: expect.stringContaining('shorter') })
    expect(await loggedIn(store)).toHaveLength(12)
    // Another vault's log is intact.
    await log.append({ ...entry, vault: 'kv1' })
    await undone.again()
    await log.append(entry)
    expect(await log.verify()).toEqual({ entries: 16 })
    // Only readers can tell if this service never saw the later state.
    await undoing(store, () => log.append(entry))
    await again().append(entry)
  })

  it('notices the same of what was written in a transaction of the operation, or by an earlier run', async () => {
    const { store, log, again } = await filled()
    await undoing(store, () => store.transaction((tx) => log.appendIn(tx, entry, entry)))
    await expect(log.append(entry)).rejects.toMatchObject({
      code: 'OperationLogAltered',
      expected: 'at least 14 entries',
    })
    const restarted = again()
    await restarted.append(entry)
    const next = again()
    expect((await next.verify()).broken).toBeUndefined()
    await tables(store).deleteFrom('log_entry').execute()
    await tables(store).deleteFrom('log_head').execute()
    await expect(next.append(entry)).rejects.toMatchObject({
      code: 'OperationLogAltered',
      expected: 'at least 13 entries',
      found: '0 entries',
    })
    expect((await next.verify()).broken).toMatchObject({ vault: 'platform' })
  })

  it('notices that another process went on from where it was undone', async () => {
    const { store, log, again } = await filled()
    await undoing(store, () => log.append(entry))
    await again().append({ ...entry, keyName: 'another' })
    await expect(log.append(entry)).rejects.toMatchObject({
      code: 'OperationLogAltered',
      expected: expect.stringContaining('13 entries with the root') as string,
    })
  })

  it('takes nothing for undone that was never committed', async () => {
    const { store, log } = await filled()
    const failing = store.transaction(async (tx) => {
      await log.appendIn(tx, entry)
      await log.appendIn(tx, entry)
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toThrow('rolled back')
    await log.append(entry)
    expect(await log.verify()).toEqual({ entries: 13 })
  })

  it('takes no other process for somebody who alters it, however they take turns', async () => {
    const { store, log, key } = await filled()
    const other = new OperationLog({ store: await open({ sameAs: store }), clock: systemClock, key })
    const both = [log, other]
    await Promise.all(Array.from({ length: 60 }, (_, index) => both[index % 2]!.append(entry)))
    for (let index = 0; index < 10; index++) await both[index % 2]!.append(entry)
    expect(await log.verify()).toEqual({ entries: 82 })
    expect(await audit(other)).toBe(82)
  })

  it('signs no tree that was rewritten behind its back', async () => {
    const { store, log, again } = await filled()
    const other = await filled()
    const head = await tables(other.store).selectFrom('log_head').selectAll().executeTakeFirstOrThrow()
    await tables(store).updateTable('log_head').set({ frontier: head.frontier }).execute()
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered' })
    await expect(again().append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered' })
    await tables(store).updateTable('log_head').set({ checkpoint: head.checkpoint }).execute()
    await expect(again().append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered' })
  })

  it('extends no tree whose size was raised behind its back', async () => {
    const { store, log } = await filled()
    const { size } = await tables(store).selectFrom('log_head').select('size').executeTakeFirstOrThrow()
    await tables(store)
      .updateTable('log_head')
      .set({ size: size + 1 })
      .execute()
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'OperationLogAltered' })
  })

  it('does not start over where its head was deleted', async () => {
    const { store, again } = await filled()
    await tables(store).deleteFrom('log_head').execute()
    await expect(again().append(entry)).rejects.toMatchObject({ code: 'OperationLogUnavailable' })
    expect((await again().verify()).broken).toMatchObject({ vault: 'platform', index: 0 })
  })

  it('does not verify under another key', async () => {
    const { store } = await filled()
    const key = openLogKey(await newLogKey())
    const verdict = await new OperationLog({ store, clock: systemClock, key }).verify()
    expect(verdict.broken?.reason).toContain('not signed by the key')
    expect(formatNoteKey(key.noteKey('platform'))).toContain('platform.vault.strongroom.internal/operationlog+')
  })

  it('leaves no entry of a transaction that did not end well', async () => {
    const { store, log } = await filled()
    const undone = store.transaction(async (tx) => {
      await log.appendIn(tx, entry)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    await log.append(entry)
    expect(await log.verify()).toEqual({ entries: 13 })
    expect(await audit(log)).toBe(13)
  })
})
