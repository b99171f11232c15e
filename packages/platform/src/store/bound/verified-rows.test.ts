import { describe, expect, it } from 'vitest'
import { VerifiedRows } from './verified-rows.ts'

const row = (text: string, mac = 'code'): { text: string; mac: string; share: bigint } => ({ text, mac, share: 7n })

describe('rows that were verified', () => {
  it('are known by key, code and text together', () => {
    const known = new VerifiedRows()
    known.set('key', row('text'))
    expect(known.find('key', 'code', 'text')).toEqual(row('text'))
    expect(known.find('key', 'code', 'tex')).toBeUndefined()
    expect(known.find('key', 'other', 'text')).toBeUndefined()
    expect(known.find('key', undefined, 'text')).toBeUndefined()
    expect(known.find('other', 'code', 'text')).toBeUndefined()
  })

  it('are kept in their latest state alone', () => {
    const known = new VerifiedRows()
    for (let n = 0; n < 100; n++) known.set('key', row('x'.repeat(40), `${n}`))
    expect(known.characters).toBe(40)
    expect(known.find('key', '99', 'x'.repeat(40))).toBeDefined()
    expect(known.find('key', '98', 'x'.repeat(40))).toBeUndefined()
  })

  it('are kept from the second time on that they are read', () => {
    const known = new VerifiedRows()
    const isKnown = (mac: string): boolean => known.find(mac, mac, 'text') !== undefined
    for (const mac of ['AAAA', 'BBBB', 'AAAA']) known.setIfSeen(mac, row('text', mac))
    expect(['AAAA', 'BBBB'].map(isKnown)).toEqual([true, false])
    // Another row in its place: it is verified once more.
    for (const mac of ['CDAA', 'CDBB', 'CDAA']) known.setIfSeen(mac, row('text', mac))
    expect(isKnown('CDAA')).toBe(false)
    known.setIfSeen('CDAA', row('text', 'CDAA'))
    expect(isKnown('CDAA')).toBe(true)
  })

  it('make room for later ones, the oldest first, however often a row changes', () => {
    const known = new VerifiedRows(100)
    for (let n = 0; n < 1000; n++) known.set(`${n % 7}`, row('x'.repeat(1 + (n % 40))))
    expect(known.characters).toBeLessThanOrEqual(100)
    for (const name of ['a', 'b', 'c']) known.set(name, row(name.repeat(40)))
    const isKnown = (name: string): boolean => known.find(name, 'code', name.repeat(40)) !== undefined
    expect(['a', 'b', 'c'].map(isKnown)).toEqual([false, true, true])
    known.set('larger than all', row('y'.repeat(101)))
    expect(known.find('larger than all', 'code', 'y'.repeat(101))).toBeUndefined()
    expect(isKnown('c')).toBe(true)
    expect(known.characters).toBe(80)
  })
})
