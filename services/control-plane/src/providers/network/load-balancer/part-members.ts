import { members, only, part, reference, type Members } from '../../../types/members.ts'
import type { PartKind } from './balancer-parts.ts'

/** What a part's own references are to, seen from the part that is referred to. */
const backwards: Members = {
  loadBalancingRules: 'shown',
  inboundNatRules: 'shown',
  inboundNatPools: 'shown',
  outboundRules: 'shown',
}

const forwarding: Members = {
  frontendIPConfiguration: reference,
  backendAddressPool: reference,
  protocol: 'kept',
  backendPort: 'kept',
  frontendPort: 'kept',
  idleTimeoutInMinutes: 'kept',
  enableTcpReset: 'kept',
  enableFloatingIP: 'kept',
}

/** No traffic passes a load balancer: its rules are checked, stored and shown. */
export const partMembers: Record<PartKind, Members> = {
  frontendIPConfigurations: part({
    ...backwards,
    publicIPAddress: reference,
    subnet: reference,
    privateIPAddress: 'honoured',
    privateIPAllocationMethod: 'honoured',
    privateIPAddressVersion: only('IPv4'),
  }),
  backendAddressPools: part({
    ...backwards,
    // The reader refuses these.
    loadBalancerBackendAddresses: 'honoured',
    backendIPConfigurations: 'shown',
  }),
  probes: part({
    ...backwards,
    protocol: 'kept',
    port: 'kept',
    requestPath: 'kept',
    intervalInSeconds: 'kept',
    numberOfProbes: 'kept',
    probeThreshold: 'kept',
    noHealthyBackendsBehavior: only('AllProbedDown'),
  }),
  loadBalancingRules: part({
    ...forwarding,
    backendAddressPools: reference,
    probe: reference,
    loadDistribution: 'kept',
    disableOutboundSnat: 'kept',
  }),
  inboundNatRules: part({
    ...forwarding,
    frontendPortRangeStart: 'kept',
    frontendPortRangeEnd: 'kept',
  }),
  outboundRules: part({
    frontendIPConfigurations: reference,
    backendAddressPool: reference,
    protocol: 'kept',
    allocatedOutboundPorts: 'kept',
    idleTimeoutInMinutes: 'kept',
    enableTcpReset: 'kept',
  }),
}

export const balancerMembers: Members = members(
  { sku: { name: 'kept', tier: only('Regional') } },
  { ...partMembers, inboundNatPools: 'honoured', resourceGuid: 'shown' },
)
