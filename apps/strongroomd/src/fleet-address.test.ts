import { describe, expect, it } from 'vitest'
import { fleetAddressOf, parseFleetAddress } from './fleet-address.ts'

describe('the address for hosts', () => {
  it.each(['10.0.0.1:8444', 'fleet.example.org:1', '[fd00::1]:65535'])('%s is one', (text) => {
    expect(fleetAddressOf(parseFleetAddress(text)!)).toBe(text)
  })

  it.each(['', '8444', ':8444', 'a:0', 'a:65536', 'a:b', 'fd00::1:8444', 'a:1:2', ' a:1', 'a:1\n'])(
    '%j is none',
    (text) => {
      expect(() => parseFleetAddress(text)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
    },
  )

  it('is absent where nothing is given', () => expect(parseFleetAddress(undefined)).toBeUndefined())
})
