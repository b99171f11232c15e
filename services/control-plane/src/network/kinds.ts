import type { Plane } from '../plane.ts'
import { networkInterfaces } from './interfaces.ts'
import type { NetworkKind } from './provider.ts'
import { publicAddresses } from './public-addresses.ts'
import { securityGroups } from './security-groups.ts'
import { virtualNetworks } from './virtual-networks.ts'

/** Every kind of network resource. */
export const networkKinds = (plane: Plane): NetworkKind[] => [
  virtualNetworks,
  securityGroups(plane),
  publicAddresses,
  networkInterfaces(plane),
]
