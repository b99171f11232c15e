import type { ResourceType } from '../../types/resource-type.ts'
import { addressAvailabilityRoutes } from './address-availability.ts'
import { effectiveRoutes } from './effective-rules.ts'
import { networkInterfaces } from './interfaces.ts'
import { networkType } from './provider.ts'
import { publicAddresses } from './public-addresses.ts'
import { securityGroups, securityRuleRoutes } from './security-groups.ts'
import { subnetRoutes, virtualNetworks } from './virtual-networks.ts'

export const resourceTypes: readonly ResourceType[] = [
  networkType({ ...virtualNetworks, routes: addressAvailabilityRoutes }),
  { spelling: 'Microsoft.Network/virtualNetworks/subnets', inParent: true, routes: subnetRoutes },
  networkType(securityGroups),
  { spelling: 'Microsoft.Network/networkSecurityGroups/securityRules', inParent: true, routes: securityRuleRoutes },
  networkType(publicAddresses),
  networkType({ ...networkInterfaces, routes: effectiveRoutes }),
]
