import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VerificationCache } from './verification-cache.ts'

const parse = (text: string): { text: string } => ({ text })

describe('room in a verification cache', () => {
  it('is made by what nobody used, however old the used is', () => {
    const cache = new VerificationCache({ maximumEntries: 3 })
    const first = cache.parsedText('chain', 'first', parse)
    for (let other = 0; other < 100; other++) {
      expect(cache.parsedText('chain', 'first', parse)).toBe(first)
      cache.parsedText('chain', `other ${other}`, parse)
    }
    expect(cache.entries).toBe(3)
  })

  it('is made by what was used, where all were', () => {
    const cache = new VerificationCache({ maximumEntries: 2 })
    const values = ['a', 'b'].map((text) => cache.parsedText('chain', text, parse))
    for (const text of ['a', 'b']) cache.parsedText('chain', text, parse)
    const third = cache.parsedText('chain', 'c', parse)
    expect(cache.parsedText('chain', 'c', parse)).toBe(third)
    expect(cache.parsedText('chain', 'a', parse)).not.toBe(values[0])
  })

  it('never lacks, and no input gets the value of another', () => {
    const input = fc.record({
      kind: fc.constantFrom('key', 'crl'),
      bytes: fc.uint8Array({ maxLength: 6 }),
      text: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.nat(4), fc.nat(12), fc.array(input), (maximumEntries, maximumBytes, inputs) => {
        const cache = new VerificationCache({ maximumEntries, maximumBytes })
        for (const { kind, bytes, text } of inputs) {
          const spelt = `${kind} ${bytes.join()}`
          const value = text
            ? cache.parsedText(kind, spelt, (given) => ({ spelt: given }))
            : cache.parsed(kind, bytes, (given) => ({ spelt: `${kind} ${given.join()}` }))
          expect(value.spelt).toBe(spelt)
          expect(cache.entries).toBeLessThanOrEqual(maximumEntries)
          expect(cache.bytes).toBeLessThanOrEqual(maximumBytes)
        }
      }),
    )
  })
})
