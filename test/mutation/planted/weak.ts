import { expect, it } from 'vitest'
import { largestBelow } from './limit.ts'

it('runs the function and asks nothing about its edges', () => {
  expect(largestBelow(10, [1, 5])).toBeDefined()
})
