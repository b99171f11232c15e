/** Several interfaces, user-assigned identities and data disks by id, with the SDKs. Run by sdk.test.ts. */
import { strict as assert } from 'node:assert'
import type { VirtualMachine } from '@azure/arm-compute'
import { call, compute, confidentialVm, location, network, refused, resources, subscription } from './sdk.ts'

const group = 'vms'
const in_ = (type: string, name: string): string =>
  `/subscriptions/${subscription}/resourceGroups/${group}/providers/${type}/${name}`
const identityId = (name: string): string => in_('Microsoft.ManagedIdentity/userAssignedIdentities', name)
const nicId = (name: string): string => in_('Microsoft.Network/networkInterfaces', name)
const diskId = (name: string): string => in_('Microsoft.Compute/disks', name)

await resources.resourceGroups.createOrUpdate(group, { location })
await network.virtualNetworks.beginCreateOrUpdateAndWait(group, 'vnet', {
  location,
  addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
  subnets: [
    { name: 'front', addressPrefix: '10.0.0.0/24' },
    { name: 'back', addressPrefix: '10.0.1.0/24' },
  ],
})

const i = 'Several network interfaces'
await call(i, 'networkInterfaces.createOrUpdate', async () => {
  for (const [name, subnet] of Object.entries({ n1: 'front', n2: 'back', n3: 'back' }))
    await network.networkInterfaces.beginCreateOrUpdateAndWait(group, name, {
      location,
      ipConfigurations: [
        { name: 'ip', subnet: { id: in_('Microsoft.Network/virtualNetworks', `vnet/subnets/${subnet}`) } },
      ],
    })
})
const interfaces = (first: string, ...others: string[]): NonNullable<VirtualMachine['networkProfile']> => ({
  networkInterfaces: [first, ...others].map((name) => ({ id: nicId(name), primary: name === first })),
})
await refused(
  i,
  'virtualMachines.createOrUpdate (more than the size has)',
  'NetworkInterfaceCountExceeded',
  async () =>
    await compute.virtualMachines.createOrUpdate(group, 'vm', {
      ...confidentialVm(nicId('n1')),
      networkProfile: interfaces('n1', 'n2', 'n3'),
    }),
)
await call(i, 'virtualMachines.createOrUpdate (two interfaces)', async () => {
  const body = { ...confidentialVm(nicId('n1')), networkProfile: interfaces('n1', 'n2') }
  const made = await compute.virtualMachines.createOrUpdate(group, 'vm', body)
  assert.deepEqual(
    made.networkProfile?.networkInterfaces?.map(({ primary }) => primary),
    [true, false],
  )
})
await call(i, 'networkInterfaces.get (beside the primary one)', async () => {
  const nic = await network.networkInterfaces.get(group, 'n2')
  assert.equal(nic.virtualMachine?.id, in_('Microsoft.Compute/virtualMachines', 'vm'))
  assert.equal(nic.primary, false)
  assert.ok(nic.ipConfigurations?.[0]?.privateIPAddress?.startsWith('10.0.1.'))
})
const rewire = async (): Promise<VirtualMachine> =>
  await compute.virtualMachines.update(group, 'vm', { networkProfile: interfaces('n3', 'n1') })
await refused(
  i,
  'virtualMachines.update (other interfaces of a VM that runs)',
  'AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported',
  rewire,
)
await call(i, 'virtualMachines.deallocate', async () => await compute.virtualMachines.deallocate(group, 'vm'))
await call(i, 'virtualMachines.update (another primary interface)', async () => {
  await rewire()
  assert.equal((await network.networkInterfaces.get(group, 'n3')).primary, true)
  assert.equal((await network.networkInterfaces.get(group, 'n2')).virtualMachine, undefined)
})
await call(i, 'virtualMachines.start', async () => await compute.virtualMachines.start(group, 'vm'))
await refused(
  i,
  'networkInterfaces.delete (of a VM)',
  'NicInUse',
  async () => await network.networkInterfaces.beginDeleteAndWait(group, 'n1'),
)

