import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  ownerId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../../testing/test-plane.ts'

/** What a client sends that only wants to create. */
const onlyNew = { as: ownerId, headers: { 'if-none-match': '*' } }
const path = vmPath('vm1')

describeStores('a PUT of a VM with If-None-Match: *', (open) => {
  const planes: TestPlane[] = []
  const fresh = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open())
    planes.push(plane)
    await makeNetwork(plane, 'vm1')
    return plane
  }
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const ofSize = (vmSize: string): ReturnType<typeof vmRequest> => {
    const body = vmRequest('vm1')
    body.properties.hardwareProfile.vmSize = vmSize
    return body
  }
  const refusal = ({ status, body }: TestReply): unknown[] => [status, body.error?.code]

  it('creates one, and is refused where there is one, which stays as it is', async () => {
    const plane = await fresh()
    const made = await plane.send('PUT', path, vmRequest('vm1'), onlyNew)
    expect(made.status).toBe(201)
    await plane.follow(made)
    const { body: before } = await plane.send('GET', path)
    const again = await plane.send('PUT', path, ofSize('Standard_DC4as_v5'), onlyNew)
    expect(refusal(again)).toEqual([412, 'PreconditionFailed'])
    expect((await plane.send('GET', path)).body).toEqual(before)
  })

  it('does not repeat a creation that failed', async () => {
    const plane = await fresh()
    plane.wire.bootError = { code: 'OsDiskDidNotUnlock', message: 'OS disk did not unlock: PCR 7 differs.' }
    await plane.run('PUT', path, vmRequest('vm1'))
    expect((await plane.send('GET', path)).body.properties.provisioningState).toBe('Failed')
    expect(refusal(await plane.send('PUT', path, vmRequest('vm1'), onlyNew))).toEqual([412, 'PreconditionFailed'])
  })

  it('creates one of several that are sent at once, and refuses the others', async () => {
    const plane = await fresh()
    const sizes = ['Standard_DC2as_v5', 'Standard_DC4as_v5', 'Standard_DC8as_v5']
    const replies = await Promise.all(sizes.map(async (size) => await plane.send('PUT', path, ofSize(size), onlyNew)))
    const made = replies.filter(({ status }) => status === 201)
    expect(made).toHaveLength(1)
    const others = replies.filter(({ status }) => status !== 201)
    expect(others.map(refusal)).toEqual(others.map(() => [412, 'PreconditionFailed']))
    const { body } = await plane.send('GET', path)
    expect([body.properties.vmId, body.properties.hardwareProfile]).toEqual([
      made[0]?.body.properties.vmId,
      made[0]?.body.properties.hardwareProfile,
    ])
  })
})

describeStores('a PUT of a resource group or a disk with If-None-Match: *', (open) => {
  it('creates one of several that are sent at once, and refuses the others', async () => {
    const plane = await openTestPlane(await open())
    await makeNetwork(plane, 'vm1')
    try {
      const disk = `${group}/providers/Microsoft.Compute/disks/d`
      const empty = { location: 'westeurope', properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 } }
      const other = `${group}-other`
      for (const [at, body] of [
        [other, { location: 'westeurope' }],
        [disk, empty],
      ] as const) {
        const tags = ['a', 'b', 'c', 'd']
        const replies = await Promise.all(
          tags.map(async (tag) => await plane.send('PUT', at, { ...body, tags: { tag } }, onlyNew)),
        )
        const statuses = replies.map(({ status }) => status).toSorted((x, y) => x - y)
        expect(
          statuses.slice(0, 1).every((status) => status < 300),
          at,
        ).toBe(true)
        expect(statuses.slice(1), at).toEqual([412, 412, 412])
      }
    } finally {
      await plane.service.close()
    }
  })
})
