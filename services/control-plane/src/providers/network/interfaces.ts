import { ServiceError } from '@strongroom/platform'
import type { Link } from '../../arm/access.ts'
import { refuse, type Fields } from '../../arm/fields.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db, Json, Resource } from '../../store/resources.ts'
import type { Along } from '../../types/along.ts'
import { release, takeAddress, takeMacAddress } from './virtual-network/address-pool.ts'
import { attachPublicAddress, detachPublicAddress, findSubnet } from './virtual-network/address-holders.ts'
import { poolsNamed } from './load-balancer/balancer-parts.ts'
import { requirePool } from './load-balancer/load-balancers.ts'
import { interfaceMembers } from './resource/network-members.ts'
import {
  checkReference,
  readAllocation,
  referenceProblem,
  type NetworkKind,
  type Written,
} from './resource/provider.ts'

/** More than the one that an interface has, so that it is named as Azure names it. */
export const mostIpConfigurations = 16

export const interfaceType = 'Microsoft.Network/networkInterfaces'

interface IpConfiguration {
  id: string
  name: string
  properties: Json & {
    privateIPAddress: string
    subnet: { id: string }
    publicIPAddress?: { id: string }
    loadBalancerBackendAddressPools?: { id: string }[]
  }
}

export const ipConfigurationsOf = (nic: Resource): IpConfiguration[] =>
  (nic.body.properties['ipConfigurations'] ?? []) as IpConfiguration[]

/** ARM id of the VM that the interface is attached to. */
export const vmOf = (nic: Resource): string | undefined =>
  (nic.body.properties['virtualMachine'] as { id?: string } | undefined)?.id

export const hasAcceleratedNetworking = (nic: Resource): boolean =>
  nic.body.properties['enableAcceleratedNetworking'] === true

export const networkInterfaces: NetworkKind = {
  name: 'networkInterfaces',
  members: interfaceMembers,
  refersTo: ['networkSecurityGroups', 'publicIPAddresses', 'virtualNetworks', 'loadBalancers'].map(
    (name) => `Microsoft.Network/${name}`,
  ),
  links(fields) {
    const properties = fields.object('properties')
    const reference = (holder: Fields, name: string, type: string): Link[] => {
      const id = holder.object(name).text('id')
      return id === undefined ? [] : [{ id, action: `Microsoft.Network/${type}/join/action` }]
    }
    const configurations = properties
      .list('ipConfigurations', mostIpConfigurations)
      .map((configuration) => configuration.object('properties'))
    return [
      ...reference(properties, 'networkSecurityGroup', 'networkSecurityGroups'),
      ...configurations.flatMap((each) => reference(each, 'subnet', 'virtualNetworks/subnets')),
      ...configurations.flatMap((each) => reference(each, 'publicIPAddress', 'publicIPAddresses')),
      ...configurations
        .flatMap((each) => poolsNamed(each))
        .flatMap((pool): Link[] => {
          const id = pool.text('id')
          return id === undefined
            ? []
            : [{ id, action: 'Microsoft.Network/loadBalancers/backendAddressPools/join/action' }]
        }),
    ]
  },
  async complete(plane, written) {
    const { tx, id, fields, given, existing } = written
    const properties = fields.object('properties')
    const accelerated = properties.flag('enableAcceleratedNetworking') ?? false
    const groupId = await checkReference(plane, tx, properties.object('networkSecurityGroup'), 'networkSecurityGroups')
    const listed = properties.list('ipConfigurations', mostIpConfigurations)
    if (listed.length !== 1) {
      fields.problem({
        code: listed.length === 0 ? 'NetworkInterfaceMustHaveOneIpConfiguration' : 'TooManyIpConfigurations',
        message: `Network interface ${id} must have exactly one IP configuration.`,
        target: properties.at('ipConfigurations'),
        expected: '1',
        found: String(listed.length),
      })
      return given
    }
    const configuration = await completeConfiguration(plane, written, listed[0]!)
    fields.assertSound()
    const old = existing?.body.properties
    return {
      ...given,
      enableAcceleratedNetworking: accelerated,
      ...(groupId !== undefined && { networkSecurityGroup: { id: groupId } }),
      ipConfigurations: [configuration],
      macAddress: old?.['macAddress'] ?? (await takeMacAddress(tx, keyOf(id))),
      primary: old?.['primary'] ?? true,
      // Set by the VM that it is attached to, never by the request.
      virtualMachine: old?.['virtualMachine'],
    }
  },
  along: async (_plane, nic) => addressesOf(nic).map((id) => ({ id, does: 'change' })),
  async assertUnused(_plane, _tx, nic) {
    const vm = vmOf(nic)
    if (vm === undefined) return
    throw new ServiceError({
      code: 'NicInUse',
      status: 400,
      message:
        `Network Interface ${nic.id} is used by existing resource ${vm}. In order to delete the network interface, ` +
        'it must be dissociated from the resource. To learn more, see aka.ms/deletenic.',
      found: vm,
      remedy: 'Delete the virtual machine first.',
    })
  },
  async released(plane, tx, nic) {
    for (const configuration of ipConfigurationsOf(nic)) await detachAddress(plane, tx, configuration)
  },
  holder: vmOf,
}

