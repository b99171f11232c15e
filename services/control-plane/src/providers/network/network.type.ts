import { alone } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { addressAvailabilityRoutes } from './virtual-network/address-availability.ts'
import { childType } from './resource/children.ts'
import { effective } from './effective-rules.ts'
import { networkInterfaces } from './interfaces.ts'
import { balancerType, isWritten, partKinds } from './load-balancer/balancer-parts.ts'
import { loadBalancers } from './load-balancer/load-balancers.ts'
import { partMembers } from './load-balancer/part-members.ts'
import { partRoutes } from './load-balancer/part-routes.ts'
import { networkType } from './resource/provider.ts'
import { publicAddresses } from './public-addresses.ts'
import { securityGroups, securityRules } from './security-groups.ts'
import { subnets, virtualNetworks } from './virtual-network/virtual-networks.ts'

export const resourceTypes: readonly ResourceType[] = [
  networkType({ ...virtualNetworks, routes: addressAvailabilityRoutes }),
  childType(subnets),
  networkType(securityGroups),
  childType(securityRules),
  networkType(publicAddresses),
  networkType({ ...networkInterfaces, actions: effective }),
  networkType({
    ...loadBalancers,
    routes: (plane) => partKinds.filter((kind) => !isWritten(kind)).flatMap((kind) => partRoutes(plane, kind)),
  }),
  ...partKinds.filter(isWritten).map((kind): ResourceType => ({
    spelling: `${balancerType}/${kind}`,
    inParent: true,
    members: alone(partMembers[kind]),
    routes: (plane) => partRoutes(plane, kind),
  })),
]
