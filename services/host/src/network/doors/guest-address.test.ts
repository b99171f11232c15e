import { isIPv4 } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { guestAddress } from './guest-address.ts'

describe('the address of a guest', () => {
  it('is of the loopback, never the host’s own, and the same however the id is written', () => {
    fc.assert(
      fc.property(fc.uuid(), (vmId) => {
        const address = guestAddress(vmId)
        expect(isIPv4(address)).toBe(true)
        expect(address).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.[1-9]\d*$/)
        expect(guestAddress(vmId.toUpperCase())).toBe(address)
      }),
    )
  })

  it('is another one for another VM', () => {
    const addresses = Array.from({ length: 100 }, (_, n) =>
      guestAddress(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
    )
    expect(new Set(addresses).size).toBe(100)
  })
})
