import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { furtherInterfaceArguments, subnetFor } from './further-interface.ts'

const quad = (address: number): string => [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.')

describe('the network of a further interface', () => {
  it('has every address that Azure gives out, and no other, with gateway and name server beside it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 29 }), fc.nat(), fc.nat(), (bits, network, host) => {
        const size = 2 ** (32 - bits)
        const first = (network % 2 ** bits) * size
        const offset = host % size
        const subnet = subnetFor({ privateIpAddress: quad(first + offset), subnetPrefix: `${quad(first)}/${bits}` })
        expect(subnet !== undefined).toBe(offset >= 4 && offset < size - 1)
        if (subnet !== undefined) expect(new Set(Object.values(subnet)).size).toBe(4)
      }),
    )
  })

  it('comes from nothing but addresses: no text opens an option of QEMU’s', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (privateIpAddress, subnetPrefix) => {
        const subnet = subnetFor({ privateIpAddress, subnetPrefix })
        if (subnet === undefined) return
        for (const text of Object.values(subnet)) expect(text).toMatch(/^[\d./]+$/)
      }),
    )
    const broken = { macAddress: '02:53:52:aa:bb:cc', privateIpAddress: '10.0.0.4', subnetPrefix: '' }
    expect(() => furtherInterfaceArguments([broken])).toThrow(TypeError)
  })
})
