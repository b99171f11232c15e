import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesWildcards } from './wildcards.ts'

describe('a pattern with stars', () => {
  it.each<[string, string, boolean]>([
    ['*', '', true],
    ['*', 'a/b', true],
    ['a/*/read', 'a/b/c/read', true],
    ['a/*/read', 'a/read', false],
    ['a', 'ab', false],
    ['ab', 'a', false],
    ['*a*', 'bab', true],
    ['a**b', 'ab', true],
    ['a.c', 'abc', false],
    ['', '', true],
    ['', 'a', false],
  ])('%s against %s: %s', (pattern, text, fits) => expect(matchesWildcards(pattern, text)).toBe(fits))

  it('means the same as the regular expression of its stars', () => {
    const text = (letters: string[]): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 })
    fc.assert(
      fc.property(text(['a', 'b', '*']), text(['a', 'b']), (pattern, subject) => {
        const expression = new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`)
        expect(matchesWildcards(pattern, subject)).toBe(expression.test(subject))
      }),
      { numRuns: 2_000 },
    )
  })

  it('ends, however many stars nearly fit (attack W22)', () => {
    // A regular expression tries some 10¹³ ways to divide this text among the stars.
    expect(matchesWildcards(`${'*a'.repeat(30)}b`, `Microsoft.Compute/${'a'.repeat(90)}`)).toBe(false)
    expect(matchesWildcards(`${'*a'.repeat(2_000)}b`, 'a'.repeat(4_000))).toBe(false)
  })
})
