import { ok, param } from '../../arm/request.ts'
import { findRegion } from '../../arm/regions.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'
import { publicAddressCount } from './virtual-network/address-pool.ts'

/** Clients read the largest 32-bit number as "no limit". */
const unlimited = 2_147_483_647

const counted: readonly [type: string, name: string, text: string, limit: number][] = [
  ['virtualNetworks', 'VirtualNetworks', 'Virtual Networks', unlimited],
  ['networkSecurityGroups', 'NetworkSecurityGroups', 'Network Security Groups', unlimited],
  ['networkInterfaces', 'NetworkInterfaces', 'Network Interfaces', unlimited],
  ['publicIPAddresses', 'PublicIPAddresses', 'Public IP Addresses', publicAddressCount],
  ['publicIPAddresses', 'StaticPublicIPAddresses', 'Static Public IP Addresses', publicAddressCount],
]

/** Number of network resources per region. Only public addresses are limited, over all regions together. */
export function networkUsageRoutes(plane: Plane): Route[] {
  return [
    route.get(
      `${subscriptionPath}/providers/Microsoft.Network/locations/{location}/usages`,
      'Microsoft.Network/locations/usages/read',
      async (request) => {
        const region = findRegion(param(request, 'location'))?.name
        const value = await Promise.all(
          counted.map(async ([type, name, text, limit]) => {
            const all = await plane.resources.list({ type: `Microsoft.Network/${type}` })
            const there = limit === unlimited ? all.filter(({ location }) => location === region) : all
            return {
              id: `${request.path}/${name}`,
              name: { value: name, localizedValue: text },
              currentValue: there.length,
              limit,
              unit: 'Count',
            }
          }),
        )
        return ok({ value })
      },
    ),
  ]
}
