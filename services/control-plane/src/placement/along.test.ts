import { randomUUID } from 'node:crypto'
import type { ArmOperation } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { interrupted } from '../testing/interrupted.ts'
import { setPath, setRequest, subnet } from '../testing/scale-set.ts'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../testing/test-plane.ts'

const location = 'westeurope'
const theirs = `/subscriptions/${subscriptionId}/resourceGroups/theirs`
/** Deleted with the VM, and in another group. */
const along = {
  disk: `${theirs}/providers/Microsoft.Compute/disks/data`,
  interface: `${theirs}/providers/Microsoft.Network/networkInterfaces/nic`,
  address: `${theirs}/providers/Microsoft.Network/publicIPAddresses/ip`,
} as const
const osDisk = `${group}/providers/Microsoft.Compute/disks/os`
const vm = vmPath('vm1')
const set = setPath('web')

/** A contributor of the VM's group alone, and one of both groups. */
const stranger = '0f2a9f3e-0000-4000-8000-00000000d001'
const friend = '0f2a9f3e-0000-4000-8000-00000000d002'

const contributor =
  `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/` +
  'b24988ac-6180-42a0-ab88-20f7382dd24c'

/** Every request that deletes a VM, directly or not. */
const ways: [string, [method: string, path: string, body?: unknown]][] = [
  ['deletion of the VM', ['DELETE', vm]],
  ['deletion of its group', ['DELETE', group]],
  ['scale-in of its set', ['PUT', set, { location, sku: { name: 'Standard_DC2as_v5', capacity: 0 } }]],
  ['deletion of the instance', ['POST', `${set}/delete`, { instanceIds: ['vm1'] }]],
  ['deletion of its set', ['DELETE', set]],
]

