import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resultOf } from './earlier.ts'
import { instrument } from './instrument.ts'
import { type Outcome, runMutants } from './run-mutants.ts'

const root = resolve(import.meta.dirname, '../..')
const planted = 'test/mutation/planted'
const file = join(planted, 'limit.ts')
const judge = (test: string): Promise<Outcome[]> =>
  runMutants({ root, files: [file], tests: [join(planted, test)], jobs: 2 })
const living = (outcomes: Outcome[]): string[] =>
  outcomes.filter(({ verdict }) => verdict !== 'killed').map((o) => `${o.original} → ${o.replacement}`)

describe('mutation tests', { timeout: 600_000 }, () => {
  it('let the mutants of a weak test live', async () => {
    const found = await judge('weak.ts')
    expect(living(found)).toEqual(
      expect.arrayContaining(['each < limit → each <= limit', 'each > largest → each <= largest']),
    )
    expect(found.some(({ verdict }) => verdict === 'killed')).toBe(true)
  })

  it('kill all mutants by a strong test, also those that would never end', async () => {
    const found = await judge('strong.ts')
    // Swapping equal numbers has no effect, and the element after the last is undefined, which is below nothing.
    expect(living(found)).toEqual([
      'index < numbers.length → index <= numbers.length',
      'each > largest → each >= largest',
    ])
    expect(found.find(({ original }) => original === 'index++')).toMatchObject({ verdict: 'killed' })
  })

  it('judge a file alike whatever is judged with it, before or now', async () => {
    const files = ['packages/release-policy/src/authority.ts', file]
    const found = await runMutants({ root, files, tests: [join(planted, 'strong.ts')], jobs: 1 })
    expect(living(found.filter((each) => each.file === file))).toHaveLength(2)
    expect(found.filter((each) => each.file !== file).every(({ verdict }) => verdict === 'uncovered')).toBe(true)
  })

  it('judge a sample that is spread over all mutants', async () => {
    const tests = [join(planted, 'strong.ts')]
    const found = await runMutants({ root, files: [file], tests, jobs: 2, sample: 5 })
    expect(found).toHaveLength(5)
    const { mutants } = await instrument(root, [file])
    expect(found.map(({ id }) => mutants.findIndex((each) => each.id === id))).toEqual(
      [0, 1, 2, 3, 4].map((index) => Math.floor((index * mutants.length) / 5)),
    )
  })

  it('are judged again only where they lived, or where their file has changed', async () => {
    const strong = { root, files: [file], tests: [join(planted, 'strong.ts')], jobs: 1 }
    const before = await runMutants({ root, files: [file], tests: [join(planted, 'weak.ts')], jobs: 1 })
    // A test that kills nothing: what counts as killed was killed before.
    const none = { ...strong, tests: [join(planted, 'dependent.ts')] }
    const kept = await runMutants({ ...none, earlier: resultOf(root, [file], before) })
    expect(living(kept)).toEqual(living(before))
    const after = await runMutants({ ...strong, earlier: resultOf(root, [file], before) })
    expect(living(after)).toHaveLength(2)
    const changed = { files: { [file]: 'another' }, outcomes: before }
    expect(living(await runMutants({ ...none, earlier: changed })).length).toBeGreaterThan(living(before).length)
  })

  it('count no kill by a test that fails alone without a mutant too', async () => {
    const found = await judge('dependent.ts')
    expect(found.filter(({ by }) => by?.includes('fails by itself'))).toEqual([])
  })

  it('say that a test fails without a mutant', async () => {
    await expect(judge('missing.ts')).rejects.toThrow('did not run')
  })
})
