import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { FakeWire } from '../testing/fake-wire.ts'
import {
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../testing/test-plane.ts'

const log = `/subscriptions/${subscriptionId}/providers/Microsoft.Insights/eventtypes/management/values`

describeStores('the activity log on the wire', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const start = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open(), new FakeWire())
    planes.push(plane)
    return plane
  }
  const eventsOf = async (plane: TestPlane, id: string): Promise<Loose[]> => {
    const reply = await plane.send('GET', `${log}?$filter=${encodeURIComponent(`resourceUri eq '${id}'`)}`)
    return reply.body.value as Loose[]
  }

  it('names the operation of each request that went on after its answer, whose steps stay to be read', async () => {
    const plane = await start()
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })
    const [tagged, off, made, ...more] = await eventsOf(plane, vmPath('vm1'))
    expect(more).toEqual([])
    expect(tagged).not.toHaveProperty('operationId')
    // .NET clients fail on events without one of these.
    expect(tagged).toMatchObject({
      description: '',
      category: { value: 'Administrative' },
      properties: { entity: vmPath('vm1'), statusCode: '200' },
    })
    const steps = async ({ operationId }: Loose): Promise<string[]> => {
      const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/operations/${operationId}`
      const { body } = await plane.send('GET', path)
      expect(body.status).toBe('Succeeded')
      return (body.properties.steps as Loose[]).map(({ name }) => name as string)
    }
    expect(await steps(made!)).toContain('boot until the guest is ready')
    expect(await steps(off!)).not.toContain('boot until the guest is ready')
  })

  it('of a machine has no event of one whose name begins alike', async () => {
    const plane = await start()
    for (const name of ['vm1', 'vm10']) {
      await makeNetwork(plane, name)
      await plane.run('PUT', vmPath(name), vmRequest(name))
    }
    const ids = (await eventsOf(plane, vmPath('vm1'))).map(({ resourceId }) => resourceId as string)
    expect(ids).toEqual([vmPath('vm1')])
  })
})
