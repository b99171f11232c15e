import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
} from '../../testing/test-plane.ts'

const location = 'westeurope'
const other = `/subscriptions/${subscriptionId}/resourceGroups/other`
const rounds = Array.from({ length: 12 }, (_, index) => index)

/** Creations lock their group; these requests meet at one resource from two groups, or from none. */
describeStores('requests that come at once', (open) => {
  const withPlane = async (work: (plane: TestPlane) => Promise<void>): Promise<void> => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    try {
      await makeNetwork(plane, 'vm1')
      await plane.send('PUT', other, { location })
      await work(plane)
    } finally {
      await plane.service.close()
    }
  }
  const subnet = (network: string): { id: string } => ({
    id: `${networkPath('virtualNetworks', network)}/subnets/default`,
  })

  it('leave an interface to the VM that takes it while it is written', async () => {
    await withPlane(async (plane) => {
      await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      for (const round of rounds) {
        const nic = networkPath('networkInterfaces', `n${round}`)
        const body = {
          location,
          properties: { ipConfigurations: [{ name: 'ip', properties: { subnet: subnet('vnet') } }] },
        }
        expect((await plane.send('PUT', nic, body)).status).toBe(201)
        const networkInterfaces = [{ id: nic, properties: { primary: true } }]
        const [taken] = await Promise.all([
          plane.send('PATCH', vmPath('vm1'), { properties: { networkProfile: { networkInterfaces } } }),
          ...['a', 'b', 'c'].map(async (tag) => await plane.send('PUT', nic, { ...body, tags: { tag } })),
        ])
        if (taken.status !== 200) continue
        expect((await plane.send('GET', nic)).body.properties.virtualMachine, `${round}`).toEqual({ id: vmPath('vm1') })
      }
    })
  })

  it('give an interface no subnet that is deleted meanwhile', async () => {
    await withPlane(async (plane) => {
      for (const round of rounds) {
        const network = networkPath('virtualNetworks', `net${round}`)
        const properties = {
          addressSpace: { addressPrefixes: ['10.1.0.0/16'] },
          subnets: [{ name: 'default', properties: { addressPrefix: '10.1.0.0/24' } }],
        }
        await plane.send('PUT', network, { location, properties })
        const nic = `${other}/providers/Microsoft.Network/networkInterfaces/n${round}`
        const ipConfigurations = [{ name: 'ip', properties: { subnet: subnet(`net${round}`) } }]
        const [made, deleted] = await Promise.all([
          plane.send('PUT', nic, { location, properties: { ipConfigurations } }),
          plane.send('DELETE', network),
        ])
        expect([made.status === 201, deleted.status === 200].filter(Boolean), `${round}`).toHaveLength(1)
      }
    })
  })

  it('make a subnet once, and each rule of a security group', async () => {
    await withPlane(async (plane) => {
      for (const round of rounds) {
        const path = `${networkPath('virtualNetworks', 'vnet')}/subnets/s${round}`
        const body = { properties: { addressPrefix: `10.0.${round + 1}.0/24` } }
        const replies = await Promise.all([1, 2, 3].map(async () => await plane.send('PUT', path, body)))
        expect(
          replies.map(({ status }) => status).toSorted((a, b) => a - b),
          `${round}`,
        ).toEqual([200, 200, 201])
        const rules = [1, 2, 3].map(async (each) => {
          const rule = `${networkPath('networkSecurityGroups', 'vm1NSG')}/securityRules/r${round}-${each}`
          const ports = {
            sourcePortRange: '*',
            destinationPortRange: '22',
            sourceAddressPrefix: '*',
            destinationAddressPrefix: '*',
          }
          const properties = {
            priority: 100 + 10 * round + each,
            direction: 'Inbound',
            access: 'Allow',
            protocol: 'Tcp',
            ...ports,
          }
          return (await plane.send('PUT', rule, { properties })).status
        })
        expect(await Promise.all(rules)).toEqual([201, 201, 201])
      }
    })
  })
})
