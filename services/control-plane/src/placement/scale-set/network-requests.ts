import { Fields } from '../../arm/fields.ts'
import { poolsNamed } from '../../providers/network/load-balancer/balancer-parts.ts'
import type { Json } from '../../store/resources.ts'
import type { InstanceModel, InstanceName } from './instance-model.ts'
import { mostOfVm } from '../../providers/compute/size/sizes.ts'
import { mostIpConfigurations } from '../../providers/network/interfaces.ts'

/** An interface of one instance, with its address. */
export interface NetworkRequest {
  /** ARM id. */
  id: string
  primary: boolean
  body: Json
  address?: { id: string; body: Json }
}

/**
 * The interfaces that a profile gives each instance. Malformed values are reported to `fields`, whose paths are the
 * profile's.
 * @param network for example …/providers/Microsoft.Network
 */
export function networkRequests(
  { location, tags, profile }: Pick<InstanceModel, 'location' | 'tags' | 'profile'>,
  { suffix, zone }: InstanceName,
  network: string,
  fields: Fields = new Fields(profile, 'properties.virtualMachineProfile'),
): NetworkRequest[] {
  const listed = fields.object('networkProfile').list('networkInterfaceConfigurations', mostOfVm)
  return listed.map((configuration): NetworkRequest => {
    const properties = configuration.object('properties')
    const name = (configuration.text('name') ?? 'nic').slice(0, 71)
    const common = { location, tags }
    const [ip, ...more] = properties.list('ipConfigurations', mostIpConfigurations)
    if (ip === undefined || more.length > 0)
      configuration.invalid(
        properties.at('ipConfigurations'),
        'A network interface configuration has exactly one IP configuration.',
        { expected: '1', found: String(more.length + (ip === undefined ? 0 : 1)), remedy: 'Name one.' },
      )
    const own = (ip ?? new Fields({}, '', fields.problems)).object('properties')
    refuseBalancers(own)
    const pools = poolsNamed(own).map((pool) => ({ id: pool.text('id') ?? '' }))
    const address = own.object('publicIPAddressConfiguration')
    const addressId = `${network}/publicIPAddresses/${(address.text('name') ?? 'instancepublicip').slice(0, 71)}-${suffix}`
    const idleTimeoutInMinutes = address.object('properties').integer('idleTimeoutInMinutes', 4, 30)
    const label = address.object('properties').object('dnsSettings').text('domainNameLabel')
    return {
      id: `${network}/networkInterfaces/${name}-${suffix}`,
      primary: (properties.flag('primary') ?? false) || listed.length === 1,
      ...(address.present && {
        address: {
          id: addressId,
          body: {
            ...common,
            ...(zone !== undefined && { zones: [zone] }),
            sku: { name: 'Standard' },
            properties: {
              publicIPAllocationMethod: 'Static',
              // Deleted with its interface.
              deleteOption: 'Delete',
              ...(idleTimeoutInMinutes !== undefined && { idleTimeoutInMinutes }),
              ...(label !== undefined && { dnsSettings: { domainNameLabel: `${label}-${suffix}` } }),
            },
          },
        },
      }),
      body: {
        ...common,
        properties: {
          enableAcceleratedNetworking: properties.flag('enableAcceleratedNetworking') ?? false,
          ...(properties.object('networkSecurityGroup').has('id') && {
            networkSecurityGroup: { id: properties.object('networkSecurityGroup').text('id') },
          }),
          ipConfigurations: [
            {
              name: ip?.text('name') ?? 'ipconfig1',
              properties: {
                subnet: { id: own.object('subnet').text('id') ?? '' },
                ...(address.present && { publicIPAddress: { id: addressId } }),
                ...(pools.length > 0 && { loadBalancerBackendAddressPools: pools }),
              },
            },
          ],
        },
      },
    }
  })
}

/** Members that must not be dropped silently: instances would be unreachable. */
function refuseBalancers(own: Fields): void {
  for (const [name, instead] of [
    ['loadBalancerInboundNatPools', 'Leave it out.'],
    ['applicationGatewayBackendAddressPools', 'Leave it out.'],
    ['applicationSecurityGroups', 'Name address prefixes in the rules of the security group.'],
  ] as const) {
    if (own.list(name, mostIpConfigurations).length === 0) continue
    own.unsupported(
      own.at(name),
      `'${name}' is not offered: traffic is not forwarded to interfaces, and they are not grouped.`,
      {
        expected: `no ${name}`,
        found: 'some',
        remedy: instead,
      },
    )
  }
}