const u = 'User-assigned identities'
await call(u, 'resources.createOrUpdateById (a user-assigned identity)', async () => {
  for (const name of ['ana', 'ben']) {
    const made = await resources.resources.beginCreateOrUpdateByIdAndWait(identityId(name), '2023-01-31', { location })
    assert.match(String((made.properties as { clientId?: string }).clientId), /^[0-9a-f-]{36}$/)
  }
})
const assigned = async (): Promise<[string | undefined, string[]]> => {
  const { identity } = await compute.virtualMachines.get(group, 'vm')
  const names = Object.keys(identity?.userAssignedIdentities ?? {}).map((id) => id.split('/').at(-1) ?? '')
  return [identity?.type, names.toSorted()]
}
await call(u, 'virtualMachines.update (two, and the VM’s own)', async () => {
  const userAssignedIdentities = { [identityId('ana')]: {}, [identityId('ben')]: {} }
  const identity = { type: 'SystemAssigned, UserAssigned', userAssignedIdentities } as const
  const { identity: shown } = await compute.virtualMachines.update(group, 'vm', { identity })
  assert.match(shown?.principalId ?? '', /^[0-9a-f-]{36}$/)
  for (const each of Object.values(shown?.userAssignedIdentities ?? {}))
    assert.match(each.clientId ?? '', /^[0-9a-f-]{36}$/)
  assert.deepEqual(await assigned(), ['SystemAssigned, UserAssigned', ['ana', 'ben']])
})
await call(u, 'virtualMachines.update (one fewer)', async () => {
  // The SDK's type lacks the null that removes an identity; programs write it anyway.
  const userAssignedIdentities = { [identityId('ana')]: null } as never
  await compute.virtualMachines.update(group, 'vm', { identity: { type: 'UserAssigned', userAssignedIdentities } })
  assert.deepEqual(await assigned(), ['UserAssigned', ['ben']])
})
await refused(
  u,
  'virtualMachines.update (one that there is not)',
  'FailedIdentityOperation',
  async () =>
    await compute.virtualMachines.update(group, 'vm', {
      identity: { type: 'UserAssigned', userAssignedIdentities: { [identityId('nobody')]: {} } },
    }),
)
await call(u, 'virtualMachines.update (none)', async () => {
  await compute.virtualMachines.update(group, 'vm', { identity: { type: 'None' } })
  assert.deepEqual(await assigned(), [undefined, []])
})

const d = 'Data disks by their ids'
await call(d, 'disks.createOrUpdate', async () => {
  for (const name of ['a', 'b'])
    await compute.disks.createOrUpdate(group, name, {
      location,
      creationData: { createOption: 'Empty' },
      diskSizeGB: 4,
    })
})
await call(d, 'virtualMachines.attachDetachDataDisks (attach)', async () => {
  const dataDisksToAttach = [{ diskId: diskId('a'), lun: 4 }, { diskId: diskId('b') }]
  const profile = await compute.virtualMachines.attachDetachDataDisks(group, 'vm', { dataDisksToAttach })
  assert.deepEqual(
    profile.dataDisks?.map(({ name, lun }) => [name, lun]),
    [
      ['a', 4],
      ['b', 0],
    ],
  )
})
await call(d, 'virtualMachines.attachDetachDataDisks (detach)', async () => {
  const dataDisksToDetach = [{ diskId: diskId('a'), detachOption: 'ForceDetach' as const }]
  const profile = await compute.virtualMachines.attachDetachDataDisks(group, 'vm', { dataDisksToDetach })
  assert.deepEqual(
    profile.dataDisks?.map(({ name }) => name),
    ['b'],
  )
})
await refused(
  d,
  'virtualMachines.attachDetachDataDisks (detach what is not attached)',
  'InvalidParameter',
  async () =>
    await compute.virtualMachines.attachDetachDataDisks(group, 'vm', { dataDisksToDetach: [{ diskId: diskId('a') }] }),
)

await resources.resourceGroups.beginDeleteAndWait(group)
