import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
} from '../../../testing/test-plane.ts'

/** The store, with the tables that queries read added to `read`. */
function watched(store: Store, read: string[]): Store {
  const db = store.db.withPlugin({
    transformQuery: ({ node }) => {
      if (node.kind === 'SelectQueryNode')
        read.push(
          ...[...JSON.stringify(node.from).matchAll(/"IdentifierNode","name":"(\w+)"/g)].map((found) => found[1]!),
        )
      return node
    },
    transformResult: async ({ result }) => await Promise.resolve(result),
  })
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = name === 'db' ? db : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describeStores('a list of VMs', (open) => {
  it('has the state of each where statusOnly asks for it, for which the host is asked once a page', async () => {
    const plane = await openTestPlane(await open())
    onTestFinished(async () => await plane.service.close())
    await makeNetwork(plane, 'vm1')
    expect((await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.error).toBeUndefined()
    const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/virtualMachines`
    const before = plane.wire.calls.length
    const listed = (await plane.send('GET', `${path}?statusOnly=true`)).body.value[0]
    const asked = plane.wire.calls.slice(before).map((call) => call.path)
    expect(asked.filter((each) => each.startsWith('/instances'))).toEqual(['/instances'])
    const { body } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect(listed.properties.instanceView).toEqual(body.properties.instanceView)
    expect(listed.properties.instanceView.statuses[1].code).toBe('PowerState/running')
    for (const query of ['', '?statusOnly=false'])
      expect((await plane.send('GET', `${path}${query}`)).body.value[0].properties.instanceView).toBeUndefined()
  })

  it('has planned moves and fault domains from one query each, however many VMs there are', async () => {
    const read: string[] = []
    const store = await open()
    const plane = await openTestPlane(store, undefined, { compute: 'simulated', store: watched(store, read) })
    onTestFinished(async () => await plane.service.close())
    const set = `${group}/providers/Microsoft.Compute/availabilitySets/web`
    for (const name of ['vm1', 'vm2', 'vm3']) await makeNetwork(plane, name)
    await plane.send('PUT', set, {
      location: 'westeurope',
      sku: { name: 'Aligned' },
      properties: { platformFaultDomainCount: 2 },
    })
    for (const name of ['vm1', 'vm2', 'vm3']) {
      const request = vmRequest(name)
      const body = { ...request, properties: { ...request.properties, availabilitySet: { id: set } } }
      expect((await plane.run('PUT', vmPath(name), body)).operation.error).toBeUndefined()
    }
    read.length = 0
    const { body } = await plane.send('GET', `${group}/providers/Microsoft.Compute/virtualMachines?statusOnly=true`)
    expect(body.value.map((vm: Loose) => vm.properties.instanceView.platformFaultDomain)).toEqual([0, 0, 0])
    expect(read.filter((table) => ['planned_move', 'placement'].includes(table)).toSorted()).toEqual([
      'placement',
      'planned_move',
    ])
  })
})
