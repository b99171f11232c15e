import { describe, expect, it } from 'vitest'
import { auditLog, checkConsistency, provenEntry } from './audit.ts'
import type { Checkpoint } from './checkpoint.ts'
import { rootOf } from './merkle.ts'
import { entriesOf, fetchOf, treeOf } from './testing.ts'

const checkpointOf = (entries: Uint8Array[]): Checkpoint => ({
  origin: 'o',
  size: entries.length,
  root: rootOf(treeOf(entries).frontier),
})
const edited = (entries: Uint8Array[], place: number): Uint8Array[] =>
  entries.with(place, new TextEncoder().encode('forged'))

describe('an audit', () => {
  const entries = entriesOf(700)
  const checkpoint = checkpointOf(entries)

  it('passes a log that is what it signed for, and continues what was remembered', async () => {
    const seen: number[] = []
    for (const size of [0, 1, 255, 256, 257, 699, 700]) {
      const remembered = checkpointOf(entries.slice(0, size))
      await auditLog({ checkpoint, remembered, fetch: fetchOf(entries), onEntry: (_, index) => seen.push(index) })
      await checkConsistency({ checkpoint, remembered, fetch: fetchOf(entries) })
    }
    expect(seen).toHaveLength(7 * 700)
  })

  it('finds an entry that was edited, first, last or between', async () => {
    for (const place of [0, 300, 699]) {
      for (const size of [undefined, 0, 500, 700]) {
        const remembered = size === undefined ? {} : { remembered: checkpointOf(entries.slice(0, size)) }
        const audit = auditLog({ checkpoint, ...remembered, fetch: fetchOf(edited(entries, place)) })
        await expect(audit).rejects.toMatchObject({ code: 'RootMismatch' })
      }
    }
  })

  it('finds a log that was cut and re-signed', async () => {
    const cut = entries.slice(0, 500)
    const audit = { checkpoint: checkpointOf(cut), remembered: checkpoint, fetch: fetchOf(cut) }
    await expect(auditLog(audit)).rejects.toMatchObject({ code: 'LogCut', expected: 'at least 700 entries' })
    await expect(checkConsistency(audit)).rejects.toMatchObject({ code: 'LogCut' })
  })

  it('finds a log that was rewritten and re-signed, by entries and by tiles alone', async () => {
    const fork = [...edited(entries, 10), ...entriesOf(5)]
    const audit = { checkpoint: checkpointOf(fork), remembered: checkpoint, fetch: fetchOf(fork) }
    await expect(auditLog(audit)).rejects.toMatchObject({ code: 'LogForked' })
    await expect(checkConsistency(audit)).rejects.toMatchObject({ code: 'LogForked' })
  })

  it('finds a log of the same length that was rewritten', async () => {
    const fork = edited(entries, 10)
    const audit = { checkpoint: checkpointOf(fork), remembered: checkpoint, fetch: fetchOf(fork) }
    await expect(auditLog(audit)).rejects.toMatchObject({ code: 'LogForked' })
    await expect(checkConsistency(audit)).rejects.toMatchObject({ code: 'LogForked' })
  })

  it('proves one entry from few tiles, and refuses an edited one', async () => {
    const paths: string[] = []
    const fetch = (path: string): Promise<Uint8Array> => {
      paths.push(path)
      return fetchOf(entries)(path)
    }
    expect(await provenEntry({ checkpoint, index: 300, fetch })).toEqual(entries[300])
    expect(paths.length).toBeLessThan(6)
    const forged = provenEntry({ checkpoint, index: 300, fetch: fetchOf(edited(entries, 300)) })
    await expect(forged).rejects.toMatchObject({ code: 'RootMismatch' })
    await expect(provenEntry({ checkpoint, index: 700, fetch })).rejects.toMatchObject({ code: 'Missing' })
  })
})
