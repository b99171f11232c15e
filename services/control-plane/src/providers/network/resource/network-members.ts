import { members, only, part, reference, type Members } from '../../../types/members.ts'

/*
 * Guests are reached through the host alone, and no traffic passes the resources of this namespace. What az and other
 * clients send with every VM is kept so that they work; whatever else would have no effect is refused.
 */

const own: Members = { resourceGuid: 'shown' }

export const ruleMembers: Members = part({
  priority: 'kept',
  direction: 'kept',
  access: 'kept',
  protocol: 'kept',
  description: 'kept',
  sourceAddressPrefix: 'kept',
  sourceAddressPrefixes: 'kept',
  sourcePortRange: 'kept',
  sourcePortRanges: 'kept',
  destinationAddressPrefix: 'kept',
  destinationAddressPrefixes: 'kept',
  destinationPortRange: 'kept',
  destinationPortRanges: 'kept',
})

export const groupMembers: Members = members(
  {},
  {
    ...own,
    securityRules: ruleMembers,
    flushConnection: only(false),
    defaultSecurityRules: 'shown',
    networkInterfaces: 'shown',
    subnets: 'shown',
  },
)

export const subnetMembers: Members = part({
  addressPrefix: 'honoured',
  addressPrefixes: 'honoured',
  networkSecurityGroup: reference,
  // The reader refuses these.
  routeTable: 'honoured',
  natGateway: 'honoured',
  serviceEndpointPolicies: 'honoured',
  privateEndpointNetworkPolicies: 'kept',
  privateLinkServiceNetworkPolicies: 'kept',
  defaultOutboundAccess: 'kept',
  ipConfigurations: 'shown',
  privateEndpoints: 'shown',
  purpose: 'shown',
})

export const virtualNetworkMembers: Members = members(
  {},
  {
    ...own,
    addressSpace: { addressPrefixes: 'honoured' },
    subnets: subnetMembers,
    ddosProtectionPlan: 'honoured',
    virtualNetworkPeerings: 'honoured',
    enableDdosProtection: only(false),
    enableVmProtection: only(false),
    encryption: { enabled: only(false), enforcement: only('AllowUnencrypted') },
    privateEndpointVNetPolicies: only('Disabled'),
  },
)

export const publicAddressMembers: Members = members(
  { sku: { name: 'kept', tier: only('Regional') }, zones: 'kept' },
  {
    ...own,
    publicIPAllocationMethod: 'kept',
    publicIPAddressVersion: 'honoured',
    idleTimeoutInMinutes: 'kept',
    deleteOption: 'honoured',
    dnsSettings: { domainNameLabel: 'honoured' },
    ddosSettings: { protectionMode: only('VirtualNetworkInherited') },
  },
)

const ipConfigurations: Members = part({
  subnet: reference,
  publicIPAddress: reference,
  privateIPAddress: 'honoured',
  privateIPAllocationMethod: 'honoured',
  privateIPAddressVersion: only('IPv4'),
  primary: only(true),
  loadBalancerBackendAddressPools: reference,
  loadBalancerInboundNatRules: 'honoured',
})

export const interfaceMembers: Members = members(
  {},
  {
    ...own,
    networkSecurityGroup: reference,
    ipConfigurations,
    enableAcceleratedNetworking: 'honoured',
    enableIPForwarding: only(false),
    disableTcpStateTracking: only(false),
    nicType: only('Standard'),
    auxiliaryMode: only('None'),
    auxiliarySku: only('None'),
    dnsSettings: { appliedDnsServers: 'shown', internalDomainNameSuffix: 'shown' },
    macAddress: 'shown',
    primary: 'shown',
    hostedWorkloads: 'shown',
    vnetEncryptionSupported: 'shown',
  },
)
