import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { group, networkPath, type TestPlane } from '../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane()
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterAll(async () => await plane.close())

describe('an address prefix that is none', () => {
  it.each([
    ['10.0.0.0/33', /32 bits: \/33 is longer/, 'a prefix length from 0 to 32, for example /24'],
    ['10.0.0.9/24', /network's first address/, '10.0.0.0/24'],
    ['255.255.255.255/0', /network's first address/, '0.0.0.0/0'],
    ['10.0.0.0', /not an IPv4 address/, 'for example 10.0.0.0/16'],
    ['10.0.0/8', /not an IPv4 address/, 'for example 10.0.0.0/16'],
    ['10.0.0.0/-1', /not an IPv4 address/, 'for example 10.0.0.0/16'],
    ['::/64', /not an IPv4 address/, 'for example 10.0.0.0/16'],
  ])('is refused with what is wrong of it: %s', async (prefix, why, expected) => {
    const body = { location: 'westeurope', properties: { addressSpace: { addressPrefixes: [prefix] } } }
    const { error } = (await plane.send('PUT', networkPath('virtualNetworks', 'net'), body)).body
    expect([error.code, error.innererror.expected]).toEqual(['InvalidCIDRNotation', expected])
    expect(error.message).toMatch(why)
  })
})

describe('a size that no disk has', () => {
  it.each([0, -1, 32_768, '0', 1.5])('is refused with the range: %s', async (diskSizeGB) => {
    const path = `${group}/providers/Microsoft.Compute/disks/d`
    const body = { location: 'westeurope', properties: { creationData: { createOption: 'Empty' }, diskSizeGB } }
    const { error } = (await plane.send('PUT', path, body)).body
    expect([error.code, error.target]).toEqual(['InvalidParameter', 'properties.diskSizeGB'])
    expect(error.message).toMatch(/between '1' and '32767'/)
  })
})