describeStores('what is deleted along with a VM', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })

  /** A VM of a scale set with a disk, an interface and an address of another group that all go with it. */
  async function make(
    over: (store: Awaited<ReturnType<typeof open>>) => Parameters<typeof openTestPlane>[2] = () => ({}),
  ) {
    const store = await open()
    const plane = await openTestPlane(store, undefined, { compute: 'simulated', ...over(store) })
    planes.push(plane)
    const put = async (path: string, body: object): Promise<void> => {
      const reply = await plane.send('PUT', path, body)
      if (reply.status >= 300) throw new Error(JSON.stringify(reply.body))
    }
    await makeNetwork(plane, 'x')
    await put(theirs, { location })
    await put(along.disk, {
      location,
      properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 },
    })
    await put(along.address, {
      location,
      sku: { name: 'Standard' },
      properties: { publicIPAllocationMethod: 'Static', deleteOption: 'Delete' },
    })
    const configuration = { name: 'ip', properties: { subnet: { id: subnet }, publicIPAddress: { id: along.address } } }
    await put(along.interface, { location, properties: { ipConfigurations: [configuration] } })
    for (const [principalId, scopes] of [
      [stranger, [group]],
      [friend, [group, theirs]],
    ] as const)
      for (const scope of scopes) {
        const properties = { roleDefinitionId: contributor, principalId, principalType: 'ServicePrincipal' }
        await put(`${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, { properties })
      }
    await plane.send('PUT', set, setRequest(0))
    const body: Loose = vmRequest('vm1')
    body.properties.virtualMachineScaleSet = { id: set }
    body.properties.networkProfile.networkInterfaces = [{ id: along.interface, properties: { deleteOption: 'Delete' } }]
    body.properties.storageProfile.osDisk.name = 'os'
    body.properties.storageProfile.dataDisks = [
      { lun: 0, createOption: 'Attach', deleteOption: 'Delete', managedDisk: { id: along.disk } },
    ]
    const made = await plane.run('PUT', vm, body)
    expect(made.operation.status, JSON.stringify(made.operation.error)).toBe('Succeeded')
    return plane
  }

  const refusal = ({ status, body }: TestReply): unknown[] => [status, body?.error?.code]
  const lock = async (plane: TestPlane, scope: string, level = 'CanNotDelete'): Promise<void> =>
    expect((await plane.send('PUT', lockAt(scope), { properties: { level } })).status).toBe(201)
  const lockAt = (scope: string): string => `${scope}/providers/Microsoft.Authorization/locks/held`
  /** All of it, as clients see it: unchanged if a request changes nothing. */
  const stateOf = async (plane: TestPlane): Promise<unknown[]> =>
    await Promise.all([vm, set, osDisk, ...Object.values(along)].map(async (id) => (await plane.send('GET', id)).body))

  it.each(ways)(
    'needs the right to it and no lock on it, before a %s begins (attack W45)',
    async (_, [method, path, body]) => {
      const plane = await make()
      const before = await stateOf(plane)
      const ask = async (as: string): Promise<TestReply> => await plane.send(method, path, body, { as })
      const held = async (scope: string, level?: string): Promise<unknown[]> => {
        await lock(plane, scope, level)
        const reply = await ask(friend)
        expect((await plane.send('DELETE', lockAt(scope))).status).toBe(200)
        expect(reply.body?.error?.message).toContain(scope)
        return refusal(reply)
      }
      for (const scope of [...Object.values(along), theirs, osDisk])
        expect([scope, await held(scope)]).toEqual([scope, [409, 'ScopeLocked']])
      expect(await held(along.disk, 'ReadOnly')).toEqual([409, 'ScopeLocked'])
      // One right is missing at a time.
      const refused = await ask(stranger)
      expect(refusal(refused)).toEqual([403, 'LinkedAuthorizationFailed'])
      expect(await stateOf(plane)).toEqual(before)

      const accepted = await ask(friend)
      const done = await plane.follow(accepted)
      expect([done.status, done.error]).toEqual(['Succeeded', undefined])
      for (const id of [vm, ...Object.values(along)])
        expect([id, (await plane.send('GET', id)).status]).toEqual([id, 404])
    },
  )

  it.each(Object.entries(along))('needs the right to each: the %s (attack W45)', async (kind, id) => {
    const plane = await make()
    const rest = Object.values(along).filter((each) => each !== id)
    for (const scope of rest) {
      const properties = { roleDefinitionId: contributor, principalId: stranger, principalType: 'ServicePrincipal' }
      const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
      expect((await plane.send('PUT', path, { properties })).status).toBe(201)
    }
    for (const [way, [method, path, body]] of ways) {
      const reply = await plane.send(method, path, body, { as: stranger })
      expect([way, ...refusal(reply)]).toEqual([way, 403, 'LinkedAuthorizationFailed'])
      expect([kind, reply.body.error.found ?? reply.body.error.message]).toEqual([kind, expect.stringContaining(id)])
    }
  })

  it('is detached and stays, if it is locked after the request was accepted, and the operation says so (attack W45)', async () => {
    let during!: ReturnType<typeof interrupted>['during']
    const plane = await make((inner) => {
      const made = interrupted(inner)
      during = made.during
      return { store: made.store }
    })
    const work = async (): Promise<void> => {
      for (const id of Object.values(along)) await lock(plane, id)
    }
    const operation = await plane.follow(await during({ n: 1, work }, async () => await plane.send('DELETE', vm)))
    expect(operation.status).toBe('Succeeded')
    const kept = operation.properties.steps.filter(({ name }) => name.startsWith('keep '))
    expect(kept.map(({ name }) => name).toSorted()).toEqual(
      Object.values(along)
        .map((id) => `keep ${id}`)
        .toSorted(),
    )
    for (const { message } of kept) expect(message).toContain('locked')
    const [disk, nic, address] = await Promise.all(
      [along.disk, along.interface, along.address].map(async (id) => (await plane.send('GET', id)).body as Loose),
    )
    expect([disk.managedBy, disk.properties.diskState]).toEqual([undefined, 'Unattached'])
    expect(nic.properties.virtualMachine).toBeUndefined()
    // The interface stays, with the address that it has.
    expect(address.properties.ipConfiguration.id).toContain('/networkInterfaces/nic/')
    expect((await plane.send('GET', vm)).status).toBe(404)
  })

  it('is detached and stays, if the right to it ends after the request was accepted (attack W45)', async () => {
    let during!: ReturnType<typeof interrupted>['during']
    const plane = await make((inner) => {
      const made = interrupted(inner)
      during = made.during
      return { store: made.store }
    })
    const work = async (): Promise<void> => {
      const all = await plane.send('GET', `${theirs}/providers/Microsoft.Authorization/roleAssignments`)
      for (const { id, properties } of all.body.value as Loose[])
        if (properties.principalId === friend && id.includes('/theirs/'))
          expect((await plane.send('DELETE', id as string)).status).toBe(200)
    }
    const operation = await plane.follow(
      await during({ n: 1, work }, async () => await plane.send('DELETE', vm, undefined, { as: friend })),
    )
    const keptOf = ({ properties }: ArmOperation): number =>
      properties.steps.filter(({ name }) => name.startsWith('keep ')).length
    expect([operation.status, keptOf(operation)]).toEqual(['Succeeded', 3])
    for (const id of Object.values(along)) expect([id, (await plane.send('GET', id)).status]).toEqual([id, 200])
  })

  it('keeps the VM, if its OS disk is locked after the request was accepted', async () => {
    let during!: ReturnType<typeof interrupted>['during']
    const plane = await make((inner) => {
      const made = interrupted(inner)
      during = made.during
      return { store: made.store }
    })
    const work = async (): Promise<void> => await lock(plane, osDisk)
    const operation = await plane.follow(await during({ n: 1, work }, async () => await plane.send('DELETE', vm)))
    expect([operation.status, operation.error?.code]).toEqual(['Failed', 'ScopeLocked'])
    expect((await plane.send('GET', `${vm}/instanceView`)).status).toBe(200)
    for (const id of [osDisk, along.disk]) expect((await plane.send('GET', id)).status).toBe(200)
  })

  it.each([
    ['a disk', along.disk, (properties: Loose): void => void (properties.storageProfile.dataDisks = [])],
    [
      'an interface',
      along.interface,
      (properties: Loose): void =>
        void (properties.networkProfile.networkInterfaces = [
          { id: `${group}/providers/Microsoft.Network/networkInterfaces/xVMNic` },
        ]),
    ],
  ])('and detached by a PUT: no lock against writing it, for %s', async (_, id, bend) => {
    const plane = await make()
    await plane.run('POST', `${vm}/deallocate`)
    const before = await stateOf(plane)
    const { properties } = (await plane.send('GET', vm)).body as Loose
    const next = { location, properties: structuredClone(properties) }
    bend(next.properties)
    await lock(plane, id, 'ReadOnly')
    expect(refusal(await plane.send('PUT', vm, next))).toEqual([409, 'ScopeLocked'])
    expect(await stateOf(plane)).toEqual(before)
    // A lock against deletion alone is none against this.
    await plane.send('PUT', lockAt(id), { properties: { level: 'CanNotDelete' } })
    expect((await plane.send('PUT', vm, next)).status).toBe(200)
  })
})
