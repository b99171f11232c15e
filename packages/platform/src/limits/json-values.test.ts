import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countJsonValues } from './json-values.ts'

/** Lists and objects, members, and values beside others of their list or object. */
function weigh(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const members = Object.values(value)
  const named = Array.isArray(value) ? 0 : 5 * members.length
  return 5 + named + Math.max(0, members.length - 1) + members.reduce<number>((sum, each) => sum + weigh(each), 0)
}

describe('the number of values of a JSON text', () => {
  it('is that of what parsing creates, and stops at the limit (attack W55)', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, spaced) => {
        const text = JSON.stringify(value, undefined, spaced ? 2 : undefined)
        const counted = countJsonValues(text, Number.MAX_SAFE_INTEGER)
        expect(counted).toBe(weigh(JSON.parse(text)))
        expect(countJsonValues(text, 1)).toBeLessThanOrEqual(Math.min(counted, 6))
      }),
    )
  })

  it('has none for signs in texts, behind any number of backslashes', () => {
    for (const inside of [',,,', '[[', '{:', String.raw`\",,`, String.raw`\\\",`, String.raw`\\`, '\u{1F512},'])
      expect([inside, countJsonValues(`["${inside}"]`, 100)]).toEqual([inside, 5])
    expect(countJsonValues('["a\\\\",1,2]', 100)).toBe(7)
    expect(countJsonValues('["unterminated,,,', 100)).toBe(5)
  })
})
