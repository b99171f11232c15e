import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
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

describe('a verification cache', () => {
  const read = (bytes: Uint8Array): { bytes: Uint8Array } => ({ bytes })

  it.each([
    [{ maximumEntries: -1 }, '-1'],
    [{ maximumBytes: -1 }, '-1'],
    [{ maximumEntries: 1.5 }, '1.5'],
    [{ maximumBytes: Number.NaN }, 'NaN'],
    [{ maximumBytes: Number.POSITIVE_INFINITY }, 'Infinity'],
  ])('has limits that are numbers from 0, not %j', (limits, found) => {
    expect(() => new VerificationCache(limits)).toThrow(expect.objectContaining({ code: 'InvalidValue', found }))
  })

  it('parses the same bytes once, and keeps a copy that nobody else holds', () => {
    const cache = new VerificationCache()
    const parse = vi.fn(read)
    const bytes = Uint8Array.of(1, 2, 3)
    const value = cache.parsed('crl', bytes, parse)
    expect(cache.parsed('crl', Uint8Array.of(1, 2, 3), parse)).toBe(value)
    expect(parse).toHaveBeenCalledTimes(1)
    bytes[0] = 9
    expect(value.bytes).toEqual(Uint8Array.of(1, 2, 3))
    expect(cache.parsed('crl', bytes, parse).bytes).toEqual(Uint8Array.of(9, 2, 3))
    expect([cache.entries, cache.bytes]).toEqual([2, 6])
    cache.clear()
    expect([cache.entries, cache.bytes]).toEqual([0, 0])
    expect(cache.parsed('crl', Uint8Array.of(1, 2, 3), parse)).not.toBe(value)
  })

  it('gives no kind the value of another', () => {
    const cache = new VerificationCache()
    const bytes = Uint8Array.of(1)
    expect(cache.parsed('key', bytes, read)).not.toBe(cache.parsed('crl', bytes, read))
    const text = cache.parsedText('chain', 'x', parse)
    expect(cache.parsedText('chain', 'x', parse)).toBe(text)
    const other = cache.parsedText('tcbInfo', 'x', (given) => ({ text: `other ${given}` }))
    expect(other.text).toBe('other x')
  })

  it('gives a text nothing of the bytes in whose place it stands', () => {
    const cache = new VerificationCache()
    const bytes = cache.parsed('crl', Uint8Array.of(1), read)
    const place = `crl 1 ${Math.imul(0x811c9dc5 ^ 1, 0x01000193) >>> 0}`
    expect(cache.parsedText('crl', place, parse)).toEqual({ text: place })
    // It took that slot, as two inputs with one hash do.
    expect(cache.entries).toBe(1)
    expect(cache.parsed('crl', Uint8Array.of(1), read)).not.toBe(bytes)
  })

  it('tells inputs apart that one place is meant for', () => {
    // Only the last 64 bytes choose the slot.
    const cache = new VerificationCache()
    const inputs = [1, 2].map((value) => Uint8Array.from({ length: 100 }, (_, index) => (index === 0 ? value : 7)))
    for (const time of [1, 2, 3])
      for (const input of inputs) expect(cache.parsed('crl', input, read).bytes[0], `${time}`).toBe(input[0])
    expect([cache.entries, cache.bytes]).toEqual([1, 100])
  })

  it('keeps nothing that is larger than it, and nothing where it may hold none', () => {
    for (const [limits, kept] of [
      [{ maximumBytes: 3 }, 1],
      [{ maximumBytes: 2 }, 0],
      [{ maximumEntries: 0 }, 0],
      [{ maximumEntries: 1 }, 1],
    ] as const) {
      const cache = new VerificationCache(limits)
      expect(cache.parsed('crl', Uint8Array.of(1, 2, 3), read).bytes).toHaveLength(3)
      expect(cache.entries).toBe(kept)
      expect(cache.bytes).toBe(3 * kept)
    }
  })

  it('counts what it keeps for having been used', () => {
    const cache = new VerificationCache({ maximumEntries: 2 })
    const inputs = [1, 2, 3].map((length) => new Uint8Array(length))
    for (const input of [...inputs.slice(0, 2), ...inputs.slice(0, 2)]) cache.parsed('crl', input, read)
    cache.parsed('crl', inputs[2]!, read)
    expect([cache.entries, cache.bytes]).toEqual([2, 2 + 3])
  })

  it('makes room by bytes, the oldest first', () => {
    const cache = new VerificationCache({ maximumBytes: 6 })
    const values = [1, 2, 3].map((value) => cache.parsed('crl', Uint8Array.of(value, 0), read))
    cache.parsed('crl', Uint8Array.of(4, 0), read)
    expect(cache.parsed('crl', Uint8Array.of(3, 0), read)).toBe(values[2])
    expect(cache.parsed('crl', Uint8Array.of(2, 0), read)).toBe(values[1])
    expect([cache.entries, cache.bytes]).toEqual([3, 6])
  })

  it('remembers a fact about its own values, and no refusal', async () => {
    const cache = new VerificationCache()
    const [owner, about] = [1, 2].map((value) => cache.parsed('crl', Uint8Array.of(value), read)) as [object, object]
    for (const [answers, calls] of [
      [[true, true], 1],
      [['x', 'x'], 1],
      [[false, false], 2],
      [[undefined, undefined], 2],
    ] as const) {
      const fresh = cache.parsed('key', Uint8Array.of(calls, String(answers[0]).length), read)
      const find = vi.fn(() => answers[0])
      for (const answer of answers) expect(await cache.fact(fresh, about, find)).toBe(answer)
      expect(find, String(answers[0])).toHaveBeenCalledTimes(calls)
    }
    for (const [one, other] of [
      [{}, about],
      [owner, {}],
    ] as const) {
      const find = vi.fn(() => true)
      await cache.fact(one, other, find)
      await cache.fact(one, other, find)
      expect(find).toHaveBeenCalledTimes(2)
    }
    const part = {}
    cache.own(part)
    const find = vi.fn(() => true)
    await cache.fact(owner, part, find)
    await cache.fact(owner, part, find)
    await cache.fact(owner, about, find)
    await cache.fact(owner, about, find)
    // A fact about one value is not a fact about the other.
    expect(find).toHaveBeenCalledTimes(2)
  })
})
