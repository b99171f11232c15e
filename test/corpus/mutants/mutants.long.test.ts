import { describe, expect, it } from 'vitest'
import { corpusCases } from './corpus-cases.ts'
import { runMutants, table } from './mutants.ts'
import { ownCases } from './own-cases.ts'

describe('a hundred thousand changed files', { timeout: 3 * 3_600_000 }, () => {
  it('are refused, or differ in what is named as unused', async () => {
    const cases = [...(await ownCases()), ...(await corpusCases())]
    const result = await runMutants(cases, { first: 1, count: 100_000 })
    process.stderr.write(`${table(result)}\n`)
    expect(result.unexplained).toEqual([])
  })
})
