import { randomUUID } from 'node:crypto'
import type { AnySpec } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import {
  codesOf,
  makeNetwork,
  networkPath,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
const nicPath = (name: string): string => networkPath('networkInterfaces', name)

async function makeNic(name: string, network = 'vnet', subnet = 'default'): Promise<void> {
  const id = `${networkPath('virtualNetworks', network)}/subnets/${subnet}`
  const ipConfigurations = [{ name: 'ipconfig1', properties: { subnet: { id } } }]
  const made = await plane.send('PUT', nicPath(name), { location: 'westeurope', properties: { ipConfigurations } })
  expect(made.status).toBe(201)
}

interface Named {
  id: string
  properties?: { primary?: boolean; deleteOption?: string }
}
const named = (name: string, primary?: boolean): Named => ({
  id: nicPath(name),
  ...(primary !== undefined && { properties: { primary } }),
})

const request = (nics: Named[], size = 'Standard_DC2as_v5'): Loose => {
  const body = vmRequest('vm1')
  body.properties.networkProfile.networkInterfaces = nics
  body.properties.hardwareProfile.vmSize = size
  return body
}
const specOf = async (): Promise<AnySpec> => {
  const { body } = await plane.send('GET', vmPath('vm1'))
  return plane.wire.instances.get((body.properties.vmId as string).toUpperCase())!.spec
}
const nic = async (name: string): Promise<Loose> => (await plane.send('GET', nicPath(name))).body.properties

beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
  await plane.send('PUT', `${networkPath('virtualNetworks', 'vnet')}/subnets/back`, {
    properties: { addressPrefix: '10.0.1.0/24' },
  })
  await plane.send('PUT', networkPath('virtualNetworks', 'other'), {
    location: 'westeurope',
    properties: {
      addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
      subnets: [{ name: 'default', properties: { addressPrefix: '10.9.0.0/24' } }],
    },
  })
  await makeNic('front')
  await makeNic('back', 'vnet', 'back')
  await makeNic('third', 'vnet', 'back')
  await makeNic('far', 'other')
})
afterAll(async () => await plane.close())