async function completeConfiguration(plane: Plane, o: Written, fields: Fields): Promise<IpConfiguration> {
  const { tx, id, existing } = o
  const owner = keyOf(id)
  const properties = fields.object('properties')
  const name = fields.text('name') ?? 'ipconfig1'
  const before = existing === undefined ? undefined : ipConfigurationsOf(existing)[0]
  const configurationId = `${id}/ipConfigurations/${name}`
  const subnetId = properties.object('subnet').text('id') ?? ''
  const subnet = await findSubnet(plane, tx, subnetId)
  if (subnet === undefined) fields.problem(referenceProblem(properties.at('subnet.id'), subnetId))
  // Before the address: a load balancer's own write locks its row first, too.
  const pools: { id: string }[] = []
  for (const reference of poolsNamed(properties)) {
    const pool = await requirePool(plane, tx, reference)
    if (pool !== undefined) pools.push({ id: pool })
  }
  refuseNatRules(properties)
  const publicId = await checkReference(plane, tx, properties.object('publicIPAddress'), 'publicIPAddresses')
  const allocation = readAllocation(properties, before?.properties.privateIPAddress)
  const { method, wanted } = allocation
  fields.assertSound()
  if (subnet === undefined) throw new TypeError('a missing subnet is a problem')

  const moved = before !== undefined && keyOf(before.properties.subnet.id) !== keyOf(subnet.id)
  const readdressed = wanted !== undefined && wanted !== before?.properties.privateIPAddress
  if (before !== undefined && (moved || readdressed)) {
    if (existing !== undefined && vmOf(existing) !== undefined) throw inUse(existing)
    await release(tx, keyOf(before.properties.subnet.id), before.properties.privateIPAddress)
  }
  const keeps = before !== undefined && !moved && !readdressed
  const pool = { subnetKey: keyOf(subnet.id), prefix: subnet.properties.addressPrefix, owner }
  const privateIPAddress = keeps ? before.properties.privateIPAddress : await takeAddress(tx, pool, allocation)

  if (before !== undefined && before.properties.publicIPAddress?.id.toLowerCase() !== publicId?.toLowerCase()) {
    await detachAddress(plane, tx, before)
  }
  if (publicId !== undefined) await attachPublicAddress(plane, tx, publicId, configurationId)
  return {
    id: configurationId,
    name,
    properties: {
      privateIPAddress,
      privateIPAllocationMethod: method,
      privateIPAddressVersion: 'IPv4',
      primary: true,
      provisioningState: 'Succeeded',
      subnet: { id: subnet.id },
      ...(publicId !== undefined && { publicIPAddress: { id: publicId } }),
      ...(pools.length > 0 && { loadBalancerBackendAddressPools: pools }),
    },
  }
}

/** Rules of a whole pool belong to the load balancer; one interface's rules would lead nowhere. */
function refuseNatRules(properties: Fields): void {
  if (properties.list('loadBalancerInboundNatRules', 500).length === 0) return
  properties.unsupported(
    properties.at('loadBalancerInboundNatRules'),
    "'loadBalancerInboundNatRules' is not offered: traffic is not forwarded to interfaces.",
    {
      expected: 'no loadBalancerInboundNatRules',
      found: 'some',
      remedy: 'Omit it; reach the VM with strongroom vm ssh.',
    },
  )
}

