import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contains, formatAddress, isUsable, overlaps, parseAddress, parseCidr } from './cidr.ts'

describe('IPv4 networks', () => {
  it('take every address there and back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (address) => {
        expect(parseAddress(formatAddress(address))).toBe(address)
      }),
    )
  })

  it.each(['10.0.0', '10.0.0.256', '10.0.0.01', '10.0.0.0.1', ' 10.0.0.1', '10.0.0.-1', ''])(
    'refuse the address %j',
    (text) => {
      expect(parseAddress(text)).toBeUndefined()
    },
  )

  it.each(['10.0.0.0', '10.0.0.1/24', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/24/1'])(
    'refuse the network %j',
    (text) => {
      expect(parseCidr(text)).toBeUndefined()
    },
  )

  it('know what lies inside and what overlaps', () => {
    const wide = parseCidr('10.0.0.0/16')!
    const narrow = parseCidr('10.0.3.0/24')!
    expect(contains(wide, narrow)).toBe(true)
    expect(contains(narrow, wide)).toBe(false)
    expect(overlaps(narrow, parseCidr('10.0.3.128/25')!)).toBe(true)
    expect(overlaps(narrow, parseCidr('10.0.4.0/24')!)).toBe(false)
  })

  it('keep five addresses of a subnet back, as Azure does', () => {
    const network = parseCidr('10.0.0.0/29')!
    const usable = [0, 1, 2, 3, 4, 5, 6, 7].filter((offset) => isUsable(network, network.first + offset))
    expect(usable).toEqual([4, 5, 6])
  })

  it('never throw, whatever the text', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseCidr(text)))
  })
})