describe('a VM with several network interfaces', () => {
  it.each([
    [
      'more than its size has',
      [named('front', true), named('back'), named('third')],
      ['NetworkInterfaceCountExceeded'],
    ],
    [
      'none that is the primary one',
      [named('front'), named('back')],
      ['VirtualMachineMustHaveOneNetworkInterfaceAsPrimary'],
    ],
    [
      'two primary ones',
      [named('front', true), named('back', true)],
      ['VirtualMachineMustHaveOneNetworkInterfaceAsPrimary'],
    ],
    ['one in another virtual network', [named('front', true), named('far', false)], ['SubnetsNotInSameVnet']],
    ['one that does not exist', [named('front', true), named('nothing')], ['InvalidResourceReference']],
    ['the same one twice', [named('front', true), named('FRONT')], ['InvalidParameter']],
    ['none', [], ['InvalidParameter']],
  ])('is refused with %s', async (_why, nics, codes) => {
    const { status, body } = await plane.send('PUT', vmPath('vm1'), request(nics))
    expect([status, codesOf(body as never)]).toEqual([400, codes])
    expect((await nic('front')).virtualMachine).toBeUndefined()
  })

  it('says in Azure’s words how many its size may have', async () => {
    const { body } = await plane.send(
      'PUT',
      vmPath('vm1'),
      request([named('front', true), named('back'), named('third')]),
    )
    expect(body.error.message).toBe(
      'The number of network interfaces for virtual machine vm1 exceeds the maximum allowed for the virtual ' +
        'machine size Standard_DC2as_v5. The number of network interfaces is 3 and the maximum allowed is 2.',
    )
  })

  it('has them all on its host, the primary one first, and they are its alone', async () => {
    await plane.run('PUT', vmPath('vm1'), request([named('back', false), named('front', true)]))
    const [front, back] = [await nic('front'), await nic('back')]
    const wire = (mac: string): string => mac.toLowerCase().replaceAll('-', ':')
    const spec = await specOf()
    expect(spec.network).toEqual({
      macAddress: wire(front.macAddress as string),
      privateIpAddress: front.ipConfigurations[0].properties.privateIPAddress,
    })
    expect(spec.interfaces).toEqual([
      { macAddress: wire(back.macAddress as string), privateIpAddress: '10.0.1.4', subnetPrefix: '10.0.1.0/24' },
    ])
    expect(spec.shown?.subnetPrefix).toBe('10.0.0.0/24')
    expect([front.primary, back.primary]).toEqual([true, false])
    expect([front.virtualMachine.id, back.virtualMachine.id]).toEqual([vmPath('vm1'), vmPath('vm1')])

    await makeNic('vm2VMNic')
    const second = vmRequest('vm2')
    second.properties.networkProfile.networkInterfaces = [named('vm2VMNic', true), named('back')]
    expect(codesOf((await plane.send('PUT', vmPath('vm2'), second)).body as never)).toEqual(['NicInUse'])
    expect((await plane.send('DELETE', nicPath('back'))).body.error.code).toBe('NicInUse')
  })

  it('keeps them while it is allocated', async () => {
    const changed = request([named('front', true), named('third', false)])
    const running = await plane.send('PUT', vmPath('vm1'), changed)
    expect([running.status, running.body.error.code]).toEqual([
      400,
      'AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported',
    ])
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    expect((await plane.send('PUT', vmPath('vm1'), changed)).status).toBe(400)
    expect((await nic('back')).virtualMachine.id).toBe(vmPath('vm1'))
    // Their fate when the VM is deleted does not concern its host.
    const kept = request([
      { id: nicPath('front'), properties: { primary: true, deleteOption: 'Delete' } },
      named('back', false),
    ])
    expect((await plane.send('PUT', vmPath('vm1'), kept)).status).toBe(200)
  })

  it('changes them while it is deallocated, and starts with the new ones', async () => {
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    const answer = await plane.send('PUT', vmPath('vm1'), request([named('front', false), named('third', true)]))
    expect(answer.status).toBe(200)
    expect(answer.body.properties.networkProfile.networkInterfaces).toMatchObject([
      { id: nicPath('front'), properties: { primary: false } },
      { id: nicPath('third'), properties: { primary: true } },
    ])
    expect((await nic('back')).virtualMachine).toBeUndefined()
    const [front, third] = [await nic('front'), await nic('third')]
    expect([front.primary, third.primary]).toEqual([false, true])
    await plane.run('POST', `${vmPath('vm1')}/start`)
    const spec = await specOf()
    expect(spec.network.privateIpAddress).toBe(third.ipConfigurations[0].properties.privateIPAddress)
    expect(spec.interfaces?.map(({ subnetPrefix }) => subnetPrefix)).toEqual(['10.0.0.0/24'])
    expect(spec.shown?.subnetPrefix).toBe('10.0.1.0/24')
  })

  it('goes back to one, which is the primary one', async () => {
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    expect((await plane.send('PUT', vmPath('vm1'), request([named('front')]))).status).toBe(200)
    await plane.run('POST', `${vmPath('vm1')}/start`)
    expect((await specOf()).interfaces).toEqual([])
    expect((await nic('front')).primary).toBe(true)
    expect((await plane.send('DELETE', nicPath('third'))).status).toBeLessThan(300)
  })

  it('takes a further one only from those who may join it', async () => {
    const operator = randomUUID()
    // Virtual Machine Contributor on the VM only.
    const role = '9980e02c-c2be-4d73-94e8-173b1dc7cf3c'
    const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`
    const assignment = `${vmPath('vm1')}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
    const properties = { roleDefinitionId, principalId: operator, principalType: 'ServicePrincipal' }
    expect((await plane.send('PUT', assignment, { properties })).status).toBe(201)
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    const body = request([named('front', true), named('back')])
    const refused = await plane.send('PUT', vmPath('vm1'), body, { as: operator })
    expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed'])
    expect(refused.body.error.message).toContain('Microsoft.Network/networkInterfaces/join/action')
    expect((await nic('back')).virtualMachine).toBeUndefined()
  })
})
