import { expect, it } from 'vitest'
import { largestBelow } from './limit.ts'

let before: unknown = 'nothing ran before'

it('leaves something behind', () => {
  before = 9
})

it('fails by itself whatever the function does', () => {
  expect(largestBelow(10, [9])).toBe(before)
})
