import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
} from '../../../testing/test-plane.ts'

const setPath = (name: string): string => `${group}/providers/Microsoft.Compute/availabilitySets/${name}`
const managed = { location: 'westeurope', sku: { name: 'Aligned' }, properties: { platformFaultDomainCount: 2 } }

async function open(store: Parameters<typeof openTestPlane>[0]): Promise<TestPlane> {
  const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  return plane
}

const inSet = (name: string, id: string, more: object = {}): unknown => {
  const request = vmRequest(name)
  return { ...request, ...more, properties: { ...request.properties, availabilitySet: { id } } }
}

describeStores('an availability set', (store) => {
  it('shows the VMs that name it, keeps its domains, and stays as long as it has VMs', async () => {
    const plane = await open(await store())
    try {
      const made = await plane.send('PUT', setPath('set1'), managed)
      expect([made.status, made.body.sku, made.body.properties]).toEqual([
        201,
        { name: 'Aligned' },
        { platformFaultDomainCount: 2, platformUpdateDomainCount: 5, virtualMachines: [] },
      ])
      const { operation } = await plane.run('PUT', vmPath('vm1'), inSet('vm1', setPath('SET1')))
      expect(operation.status).toBe('Succeeded')
      expect((await plane.send('GET', vmPath('vm1'))).body.properties.availabilitySet).toEqual({ id: setPath('set1') })
      expect((await plane.send('GET', setPath('set1'))).body.properties.virtualMachines).toEqual([
        { id: vmPath('vm1') },
      ])

      const used = await plane.send('DELETE', setPath('set1'))
      expect([used.status, used.body.error.code]).toEqual([409, 'OperationNotAllowed'])
      const fixed = await plane.send('PATCH', setPath('set1'), { properties: { platformFaultDomainCount: 3 } })
      expect([fixed.status, fixed.body.error.code]).toEqual([409, 'PropertyChangeNotAllowed'])
      expect((await plane.send('PATCH', setPath('set1'), { tags: { a: 'b' } })).body.tags).toEqual({ a: 'b' })
      // A VM is written back unchanged as it was read, as azurerm and az vm update do; it cannot be moved to another set.
      expect((await plane.send('PUT', vmPath('vm1'), inSet('vm1', setPath('set1')))).status).toBe(200)
      await plane.send('PUT', setPath('set2'), managed)
      const moved = await plane.send('PUT', vmPath('vm1'), inSet('vm1', setPath('set2')))
      expect([moved.status, moved.body.error.target]).toEqual([409, 'availabilitySet.id'])

      await plane.run('DELETE', vmPath('vm1'))
      expect((await plane.send('DELETE', setPath('set1'))).status).toBe(200)
    } finally {
      await plane.service.close()
    }
  })

  it('goes with its group after its VMs', async () => {
    const plane = await open(await store())
    try {
      await plane.send('PUT', setPath('set1'), managed)
      await plane.run('PUT', vmPath('vm1'), inSet('vm1', setPath('set1')))
      expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
      expect((await plane.send('GET', group)).status).toBe(404)
    } finally {
      await plane.service.close()
    }
  })

  it('takes no VM of a zone, of another region or group, or while it is Classic, and none by a name that leads nowhere', async () => {
    const plane = await open(await store())
    try {
      await plane.send('PUT', setPath('set1'), managed)
      await plane.send('PUT', setPath('north'), { ...managed, location: 'northeurope' })
      await plane.send('PUT', setPath('classic'), { location: 'westeurope' })
      const other = group.replace('rg1', 'rg2')
      await plane.send('PUT', other, { location: 'westeurope' })
      const foreign = setPath('set1').replace('rg1', 'rg2')
      await plane.send('PUT', foreign, managed)
      for (const [id, more, status, code] of [
        [setPath('set1'), { zones: ['1'] }, 400, 'BadRequest'],
        [setPath('north'), {}, 400, 'InvalidParameter'],
        [setPath('classic'), {}, 409, 'OperationNotAllowed'],
        [foreign, {}, 400, 'InvalidParameter'],
        [setPath('none'), {}, 400, 'InvalidResourceReference'],
        [vmPath('vm1'), {}, 400, 'InvalidResourceReference'],
      ] as const) {
        const refused = await plane.send('PUT', vmPath('vm1'), inSet('vm1', id, more))
        expect([refused.status, refused.body.error.code], id).toEqual([status, code])
      }
      const aligned = await plane.send('PUT', setPath('classic'), { location: 'westeurope', sku: { name: 'Aligned' } })
      expect(aligned.body.sku).toEqual({ name: 'Aligned' })
      expect((await plane.send('PUT', vmPath('vm1'), inSet('vm1', setPath('classic')))).status).toBe(201)
      const back = await plane.send('PATCH', setPath('classic'), { sku: { name: 'Classic' } })
      expect(back.body.error.code).toBe('PropertyChangeNotAllowed')
    } finally {
      await plane.service.close()
    }
  })

  it('is not joined by whoever may not see it', async () => {
    const plane = await open(await store())
    try {
      await plane.send('PUT', setPath('set1'), managed)
      const outsider = '0f2a9f3e-0000-4000-8000-00000000dddd'
      const role = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/0f2a9f3e-0000-4000-8000-00000000cccc`
      const actions = ['Microsoft.Compute/virtualMachines/*', 'Microsoft.Network/networkInterfaces/*']
      const properties = {
        roleName: 'VMs alone',
        type: 'CustomRole',
        assignableScopes: [group],
        permissions: [{ actions }],
      }
      expect((await plane.send('PUT', role, { properties })).status).toBeLessThan(300)
      const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
      await plane.send('PUT', assignment, {
        properties: { roleDefinitionId: role, principalId: outsider, principalType: 'ServicePrincipal' },
      })
      const refused = await plane.send('PUT', vmPath('vm1'), inSet('vm1', setPath('set1')), { as: outsider })
      expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed'])
      expect((await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'), { as: outsider })).status).toBe(201)
    } finally {
      await plane.service.close()
    }
  })
})
