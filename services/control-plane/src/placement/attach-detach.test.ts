import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
const disk = (name: string): string => `${group}/providers/Microsoft.Compute/disks/${name}`
const post = async (body: object, vm = 'vm1'): Promise<TestReply> =>
  await plane.send('POST', `${vmPath(vm)}/attachDetachDataDisks`, body)

beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 8 }
  for (const name of ['a', 'b', 'c']) await plane.send('PUT', disk(name), { location: 'westeurope', properties })
  const body = vmRequest('vm1')
  body.properties.storageProfile.dataDisks = [{ lun: 1, createOption: 'Empty', diskSizeGB: 4, name: 'own' }]
  await plane.run('PUT', vmPath('vm1'), body)
})
afterEach(async () => await plane.close())

/** As clients do: polls the operation to its end, then reads the Location. */
async function done(reply: TestReply): Promise<Loose> {
  expect(reply.status, JSON.stringify(reply.body)).toBe(202)
  const operation = await plane.follow(reply)
  expect(operation.error).toBeUndefined()
  const { pathname, search } = new URL(reply.headers['location'] ?? '')
  const ended = await plane.send('GET', pathname + search)
  expect(ended.status).toBe(200)
  return ended.body.dataDisks.map((each: Loose) => [each.lun, each.name, each.caching])
}

it('attaches disks by their ids to free LUNs, beside those that the VM has, and detaches them', async () => {
  // As az sends it, nulls included.
  const two = [
    { diskId: disk('a'), caching: 'ReadOnly', lun: null, writeAcceleratorEnabled: null },
    { diskId: disk('b').toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions') },
  ]
  const profile = await done(await post({ dataDisksToAttach: two }))
  expect(profile).toEqual([
    [1, 'own', 'None'],
    [0, 'a', 'ReadOnly'],
    [2, 'b', 'None'],
  ])
  expect((await plane.send('GET', disk('b'))).body.managedBy).toBe(vmPath('vm1'))
  // One request may do both, and the freed LUN can be used again.
  const both = { dataDisksToDetach: [{ diskId: disk('own') }], dataDisksToAttach: [{ diskId: disk('c'), lun: 1 }] }
  const after = await done(await post(both))
  expect(after.map(([lun, name]: [number, string]) => `${lun} ${name}`)).toEqual(['0 a', '2 b', '1 c'])
  expect((await plane.send('GET', disk('own'))).body.properties.diskState).toBe('Unattached')
  const forced = {
    dataDisksToDetach: ['a', 'b', 'c'].map((name) => ({ diskId: disk(name), detachOption: 'ForceDetach' })),
  }
  expect(await done(await post(forced))).toEqual([])
})

it('does nothing twice: a disk that the VM has already is answered at once', async () => {
  const own = { dataDisksToAttach: [{ diskId: disk('own') }] }
  const reply = await post(own)
  expect([reply.status, reply.body.dataDisks.length]).toEqual([200, 1])
})

it.each<[string, Loose, string]>([
  ['a disk that is not attached', { dataDisksToDetach: [{ diskId: disk('a') }] }, 'InvalidParameter'],
  ['a disk that there is not', { dataDisksToAttach: [{ diskId: disk('none') }] }, 'ResourceNotFound'],
  ['a disk twice', { dataDisksToAttach: [{ diskId: disk('a') }, { diskId: disk('a'), lun: 5 }] }, 'InvalidParameter'],
  ['a LUN that is taken', { dataDisksToAttach: [{ diskId: disk('a'), lun: 1 }] }, 'InvalidParameter'],
  [
    'another LUN for a disk that is attached',
    { dataDisksToAttach: [{ diskId: disk('own'), lun: 7 }] },
    'InvalidParameter',
  ],
  ['a disk without an id', { dataDisksToAttach: [{ lun: 3 }] }, 'InvalidParameter'],
  [
    'a write accelerator',
    { dataDisksToAttach: [{ diskId: disk('a'), writeAcceleratorEnabled: true }] },
    'InvalidParameter',
  ],
  [
    'a disk-encryption set',
    { dataDisksToAttach: [{ diskId: disk('a'), diskEncryptionSet: { id: 'x' } }] },
    'NotSupported',
  ],
  ['nothing', {}, 'InvalidParameter'],
])('refuses %s, and changes nothing', async (_name, body, code) => {
  const reply = await post(body)
  expect([reply.body.error?.code, reply.status >= 400]).toEqual([code, true])
  expect((await plane.send('GET', vmPath('vm1'))).body.properties.storageProfile.dataDisks).toHaveLength(1)
})

it('shows an operation’s end at the VM that it is of, and nowhere else', async () => {
  const reply = await post({ dataDisksToAttach: [{ diskId: disk('a') }] })
  await done(reply)
  const { pathname, search } = new URL(reply.headers['location'] ?? '')
  await makeNetwork(plane, 'vm2')
  await plane.run('PUT', vmPath('vm2'), vmRequest('vm2'))
  const other = await plane.send('GET', pathname.replace('/vm1/', '/vm2/') + search)
  expect(other.body.error.code).toBe('OperationNotFound')
})

it('asks for rights at the disk', async () => {
  const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'
  const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
  const base = `${vmPath('vm1')}/providers/Microsoft.Authorization`
  await plane.send('PUT', `${base}/roleAssignments/00000000-0000-4000-8000-000000000001`, {
    properties: { principalId: robot, roleDefinitionId: `${base}/roleDefinitions/${contributor}` },
  })
  const body = { dataDisksToAttach: [{ diskId: disk('a') }] }
  const reply = await plane.send('POST', `${vmPath('vm1')}/attachDetachDataDisks`, body, { as: robot })
  expect(reply.body.error.code).toBe('LinkedAuthorizationFailed')
})
