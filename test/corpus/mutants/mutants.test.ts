import { beforeAll, describe, expect, it } from 'vitest'
import type { Case } from './case.ts'
import { runMutants } from './mutants.ts'
import { ownCases } from './own-cases.ts'
import { cut } from './used.ts'

let cases: Case[]
beforeAll(async () => {
  cases = await ownCases()
})

describe('a file with a change that is still accepted', { timeout: 300_000 }, () => {
  it('differs in what is named as unused, or not in what is read (attack E27)', async () => {
    const { rows, unexplained } = await runMutants(cases, { first: 1, count: 400 })
    expect(unexplained).toEqual([])
    const accepted = Object.values(rows).reduce((sum, row) => sum + row.accepted, 0)
    expect(accepted).toBeGreaterThan(10)
    expect(rows.member.named).toBeGreaterThan(0)
    expect(rows.append.named).toBeGreaterThan(0)
  })
})

describe('what counts as used', () => {
  it('is every byte outside the ranges that are named', () => {
    const parts = [
      { of: 'f', what: 'x', ranges: [{ from: 1, length: 2 }] },
      { of: 'f', what: 'y', ranges: [{ from: 4, length: 1 }] },
    ]
    expect([...cut(Uint8Array.of(0, 1, 2, 3, 4, 5), parts)]).toEqual([0, 3, 5])
    expect([...cut(Uint8Array.of(7), [{ of: 'f', what: 'z' }])]).toEqual([7])
  })
})
