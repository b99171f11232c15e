import { describe, expect, it } from 'vitest'
import { VerifiedTexts } from './verified-texts.ts'

describe('rows that were verified', () => {
  it('are known by code and text together', () => {
    const known = new VerifiedTexts()
    known.add('code', 'text')
    expect(known.has('code', 'text')).toBe(true)
    expect(known.has('code', 'tex')).toBe(false)
    expect(known.has('other', 'text')).toBe(false)
  })

  it('make room for later ones, the oldest first, however often a row changes', () => {
    const known = new VerifiedTexts(100)
    for (let n = 0; n < 1000; n++) known.add(`${n % 7}`, 'x'.repeat(1 + (n % 40)))
    expect(known.characters).toBeLessThanOrEqual(100)
    for (const name of ['a', 'b', 'c']) known.add(name, name.repeat(40))
    expect(['a', 'b', 'c'].map((name) => known.has(name, name.repeat(40)))).toEqual([false, true, true])
    known.add('larger than all', 'y'.repeat(101))
    expect(known.has('larger than all', 'y'.repeat(101))).toBe(false)
    expect(known.has('c', 'c'.repeat(40))).toBe(true)
    expect(known.characters).toBe(80)
  })
})
