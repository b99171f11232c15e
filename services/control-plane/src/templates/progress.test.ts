import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { FakeWire } from '../testing/fake-wire.ts'
import { address, deploymentBody, deploymentPath, template } from '../testing/templates.ts'
import { makeNetwork, openTestPlane, vmRequest, type Loose, type TestPlane } from '../testing/test-plane.ts'

describeStores('the operations of a deployment', (open) => {
  let plane: TestPlane | undefined
  afterEach(async () => await plane?.service.close())

  it('show a machine as running while it boots, right behind what it waited for', async () => {
    const wire = new FakeWire()
    wire.hangs = true
    plane = await openTestPlane(await open(), wire)
    await makeNetwork(plane, 'vm1')
    const vm = {
      ...vmRequest('vm1'),
      type: 'Microsoft.Compute/virtualMachines',
      apiVersion: '2024-11-01',
      name: 'vm1',
      dependsOn: ['before'],
    }
    const reply = await plane.send('PUT', deploymentPath(), deploymentBody(template([address('before'), vm])))
    const states = async (): Promise<Record<string, string>> => {
      const { value } = (await plane!.send('GET', `${deploymentPath()}/operations`)).body as { value: Loose[] }
      return Object.fromEntries(
        value.map(({ properties }) => [properties.targetResource.resourceName, properties.provisioningState]),
      )
    }
    await expect.poll(states).toEqual({ before: 'Succeeded', vm1: 'Running' })
    wire.hangs = false
    expect(await plane.follow(reply)).toMatchObject({ status: 'Succeeded' })
    expect(await states()).toEqual({ before: 'Succeeded', vm1: 'Succeeded' })
  })
})
