import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { makeNetwork, openTestPlane, subscriptionId, vmPath, vmRequest } from '../../../testing/test-plane.ts'

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
})