function inUse(nic: Resource): ServiceError {
  return new ServiceError({
    code: 'NicInUse',
    status: 409,
    message: `The address of network interface ${nic.id} cannot change while virtual machine ${vmOf(nic)} uses it.`,
    remedy: 'Delete the virtual machine first, or create another network interface.',
  })
}

async function detachAddress(plane: Plane, tx: Db, { id, properties }: IpConfiguration): Promise<void> {
  if (properties.publicIPAddress !== undefined) await detachPublicAddress(plane, tx, properties.publicIPAddress.id, id)
}

const addressesOf = (nic: Resource): string[] =>
  ipConfigurationsOf(nic).flatMap(({ properties: { publicIPAddress } }) => publicIPAddress?.id ?? [])

/**
 * What happens to an interface and its addresses when its VM is deleted: they go, or are detached. An address with
 * `deleteOption` Delete goes with its interface, as in Azure.
 * @param remove whether the VM has `deleteOption` Delete for the interface
 */
export async function alongWithVm(plane: Plane, nicId: string, remove: boolean): Promise<Along[]> {
  const nic = await plane.resources.find(nicId)
  if (nic === undefined) return []
  if (!remove) return [{ id: nic.id, does: 'change' }]
  const along: Along[] = [{ id: nic.id, does: 'delete', action: `${interfaceType}/delete` }]
  for (const id of addressesOf(nic)) {
    const address = await plane.resources.find(id)
    if (address === undefined) continue
    const goes = /^delete$/i.test(String(address.body.properties['deleteOption']))
    const deletion = { does: 'delete', action: 'Microsoft.Network/publicIPAddresses/delete' } as const
    along.push({ id: address.id, ...(goes ? deletion : { does: 'change' }) })
  }
  return along
}

async function removeWithInterface(
  plane: Plane,
  tx: Db,
  { properties }: IpConfiguration,
  goes: (id: string) => boolean,
): Promise<void> {
  const id = properties.publicIPAddress?.id
  const address = id === undefined || !goes(id) ? undefined : await plane.resources.lock(tx, id)
  if (address !== undefined && address.body.properties['ipConfiguration'] === undefined)
    await plane.resources.remove(tx, address.id)
}

/** Attaches the interface to a VM. @throws ServiceError if another VM has it, or it was deleted or moved meanwhile */
export async function attachInterface(
  plane: Plane,
  tx: Db,
  o: { nicId: string; vmId: string; primary: boolean },
): Promise<void> {
  const { vmId } = o
  const attached = await plane.resources.change(tx, o.nicId, (nic) => {
    const other = vmOf(nic)
    if (other !== undefined && keyOf(other) !== keyOf(vmId)) {
      throw new ServiceError({
        code: 'NicInUse',
        status: 400,
        message: `Network Interface ${nic.id} is used by existing resource ${other}.`,
        found: other,
        remedy: 'Create another network interface.',
      })
    }
    nic.body.properties['virtualMachine'] = { id: vmId }
    nic.body.properties['primary'] = o.primary
  })
  if (attached === undefined) throw refuse([referenceProblem('properties.networkProfile.networkInterfaces', o.nicId)])
}

/** Detaches the interface from a VM. @param o.goes whether the interface, or an address of it, is deleted with the VM */
export async function detachInterface(
  plane: Plane,
  tx: Db,
  o: { nicId: string; vmId: string; goes: (id: string) => boolean },
): Promise<void> {
  const nic = await plane.resources.change(tx, o.nicId, (changed) => {
    const vm = vmOf(changed)
    if (vm !== undefined && keyOf(vm) === keyOf(o.vmId)) {
      delete changed.body.properties['virtualMachine']
      changed.body.properties['primary'] = true
    }
  })
  if (nic === undefined || !o.goes(nic.id) || vmOf(nic) !== undefined) return
  for (const configuration of ipConfigurationsOf(nic)) {
    await detachAddress(plane, tx, configuration)
    await removeWithInterface(plane, tx, configuration, o.goes)
  }
  await plane.resources.remove(tx, nic.id)
}
