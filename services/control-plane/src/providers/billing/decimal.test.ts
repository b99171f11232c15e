import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { add, fraction, parseDecimal, times, toText, zero } from './decimal.ts'

describe('exact amounts', () => {
  it('are read with the digits that a JSON number has, and written back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 9 }), fc.integer({ min: 0, max: 12 }), (whole, places) => {
        const value = whole / 10 ** places
        const parsed = parseDecimal(value)
        // More digits than a price may have are refused.
        if (parsed !== undefined) expect(Number(toText(parsed))).toBe(value)
      }),
    )
    expect([0.1, 1e-7, 0, 3.2].map((value) => toText(parseDecimal(value)!))).toEqual(['0.1', '0.0000001', '0', '3.2'])
    expect([-1, 1e21, 1e-13, Number.NaN, Infinity].map(parseDecimal)).toEqual(Array.from({ length: 5 }))
  })

  it('add up whatever the parts: a day cut anywhere costs what it costs whole', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(86_400_000), { maxLength: 20 }), fc.nat(10 ** 6), (cuts, price) => {
        const perMs = times(fraction(price, 1_000_000), fraction(1, 730 * 3_600_000))
        const whole = times(fraction(cuts.reduce((sum, cut) => sum + cut, 0)), perMs)
        const parts = cuts.map((cut) => times(fraction(cut), perMs)).reduce(add, zero)
        expect(parts).toEqual(whole)
      }),
    )
  })

  it('are rounded half up where they have no end', () => {
    expect([toText(fraction(2, 3), 4), toText(fraction(1, 8), 2), toText(fraction(5), 0)]).toEqual([
      '0.6667',
      '0.13',
      '5',
    ])
  })
})
