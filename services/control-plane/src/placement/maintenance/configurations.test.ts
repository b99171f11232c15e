import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
} from '../../testing/test-plane.ts'

const path = (name: string): string => `${group}/providers/Microsoft.Maintenance/maintenanceConfigurations/${name}`
const assignment = (vm: string, name: string): string =>
  `${vmPath(vm)}/providers/Microsoft.Maintenance/configurationAssignments/${name}`
const maintenanceWindow = {
  startDateTime: '2026-12-01 22:00',
  duration: '03:00',
  timeZone: 'UTC',
  recurEvery: 'Week Saturday',
}
const configuration = { location: 'westeurope', properties: { maintenanceScope: 'Host', maintenanceWindow } }
const assigned = (name: string): object => ({
  location: 'westeurope',
  properties: { maintenanceConfigurationId: path(name) },
})

describeStores('a maintenance configuration', (open) => {
  const start = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    onTestFinished(async () => await plane.service.close())
    await plane.send('PUT', group, { location: 'westeurope' })
    return plane
  }

  it('keeps its window, which a PUT replaces and a PATCH leaves', async () => {
    const plane = await start()
    const made = await plane.send('PUT', path('nights'), configuration)
    expect([made.status, made.body.type, made.body.properties]).toEqual([
      201,
      'Microsoft.Maintenance/maintenanceConfigurations',
      { maintenanceScope: 'Host', visibility: 'Custom', extensionProperties: {}, maintenanceWindow },
    ])
    const tagged = await plane.send('PATCH', path('nights'), { tags: { a: 'b' } })
    expect([tagged.body.tags, tagged.body.properties.maintenanceWindow]).toEqual([{ a: 'b' }, maintenanceWindow])
    const replaced = await plane.send('PUT', path('nights'), {
      location: 'westeurope',
      properties: { maintenanceScope: 'Host' },
    })
    expect(replaced.body.properties).not.toHaveProperty('maintenanceWindow')
    const listed = await plane.send(
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Maintenance/maintenanceConfigurations`,
    )
    expect(listed.body.value.map(({ name }: { name: string }) => name)).toEqual(['nights'])
    expect((await plane.send('DELETE', path('nights'))).status).toBe(200)
  })

  it('is of hosts alone, and complete', async () => {
    const plane = await start()
    for (const [properties, code] of [
      [{ maintenanceWindow }, 'InvalidParameter'],
      [{ maintenanceScope: 'InGuestPatch', maintenanceWindow }, 'NotSupported'],
      [{ maintenanceScope: 'Host', visibility: 'Public' }, 'BadRequest'],
      [
        { maintenanceScope: 'Host', maintenanceWindow: { ...maintenanceWindow, duration: '00:30' } },
        'InvalidParameter',
      ],
    ] as const) {
      const refused = await plane.send('PUT', path('wrong'), { location: 'westeurope', properties })
      expect([refused.status, refused.body.error.code], JSON.stringify(properties)).toEqual([400, code])
    }
  })

  it('is assigned to VMs of its region, one each, and stays while it is', async () => {
    const plane = await start()
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    await plane.send('PUT', path('nights'), configuration)
    await plane.send('PUT', path('days'), configuration)
    await plane.send('PUT', path('north'), { ...configuration, location: 'northeurope' })
    const none = await plane.send('PUT', assignment('vm1', 'mine'), assigned('none'))
    expect([none.status, none.body.error.code]).toEqual([400, 'InvalidResourceReference'])
    const far = await plane.send('PUT', assignment('vm1', 'mine'), assigned('north'))
    expect([far.status, far.body.error.code]).toEqual([400, 'InvalidParameter'])
    const made = await plane.send('PUT', assignment('vm1', 'mine'), assigned('nights'))
    const shown = {
      id: assignment('vm1', 'mine'),
      name: 'mine',
      type: 'Microsoft.Maintenance/configurationAssignments',
      location: 'westeurope',
      properties: { maintenanceConfigurationId: path('nights'), resourceId: vmPath('vm1') },
    }
    expect([made.status, made.body]).toEqual([201, shown])
    expect((await plane.send('GET', assignment('vm1', 'MINE'))).body).toEqual(shown)
    expect((await plane.send('GET', assignment('vm1', '').slice(0, -1))).body.value).toEqual([shown])
    const second = await plane.send('PUT', assignment('vm1', 'other'), assigned('days'))
    expect([second.status, second.body.error.code]).toEqual([409, 'OperationNotAllowed'])
    const used = await plane.send('DELETE', path('nights'))
    expect([used.status, used.body.error.code]).toEqual([409, 'OperationNotAllowed'])
    expect((await plane.send('PUT', assignment('vm1', 'mine'), assigned('days'))).status).toBe(200)
    expect((await plane.send('DELETE', path('nights'))).status).toBe(200)
    expect((await plane.send('DELETE', assignment('vm1', 'other'))).status).toBe(404)
    expect((await plane.send('DELETE', assignment('vm1', 'mine'))).status).toBe(200)
    expect((await plane.send('GET', assignment('vm1', 'mine'))).status).toBe(404)
    expect((await plane.send('PUT', assignment('vm1', 'mine'), assigned('days'))).status).toBe(201)
    expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
  })

  it('is not assigned by whoever may not see it', async () => {
    const plane = await start()
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    await plane.send('PUT', path('nights'), configuration)
    const outsider = '0f2a9f3e-0000-4000-8000-00000000dddd'
    const contributor =
      `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/` +
      'b24988ac-6180-42a0-ab88-20f7382dd24c'
    const role = `${vmPath('vm1')}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
    await plane.send('PUT', role, {
      properties: { roleDefinitionId: contributor, principalId: outsider, principalType: 'ServicePrincipal' },
    })
    const refused = await plane.send('PUT', assignment('vm1', 'mine'), assigned('nights'), { as: outsider })
    expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed'])
  })
})
