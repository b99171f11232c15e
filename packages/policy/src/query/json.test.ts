import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { weigh } from './json.ts'
import { QueryError } from './query-error.ts'
import { searchJson } from './search.ts'

const weightOf = (value: unknown): number => {
  let sum = 0
  weigh(value as null, (cost) => void (sum += cost))
  return sum
}
/** An eighth per value and per name, and a 128th per character of texts and names. */
const expected = (value: unknown): number => {
  if (typeof value === 'string') return 1 / 8 + value.length / 128
  if (typeof value !== 'object' || value === null) return 1 / 8
  return Object.entries(value).reduce(
    (sum, [name, item]) => sum + (Array.isArray(value) ? 0 : 1 / 8 + name.length / 128) + expected(item),
    1 / 8,
  )
}
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

describe('the weight of a value', () => {
  it('is that of its values, its texts and its names', () => {
    for (const value of [
      1,
      null,
      true,
      undefined,
      '',
      'x'.repeat(512),
      [],
      [1, [2]],
      {},
      { name: 'text', b: { c: null } },
    ])
      expect(weightOf(value)).toBeCloseTo(expected(value), 9)
    fc.assert(
      fc.property(fc.jsonValue(), (value) => Math.abs(weightOf(value) - expected(value)) < 1e-6),
      { numRuns: 50 },
    )
  })

  it('is charged as it is found, so that a budget ends it', () => {
    const charges: number[] = []
    weigh(Array.from({ length: 2_000 }, () => 1) as never, (cost) => void charges.push(cost))
    expect(charges.length).toBeGreaterThan(3)
    expect(charges.slice(0, -1).every((cost) => cost >= 64 && cost < 65)).toBe(true)
    expect(charges.reduce((sum, cost) => sum + cost, 0)).toBe(2_001 / 8)
  })

  it('is of nothing that is nested more than 200 deep', () => {
    expect(weightOf(nested(200))).toBe(201 / 8)
    expect(() => weightOf(nested(201))).toThrow(QueryError)
    let inObjects: unknown = 1
    for (let depth = 0; depth < 201; depth++) inObjects = { a: inObjects }
    expect(() => weightOf(inObjects)).toThrow(QueryError)
  })
})

describe('what a query costs', () => {
  const costOf = (query: string, document: unknown): number => {
    let sum = 0
    searchJson(query, document, (cost) => void (sum += cost))
    return sum
  }
  const list = Array.from({ length: 80 }, (_, at) => at)
  const answer = weightOf

  it.each<[string, unknown, number, string]>([
    ['@', 1, 1 + answer(1), 'a node, and what is printed'],
    ['a', { a: 'x'.repeat(512) }, 1 + answer('x'.repeat(512)), 'the answer alone, not what it was found in'],
    // Both operands, and each again as a literal of the comparison.
    ['a == b', { a: 1, b: 2 }, 1 + 2 + 2 + answer(false), 'operands that are simple'],
    [
      'a == b',
      { a: list, b: null },
      1 + 2 + 2 + answer(list) + answer(null) + answer(false),
      'operands that are lists',
    ],
    ['length(a)', { a: list }, 1 + 1 + answer(80), 'a function that looks at no value'],
    ['type(a)', { a: list }, 1 + 1 + answer('array'), 'a function that looks at no value'],
    ['not_null(a)', { a: list }, 1 + 1 + answer(list), 'a function that looks at no value'],
    ['sum(a)', { a: list }, 1 + 1 + answer(list) + answer(3160), 'a function that goes through its argument'],
    ['a[]', { a: [[1, 2], 3] }, 1 + 1 + 1 + 3 * 1 + 4 / 8 + answer([1, 2, 3]), 'a list that is flattened'],
    ['a[:1]', { a: list }, 1 + 1 + 1 + 1 + 80 / 8 + 1 + answer([0]), 'a slice, by the list that it is of'],
  ])('%s over %o', (query, document, cost) => {
    expect(costOf(query, document)).toBeCloseTo(cost, 6)
  })

  it('is nothing for a text that is joined too long', () => {
    const long = 'x'.repeat(1024)
    expect(() => searchJson('join(a, b)', { a: long, b: Array(1024).fill('') }, () => {})).not.toThrow()
    expect(() => searchJson('join(a, b)', { a: long, b: Array(1025).fill('') }, () => {})).toThrow(QueryError)
  })
})
