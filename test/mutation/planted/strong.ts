import { expect, it } from 'vitest'
import { largestBelow } from './limit.ts'

it('takes what is below the limit, and the largest of it, wherever it stands', () => {
  expect(largestBelow(10, [3, 9, 10, 11, 4])).toBe(9)
  expect(largestBelow(10, [10, 11])).toBeUndefined()
  expect(largestBelow(10, [])).toBeUndefined()
})
