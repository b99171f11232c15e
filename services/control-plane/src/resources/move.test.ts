import { isDeepStrictEqual } from 'node:util'
import { describeStores } from '@strongroom/platform/testing'
import fc from 'fast-check'
import { afterEach, expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../testing/test-plane.ts'
import type { Resource } from '../store/resources.ts'
import { resourceTypes } from '../resource-types.ts'
import { idInGroup, movedId, moveProblem, withMovedIds } from './move-rules.ts'

const subscription = `/subscriptions/${subscriptionId}`
const target = `${subscription}/resourceGroups/rg2`
const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'
const guid = (n: number): string => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`
const roles = {
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  administrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
}

describeStores('moving resources between groups', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const fresh = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    planes.push(plane)
    await makeNetwork(plane, 'vm1')
    await plane.send('PUT', target, { location: 'northeurope' })
    return plane
  }
  const move = async (
    plane: TestPlane,
    ids: string[],
    o: { verb?: string; to?: string; as?: string } = {},
  ): Promise<TestReply> =>
    await plane.send(
      'POST',
      `${group}/${o.verb ?? 'moveResources'}`,
      { resources: ids, targetResourceGroup: o.to ?? target },
      o.as === undefined ? {} : { as: o.as },
    )
  const assign = async (plane: TestPlane, scope: string, role: string, n: number): Promise<TestReply> =>
    await plane.send('PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${guid(n)}`, {
      properties: {
        principalId: robot,
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
      },
    })
  const lock = async (plane: TestPlane, scope: string, level: string): Promise<void> => {
    const path = `${scope}/providers/Microsoft.Authorization/locks/l`
    expect((await plane.send('PUT', path, { properties: { level } })).status).toBe(201)
  }
  const there = (path: string): string => idInGroup(path, target)
  const nic = networkPath('networkInterfaces', 'vm1VMNic')
  const vnet = networkPath('virtualNetworks', 'vnet')

  it('takes a network with what is in it, and everything that refers to it follows', async () => {
    const plane = await fresh()
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const before = (await plane.send('GET', nic)).body
    expect((await move(plane, [vnet, nic.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions')])).status).toBe(204)
    expect((await plane.send('GET', nic)).body.error.code).toBe('ResourceNotFound')
    const after = (await plane.send('GET', there(nic))).body
    expect(after.id).toBe(there(nic))
    const [was, is] = [before, after].map((each) => each.properties.ipConfigurations[0].properties)
    expect(is.privateIPAddress).toBe(was.privateIPAddress)
    expect(is.subnet.id).toBe(there(was.subnet.id as string))
    const vm = (await plane.send('GET', vmPath('vm1'))).body
    expect(vm.properties.networkProfile.networkInterfaces[0].id).toBe(there(nic))
    // The address is still taken, and the network still in use.
    expect((await plane.send('DELETE', there(vnet))).body.error.code).toBe('InUseSubnetCannotBeDeleted')
    expect((await plane.send('DELETE', there(nic))).body.error.code).toBe('NicInUse')
    expect((await plane.run('DELETE', vmPath('vm1'))).operation.status).toBe('Succeeded')
    // deleteOption: Delete, of an interface in the other group.
    expect((await plane.send('GET', there(nic))).status).toBe(404)
    expect((await plane.send('DELETE', there(vnet))).status).toBe(200)
  })

  it('only says whether it would do it when asked to validate', async () => {
    const plane = await fresh()
    expect((await move(plane, [vnet], { verb: 'validateMoveResources' })).status).toBe(204)
    expect((await plane.send('GET', vnet)).status).toBe(200)
    const reply = await move(plane, [vmPath('none')], { verb: 'validateMoveResources' })
    expect([reply.status, reply.body.error.code]).toEqual([404, 'ResourceNotFound'])
  })

  it('moves all or none: each resource that cannot move is named', async () => {
    const plane = await fresh()
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const [disk] = (await plane.send('GET', `${group}/providers/Microsoft.Compute/disks`)).body.value
    await plane.send('PUT', there(networkPath('networkSecurityGroups', 'vm1NSG')), { location: 'westeurope' })
    const nsg = networkPath('networkSecurityGroups', 'vm1NSG')
    await plane.send('PUT', nsg, { location: 'westeurope' })
    const reply = await move(plane, [vnet, vmPath('vm1'), disk.id, nsg])
    expect([reply.status, reply.body.error.code]).toEqual([409, 'ResourceMoveProviderValidationFailed'])
    expect(reply.body.error.details.map((each: { code: string; target: string }) => [each.code, each.target])).toEqual([
      ['ResourceMoveNotSupported', vmPath('vm1')],
      ['ResourceMoveNotSupported', disk.id],
      ['ResourceMoveConflict', nsg],
    ])
    expect((await plane.send('GET', vnet)).status).toBe(200)
    expect((await plane.send('GET', there(vnet))).status).toBe(404)
  })

  it('refuses what is not a move', async () => {
    const plane = await fresh()
    const code = async (ids: string[], to?: string): Promise<string> =>
      (await move(plane, ids, to === undefined ? {} : { to })).body.error.code as string
    expect(await code([])).toBe('InvalidRequestContent')
    expect(await code([vnet], group)).toBe('InvalidRequestContent')
    expect(await code([vnet], `${subscription}/resourceGroups/none`)).toBe('ResourceGroupNotFound')
    expect(await code([vnet], '/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg2')).toBe(
      'InvalidRequestContent',
    )
    expect(await code([there(vnet)])).toBe('InvalidRequestContent')
    expect(await code([`${vnet}/subnets/default`])).toBe('InvalidRequestContent')
    expect(await code([`${group}/../rg2/providers/Microsoft.Network/virtualNetworks/x`])).toBe('InvalidRequestContent')
  })

  it('asks for rights at both ends, and more for a vault, whose users its group decides', async () => {
    const plane = await fresh()
    const ip = networkPath('publicIPAddresses', 'ip9')
    await plane.send('PUT', ip, { location: 'westeurope', sku: { name: 'Standard' } })
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/moved`
    const made = await plane.send('PUT', vault, {
      location: 'westeurope',
      properties: { tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true },
    })
    expect(made.status, JSON.stringify(made.body)).toBeLessThan(300)
    expect((await move(plane, [ip], { as: robot })).body.error.code).toBe('AuthorizationFailed')
    await assign(plane, group, roles.contributor, 1)
    expect((await move(plane, [ip], { as: robot })).body.error.code).toBe('LinkedAuthorizationFailed')
    // The same answer, whether or not there is such a group.
    expect((await move(plane, [ip], { as: robot, to: `${target}-none` })).body.error.code).toBe(
      'LinkedAuthorizationFailed',
    )
    await assign(plane, target, roles.contributor, 2)
    await assign(plane, target, roles.administrator, 3)
    expect((await move(plane, [vault], { as: robot })).body.error.code).toBe('LinkedAuthorizationFailed')
    expect((await move(plane, [ip], { as: robot })).status).toBe(204)
    // Roles at the vault itself and at its old group end; those at its new group apply.
    await assign(plane, vault, roles.administrator, 4)
    expect((await move(plane, [vault])).status).toBe(204)
    const told = plane.wire.vaults.live.get('moved')
    expect(told?.resourceId).toBe(there(vault))
    expect(told?.grants.map(({ principalId }) => principalId)).toEqual([robot])
    await plane.send('DELETE', `${target}/providers/Microsoft.Authorization/roleAssignments/${guid(3)}`)
    expect(plane.wire.vaults.live.get('moved')?.grants).toEqual([])
  })

  it('tells the attestation service of a provider that moved', async () => {
    const plane = await fresh()
    const provider = `${group}/providers/Microsoft.Attestation/attestationProviders/mine`
    expect((await plane.send('PUT', provider, { location: 'westeurope', properties: {} })).status).toBe(201)
    expect((await move(plane, [provider])).status).toBe(204)
    expect([...plane.wire.providers.values()].map(({ resourceId }) => resourceId)).toEqual([there(provider)])
    expect((await plane.send('GET', there(provider))).body.properties.attestUri).toContain('mine.weu.attest')
    expect((await plane.send('DELETE', there(provider))).status).toBe(200)
  })

  it('a vault that only the key service took for moved is told again, and none takes another’s name', async () => {
    const plane = await fresh()
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/half`
    const properties = { tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true }
    expect((await plane.send('PUT', vault, { location: 'westeurope', properties })).status).toBeLessThan(300)
    const told = plane.wire.vaults.live.get('half')!
    // The state after a process died between the key service's answer and its own commit.
    told.resourceId = there(vault)
    expect((await assign(plane, vault, roles.administrator, 6)).status).toBe(201)
    const after = plane.wire.vaults.live.get('half')
    expect([after?.resourceId, after?.grants.length]).toEqual([vault, 1])
    expect((await plane.send('PUT', there(vault), { location: 'westeurope', properties })).body.error.code).toBe(
      'VaultAlreadyExists',
    )
  })

  it('stops at read-only locks, and takes the resource’s own lock along', async () => {
    const plane = await fresh()
    const ip = networkPath('publicIPAddresses', 'ip9')
    await plane.send('PUT', ip, { location: 'westeurope', sku: { name: 'Standard' } })
    for (const scope of [group, target, ip]) {
      await lock(plane, scope, 'ReadOnly')
      expect((await move(plane, [ip])).body.error.code, scope).toBe('ScopeLocked')
      await plane.send('DELETE', `${scope}/providers/Microsoft.Authorization/locks/l`)
    }
    await lock(plane, ip, 'CanNotDelete')
    await assign(plane, ip, roles.contributor, 5)
    expect((await move(plane, [ip])).status).toBe(204)
    expect((await plane.send('DELETE', there(ip))).body.error.code).toBe('ScopeLocked')
    // The role at the address ended with its old id.
    expect((await plane.send('GET', there(ip), undefined, { as: robot })).status).toBe(403)
    expect((await plane.send('PUT', ip, { location: 'westeurope', sku: { name: 'Standard' } })).status).toBe(201)
    expect((await plane.send('GET', ip, undefined, { as: robot })).status).toBe(403)
    expect((await plane.send('DELETE', ip)).status).toBe(200)
  })
})

it('nothing moves while an operation of it, or of the VM that has it, goes on', () => {
  const of = (type: string, provisioningState: string): Resource =>
    ({
      id: `${group}/providers/${type}/a`,
      type: type.toLowerCase(),
      name: 'a',
      body: { properties: { provisioningState } },
      internal: { managedBy: '' },
    }) as unknown as Resource
  const disk = of('Microsoft.Compute/disks', 'Succeeded')
  const free = { taken: false, holder: undefined, busy: undefined }
  expect(moveProblem(resourceTypes, disk, free)).toBeUndefined()
  expect(moveProblem(resourceTypes, disk, { ...free, busy: disk })?.code).toBe('ResourceNotReadyForMove')
  expect(moveProblem(resourceTypes, of('Microsoft.Compute/disks', 'Creating'), free)?.code).toBe(
    'ResourceNotReadyForMove',
  )
  const nic = of('Microsoft.Network/networkInterfaces', 'Succeeded')
  const vm = of('Microsoft.Compute/virtualMachines', 'Updating')
  expect(moveProblem(resourceTypes, nic, { ...free, holder: vm })?.code).toBe('ResourceNotReadyForMove')
})

it('ids that name what is moved are rewritten, and no other text', () => {
  const old = `${group}/providers/Microsoft.Network/virtualNetworks/a`
  const moves = new Map([[old.toLowerCase(), idInGroup(old, target)]])
  expect(movedId(`${old}/subnets/s`, moves)).toBe(`${idInGroup(old, target)}/subnets/s`)
  expect(movedId(`${old}b`, moves)).toBe(`${old}b`)
  expect(movedId(old.toLowerCase(), moves)).toBe(idInGroup(old, target).toLowerCase())
  expect(withMovedIds({ [old]: [{ id: old }, 1, null] }, moves)).toEqual({
    [idInGroup(old, target)]: [{ id: idInGroup(old, target) }, 1, null],
  })
  fc.assert(fc.property(fc.jsonValue(), (value) => isDeepStrictEqual(withMovedIds(value, moves), value)))
})
