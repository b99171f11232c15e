import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { instrument } from './instrument.ts'
import { isBelow, relatedTests, sourcesOf } from './related.ts'
import type { Outcome } from './run-mutants.ts'
import { placeOf, withoutReason } from './survivors.ts'
import { slowLast } from './times.ts'

const root = resolve(import.meta.dirname, '../..')
const file = 'test/mutation/planted/limit.ts'

describe('reasons for survivors', () => {
  const source = ['export function f(a: number): boolean {', '  return a < 3', '}'].join('\n')
  const mutant = {
    id: '1',
    file,
    line: 6,
    original: 'each < limit',
    replacement: 'each <= limit',
    mutator: 'EqualityOperator',
  }
  const lived: Outcome = { ...mutant, verdict: 'survived' }
  const line = 'if (each < limit && (largest === undefined || each > largest)) largest = each'
  const reason = { line, original: 'each < limit', replacement: 'each <= limit', why: 'a test of this file' }

  it('excuse one mutant of one place each', () => {
    expect(withoutReason(root, [lived], { [file]: [reason] })).toEqual({ strange: [], stale: [] })
    expect(withoutReason(root, [lived, lived], { [file]: [reason] }).strange).toEqual([lived])
    expect(withoutReason(root, [lived, lived], { [file]: [{ ...reason, times: 2 }] }).strange).toEqual([])
    expect(withoutReason(root, [lived], {}).strange).toEqual([lived])
  })

  it('are stale when their mutant is dead or their line is another', () => {
    expect(withoutReason(root, [{ ...lived, verdict: 'killed' }], { [file]: [reason] }).stale).toHaveLength(1)
    const moved = { ...reason, line: `${line} // moved` }
    expect(withoutReason(root, [lived], { [file]: [moved] })).toMatchObject({ strange: [lived], stale: [moved] })
  })

  it('name a place by its text', () => {
    expect(placeOf({ ...mutant, line: 2 }, source.split('\n')).line).toBe('return a < 3')
  })
})

describe('the choice of places and tests', () => {
  it('leaves out text for people and keeps codes', async () => {
    const { mutants } = await instrument(root, ['packages/release-policy/src/policy-error.ts'])
    expect(mutants.map(({ original }) => original).filter((text) => /^'\w+ \w+/.test(text))).toEqual([])
    expect(mutants.length).toBeGreaterThan(0)
  })

  it('takes the nearest tests first and those of other workspaces that load the file', () => {
    const found = relatedTests(root, ['packages/release-policy/src/lint.ts'])
    expect(found[0]).toBe('packages/release-policy/src/lint.test.ts')
    expect(found.some((test) => test.startsWith('services/vault/'))).toBe(true)
    expect(found.some((test) => test.startsWith('packages/policy/'))).toBe(false)
  })

  it('keeps to the tests that are named, by file or by folder', () => {
    const test = 'services/vault/src/release/decision.test.ts'
    expect([[], [test], ['services/vault/src/release'], ['services/vault/']].map((by) => isBelow(test, by))).toEqual(
      Array(4).fill(true),
    )
    expect(
      [['services/vault/src/rel'], ['release'], ['services/host', 'packages']].some((by) => isBelow(test, by)),
    ).toBe(false)
  })

  it('takes near tests of packages, which need no server', () => {
    const found = relatedTests(root, ['packages/evidence/src/x509/path.ts'], true)
    const folders = new Set(found.map((test) => test.split('/').slice(0, 2).join('/')))
    expect(folders).toEqual(new Set(['packages/der', 'packages/evidence', 'packages/silicon', 'packages/trust']))
    expect(found.at(-1)).not.toMatch(/^packages\/evidence\//)
  })

  it('lets slow tests see only what the others let live', () => {
    expect(slowLast(['a', 'b', 'c', 'd'], { a: 500, b: 100, d: 120 })).toEqual(['b', 'c', 'd', 'a'])
    expect(slowLast(['a', 'b'], {})).toEqual(['a', 'b'])
  })

  it('takes sources, not tests', () => {
    const found = sourcesOf(root, ['packages/release-policy/src'])
    expect(found).toContain('packages/release-policy/src/lint.ts')
    expect(found.filter((path) => path.includes('.test.'))).toEqual([])
    expect(() => sourcesOf(root, ['packages/nothing'])).toThrow('holds no source')
    const test = 'packages/release-policy/src/lint.test.ts'
    expect(() => sourcesOf(root, ['packages/release-policy/src/lint.ts', test])).toThrow(`${test} is not a source`)
  })
})
