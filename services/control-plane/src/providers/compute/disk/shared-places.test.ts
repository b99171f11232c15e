import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { address, deploymentBody, deploymentPath, template } from '../../../testing/templates.ts'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const busy = '0f2a9f3e-0000-4000-8000-0000000b0571'
const other = '0f2a9f3e-0000-4000-8000-00000000074e'
const contributor =
  `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/` +
  'b24988ac-6180-42a0-ab88-20f7382dd24c'
/** More than there are slots. */
const many = 20

describeStores('a principal whose operations fill every place', (open) => {
  const planes: TestPlane[] = []
  // Unfinished operations would block closing their store, which comes next.
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  /** A group with two contributors. */
  const planeOfTwo = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open())
    planes.push(plane)
    await shareGroup(plane)
    return plane
  }

  it('keeps nobody else’s virtual machine waiting, and its own begin in their order (attack W5)', async () => {
    const plane = await planeOfTwo()
    await makeNetwork(plane, 'theirs')
    await plane.run('PUT', vmPath('theirs'), vmRequest('theirs'))
    plane.wire.hangs = true
    const asked: TestReply[] = []
    for (let n = 0; n < many; n++) {
      await makeNetwork(plane, `vm${n}`)
      asked.push(await plane.send('PUT', vmPath(`vm${n}`), vmRequest(`vm${n}`), { as: busy }))
    }
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 201))
    const slots = 16
    await expect.poll(async () => await begun(plane, asked)).toEqual(firstOf(slots))

    const theirs = await plane.send('DELETE', vmPath('theirs'), undefined, { as: other })
    expect(await plane.follow(theirs)).toMatchObject({ status: 'Succeeded' })
    expect(await begun(plane, asked)).toEqual(firstOf(slots))

    for (let n = 0; n < many - slots; n++) {
      plane.wire.boots.add(`vm${n}`)
      await expect.poll(async () => await begun(plane, asked)).toEqual(firstOf(slots + n + 1))
    }
    plane.wire.hangs = false
    for (const reply of asked) expect(await plane.follow(reply)).toMatchObject({ status: 'Succeeded' })
  })

  it('keeps nobody else’s deployment waiting (attack W5)', async () => {
    const plane = await planeOfTwo()
    await makeNetwork(plane, 'vm0')
    plane.wire.hangs = true
    const { type, apiVersion } = { type: 'Microsoft.Compute/virtualMachines', apiVersion: '2024-07-01' }
    const machine = { type, apiVersion, name: 'vm0', ...(vmRequest('vm0') as object) }
    for (let n = 0; n < many; n++) {
      const made = await plane.send('PUT', deploymentPath(`d${n}`), deploymentBody(template([machine])), { as: busy })
      expect(made.status).toBe(201)
    }
    const theirs = await plane.send('PUT', deploymentPath('theirs'), deploymentBody(template([address('theirs')])), {
      as: other,
    })
    expect(await plane.follow(theirs)).toMatchObject({ status: 'Succeeded' })
    plane.wire.hangs = false
  })
})

async function shareGroup(plane: TestPlane): Promise<void> {
  await plane.send('PUT', group, { location: 'westeurope' })
  for (const [n, principalId] of [busy, other].entries()) {
    const name = `00000000-0000-4000-8000-00000000000${n}`
    const made = await plane.send('PUT', `${group}/providers/Microsoft.Authorization/roleAssignments/${name}`, {
      properties: { principalId, roleDefinitionId: contributor },
    })
    expect(made.status).toBe(201)
  }
}

const firstOf = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** Indexes in `asked` of the operations that have begun. */
async function begun(plane: TestPlane, asked: TestReply[]): Promise<number[]> {
  const indexes: number[] = []
  for (const [n, { headers }] of asked.entries()) {
    const url = new URL(headers['azure-asyncoperation'] ?? '')
    const { body } = await plane.send('GET', url.pathname + url.search)
    const first = (body as { properties: { steps: { startedAt?: string }[] } }).properties.steps[0]
    if (first?.startedAt !== undefined) indexes.push(n)
  }
  return indexes
}
