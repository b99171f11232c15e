import { afterEach, describe, expect, it, vi } from 'vitest'
import { spread, spreadTo } from './cases.ts'

afterEach(() => void vi.unstubAllEnvs())

describe('cases of one kind', () => {
  it('are all tried, but for npm test, which takes one of each few, the first among them', () => {
    vi.stubEnv('STRONGROOM_TEST_CASES', undefined)
    expect(spread(['a', 'b', 'c'], 2)).toEqual(['a', 'b', 'c'])
    expect(spreadTo(4, 3)).toEqual([0, 1, 2, 3])
    vi.stubEnv('STRONGROOM_TEST_CASES', 'few')
    expect(spread(['a', 'b', 'c'], 2)).toEqual(['a', 'c'])
    expect(spreadTo(4, 3)).toEqual([0, 3])
  })

  it('touch every byte where each seventh bit is tried', () => {
    vi.stubEnv('STRONGROOM_TEST_CASES', 'few')
    expect(new Set(spreadTo(1184 * 8, 7).map((bit) => bit >> 3)).size).toBe(1184)
  })
})
