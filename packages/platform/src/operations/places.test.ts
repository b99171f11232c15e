import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { takePlaces } from './places.ts'

const line = (principal: string, count: number): { principal: string; n: number }[] =>
  Array.from({ length: count }, (_, n) => ({ principal, n }))
const taken = (waiting: { principal: string }[], running: Record<string, number> = {}): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { principal } of takePlaces(waiting, new Map(Object.entries(running))))
    counts[principal] = (counts[principal] ?? 0) + 1
  return counts
}

describe('places of operations', () => {
  it('are all of one principal’s where no other waits', () => {
    expect(taken(line('a', 100))).toEqual({ a: 16 })
    expect(taken(line('a', 100), { a: 10 })).toEqual({ a: 6 })
  })

  it('go to the principal with the fewest under way', () => {
    expect(taken([...line('a', 100), ...line('b', 100)])).toEqual({ a: 8, b: 8 })
    expect(taken([...line('a', 100), ...line('b', 100)], { a: 10 })).toEqual({ b: 6 })
  })

  it('are there for each principal, whoever fills what is shared, up to a bound for all (attack W5)', () => {
    expect(taken([...line('a', 100), ...line('b', 100)], { a: 16 })).toEqual({ b: 2 })
    const everyone = Array.from({ length: 200 }, (_, n) => line(`p${n}`, 3)).flat()
    expect(Object.values(taken(everyone))).toEqual(Array.from({ length: 128 }, () => 1))
  })

  it('are taken in the order of each principal’s own line', () => {
    const principals = fc.constantFrom('a', 'b', 'c', '')
    const waiting = fc.array(fc.record({ principal: principals }), { maxLength: 60 })
    const running = fc.dictionary(principals, fc.nat(20))
    fc.assert(
      fc.property(waiting, running, (all, counts) => {
        const numbered = all.map((each, n) => ({ ...each, n }))
        const chosen = takePlaces(numbered, new Map(Object.entries(counts)))
        for (const principal of new Set(all.map((each) => each.principal))) {
          const own = chosen.filter((each) => each.principal === principal)
          const first = numbered.filter((each) => each.principal === principal).slice(0, own.length)
          expect(own).toEqual(first)
          const has = (counts[principal] ?? 0) + own.length
          expect(has >= 2 || own.length === all.filter((each) => each.principal === principal).length).toBe(true)
        }
      }),
    )
  })
})
