import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, ServiceError, type Store } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { migrations } from '../store/migrations.ts'
import { Freshness, type TpmStatement } from './freshness.ts'

let freshness: Freshness
let store: Store
beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-freshness-'))
  store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  onTestFinished(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  await store.migrate('attestation', migrations)
  freshness = new Freshness({ store, clock: { now: () => new Date('2026-01-01T00:00:00Z') } })
})

const statement = (o: Partial<TpmStatement> = {}): TpmStatement => ({
  fingerprint: 'ak',
  resetCount: 5,
  restartCount: 7,
  clock: 1000n,
  digest: 'a',
  target: 'quote',
  ...o,
})
/** Reason, expected and found; `taken` if accepted. */
const accept = async (o: Partial<TpmStatement> = {}): Promise<unknown> => {
  const error: unknown = await freshness.accept(statement(o)).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error === undefined) return 'taken'
  if (!(error instanceof ServiceError)) throw error
  expect([error.status, error.code, error.target]).toEqual([400, 'InvalidParameter', 'quote'])
  return [error.details?.[0]?.code, error.expected, error.found]
}
const replayed = (clock: number): unknown[] => [
  'StatementReplayed',
  'statements that this service has not seen',
  `the statement of the TPM's time ${clock} ms, seen already`,
]
const before = (found: string, newest = 'reset count 5, restart count 7'): unknown[] => [
  'StatementBeforeRestart',
  `${newest}, or later`,
  found,
]

/** Accepts this many more, with times from `from` on, a millisecond apart. */
const taken = async (count: number, from: number): Promise<void> => {
  const of = (n: number): object => ({ fingerprint: 'ak', digest: `d${n}`, clock: String(from + n) })
  const rows = Array.from({ length: count }, (_, n) => of(n + 1))
  await store.db.insertInto('tpm_statement').values(rows).execute()
}

describe('statements of a TPM', () => {
  it('are taken once, whatever else is in them', async () => {
    expect([await accept(), await accept(), await accept({ clock: 2000n })]).toEqual([
      'taken',
      replayed(1000),
      replayed(2000),
    ])
    expect(await accept({ digest: 'b', clock: 1n })).toBe('taken')
  })

  it('of another TPM are another’s', async () => {
    await accept()
    expect(await accept({ fingerprint: 'other', resetCount: 1 })).toBe('taken')
    expect(await accept({ fingerprint: 'other', resetCount: 1 })).toEqual(replayed(1000))
    expect(await accept()).toEqual(replayed(1000))
  })

  it.each([
    [5, 6],
    [4, 7],
    [4, 0xffff_ffff],
  ])('from before a restart are refused: reset %d, restart %d', async (resetCount, restartCount) => {
    await accept()
    expect(await accept({ digest: 'b', resetCount, restartCount })).toEqual(
      before(`reset count ${resetCount}, restart count ${restartCount}`),
    )
  })

  it.each([
    [5, 8],
    [6, 0],
    [6, 7],
    [0xffff_ffff, 0],
  ])('after a restart start over, and end those before it: reset %d, restart %d', async (resetCount, restartCount) => {
    await accept()
    const newest = `reset count ${resetCount}, restart count ${restartCount}`
    expect(await accept({ resetCount, restartCount, clock: 1n })).toBe('taken')
    expect(await accept({ resetCount, restartCount, clock: 1n })).toEqual(replayed(1))
    expect(await accept({ digest: 'b' })).toEqual(before('reset count 5, restart count 7', newest))
  })

  it('are remembered 256 at a time, and older ones count as used by their time', async () => {
    // As text, the times would sort differently.
    expect(await accept({ digest: 'd0', clock: 900n })).toBe('taken')
    await taken(255, 900)
    expect(await accept({ digest: 'd256', clock: 1156n })).toBe('taken')
    // That of 900 ms is forgotten, and only newer ones are accepted.
    for (const [clock, expected] of [
      [899, replayed(899)],
      [900, replayed(900)],
      [901, 'taken'],
    ] as const)
      expect(await accept({ digest: `new${clock}`, clock: BigInt(clock) })).toEqual(expected)
    for (const n of [0, 1, 99, 100, 256])
      expect(await accept({ digest: `d${n}`, clock: BigInt(900 + n) })).toEqual(replayed(900 + n))
    // A restart ends that too.
    expect(await accept({ resetCount: 6, digest: 'd0', clock: 0n })).toBe('taken')
  })

  it('that were forgotten are not taken again for one that came late (attack K1)', async () => {
    await accept({ digest: 'd0', clock: 1000n })
    await taken(255, 1000)
    // Made before all others and held back; it is older than the one forgotten for it.
    expect(await accept({ digest: 'kept back', clock: 1n })).toBe('taken')
    expect(await accept({ digest: 'next', clock: 2000n })).toBe('taken')
    expect(await accept({ digest: 'd0', clock: 1000n })).toEqual(replayed(1000))
  })
})
