import type { ReleaseCondition } from '@strongroom/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failedConditions } from './evaluate.ts'

const holds = (condition: ReleaseCondition, claims: Record<string, unknown>): boolean =>
  failedConditions(condition, claims).length === 0
const leaf = (claim: string, equals: string | number | boolean): ReleaseCondition => ({ claim, equals })

describe('evaluating conditions', () => {
  it('walks objects by the parts of the claim', () => {
    expect(holds(leaf('a.b.c', 'x'), { a: { b: { c: 'x' } } })).toBe(true)
    expect(holds(leaf('a.b.c', 'x'), { 'a.b.c': 'x' })).toBe(false)
  })

  it('takes no value of another type for equal', () => {
    for (const [expected, actual] of [
      [1, '1'],
      ['1', 1],
      [true, 'true'],
      ['true', true],
      [true, 1],
      [0, false],
      [0, ''],
      ['', null],
      ['a', ['a']],
      ['[object Object]', {}],
    ] as const) {
      expect(holds(leaf('a', expected), { a: actual })).toBe(false)
    }
  })

  it('takes an absent claim for false, whatever it is compared with', () => {
    for (const expected of ['undefined', 'null', '', 0, false]) {
      expect(holds(leaf('a', expected), {})).toBe(false)
      expect(holds(leaf('a.b', expected), { a: 'b' })).toBe(false)
      expect(holds(leaf('a.b', expected), { a: null })).toBe(false)
    }
  })

  it('orders numbers and nothing else', () => {
    const met = (condition: object, d: unknown): boolean =>
      holds({ claim: 'c.d', ...condition } as ReleaseCondition, { c: { d } })
    const orders = { less: [1], lessOrEquals: [1, 2], greaterOrEquals: [2, 3], greater: [3] }
    for (const [operator, those] of Object.entries(orders)) {
      for (const d of [1, 2, 3])
        expect([operator, d, met({ [operator]: 2 }, d)]).toEqual([operator, d, those.includes(d)])
      for (const d of ['1', '2', '3', true, null, undefined, [2], { d: 2 }, 2 ** 60, -(2 ** 60)])
        expect([operator, d, met({ [operator]: 2 }, d)]).toEqual([operator, d, false])
    }
  })

  it('takes another type for neither equal nor unequal', () => {
    const unequal = (notEquals: string | number | boolean, a: unknown): boolean =>
      holds({ claim: 'a', notEquals }, { a })
    expect([unequal('x', 'y'), unequal(true, false), unequal(1, 2)]).toEqual([true, true, true])
    // Otherwise "debuggable is not "true"" would hold for a debuggable VM.
    for (const [asked, a] of [
      ['true', true],
      [true, 'false'],
      [1, '2'],
      ['x', null],
      ['x', ['y']],
      ['x', undefined],
    ] as const)
      expect([asked, a, unequal(asked, a)]).toEqual([asked, a, false])
    expect(unequal('x', 'x')).toBe(false)
  })

  it('finds a claim absent only where it could have been', () => {
    const absent = (claims: Record<string, unknown>): boolean => holds({ claim: 'a.b', exists: false }, claims)
    expect([absent({}), absent({ a: {} })]).toEqual([true, true])
    for (const a of [{ b: 1 }, { b: null }, { b: undefined }, ['b'], 'b', null, 7])
      expect([a, absent({ a })]).toEqual([a, false])
    const there = (claims: Record<string, unknown>): boolean => holds({ claim: 'a.b', exists: true }, claims)
    expect([there({ a: { b: 0 } }), there({ a: { b: {} } })]).toEqual([true, true])
    expect([there({}), there({ a: {} }), there({ a: { b: null } }), there({ a: ['b'] })]).toEqual(Array(4).fill(false))
  })

  it('finds neither what objects inherit nor entries and lengths of lists', () => {
    expect(holds(leaf('constructor.name', 'Object'), {})).toBe(false)
    expect(holds(leaf('__proto__.a', 1), JSON.parse('{"b":1}') as Record<string, unknown>)).toBe(false)
    expect(holds(leaf('a.length', 1), { a: ['x'] })).toBe(false)
    expect(holds(leaf('a.0', 'x'), { a: ['x'] })).toBe(false)
    expect(holds(leaf('a.length', 1), { a: 'x' })).toBe(false)
  })

  it('says every condition that stood in the way, with what was there', () => {
    const failed = failedConditions(
      { allOf: [leaf('a', 1), leaf('b', 2), { anyOf: [leaf('c', 3), leaf('d', 4)] }] },
      { a: 1, b: 7, d: 5 },
    )
    expect(failed).toEqual([
      { claim: 'b', operator: 'equals', expected: 2, actual: 7 },
      { claim: 'c', operator: 'equals', expected: 3, actual: undefined },
      { claim: 'd', operator: 'equals', expected: 4, actual: 5 },
    ])
  })

  it('takes an empty list for false', () => {
    expect(holds({ allOf: [] }, {})).toBe(false)
    expect(holds({ anyOf: [] }, {})).toBe(false)
    expect(failedConditions({ allOf: [] }, { '': true })).toEqual([
      { claim: '', operator: 'equals', expected: true, actual: undefined },
    ])
  })

  it('agrees with logic for any nesting', () => {
    const tree: fc.Arbitrary<ReleaseCondition> = fc.letrec<{ node: ReleaseCondition }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.record({ claim: fc.constantFrom('a', 'b', 'c'), equals: fc.boolean() }),
        fc.record({ allOf: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
        fc.record({ anyOf: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
      ),
    })).node
    const claims = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.boolean())
    const model = (node: ReleaseCondition, values: Record<string, boolean>): boolean =>
      'claim' in node
        ? 'equals' in node && values[node.claim] === node.equals
        : 'allOf' in node
          ? node.allOf.every((entry) => model(entry, values))
          : node.anyOf.some((entry) => model(entry, values))
    fc.assert(fc.property(tree, claims, (node, values) => holds(node, values) === model(node, values)))
  })
})
