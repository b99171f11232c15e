/** Virtual networks, interfaces, addresses and security groups. */
export const networkErrors = {
  DnsRecordInUse: {
    status: 400,
    when: 'Another public address uses the domain name label.',
    remedy: 'Use another label.',
  },
  IPv6NotSupported: {
    status: 400,
    when: 'The request asks for an IPv6 public address.',
    remedy: 'Leave publicIPAddressVersion out.',
  },
  InUseBackendAddressPoolCannotBeDeleted: {
    status: 400,
    when: 'The request removes a load balancer’s backend address pool that still contains an interface.',
    remedy: 'Remove the interface from the pool first.',
  },
  InUseNetworkSecurityGroupCannotBeDeleted: {
    status: 400,
    when: 'The security group is used by an interface or a subnet.',
    remedy: 'Detach it from them first.',
  },
  InUseSubnetCannotBeDeleted: {
    status: 400,
    when: 'The subnet has network interfaces.',
    remedy: 'Delete them first.',
  },
  InvalidAddressPrefixFormat: {
    status: 400,
    when: 'A virtual network or subnet has no address prefix.',
    remedy: 'Send one, for example 10.0.0.0/16.',
  },
  InvalidCIDRNotation: {
    status: 400,
    when: 'An address prefix is not in CIDR notation.',
    remedy: 'Write it as 10.0.0.0/16.',
  },
  InvalidDomainNameLabel: {
    status: 400,
    when: 'The domain name label has characters or a length that is not allowed.',
    remedy: 'Use another label.',
  },
  InvalidIPAddressFormat: {
    status: 400,
    when: 'An address is not an IPv4 address.',
    remedy: 'Write it as 10.0.0.9.',
  },
  LoadBalancerUseByVirtualMachineScaleSet: {
    status: 400,
    when: 'The request removes a load balancer’s backend address pool that a scale set uses.',
    remedy: 'Delete the scale set first.',
  },
  NetcfgInvalidSubnet: {
    status: 400,
    when: 'A subnet is too small, or lies outside its virtual network.',
    remedy: 'Give it another prefix.',
  },
  NetcfgSubnetRangesOverlap: {
    status: 400,
    when: 'Two subnets overlap.',
    remedy: 'Give one another prefix.',
  },
  NetworkInterfaceCountExceeded: {
    status: 400,
    when: 'The VM has more interfaces than its size allows.',
    remedy: 'Use fewer, or a larger size.',
  },
  NetworkInterfaceMustHaveOneIpConfiguration: {
    status: 400,
    when: 'A network interface has no IP configuration.',
    remedy: 'Send one.',
  },
  NicInUse: {
    status: [400, 409],
    when: 'The network interface is used by a VM.',
    remedy: 'Use another one, or delete the VM first.',
  },
  PrivateIPAddressInUse: {
    status: 400,
    when: 'The private address is already allocated.',
    remedy: 'Use another one, or leave it out.',
  },
  PrivateIPAddressNotInAnySubnet: {
    status: 400,
    when: 'The private address is not in any subnet of the network.',
    remedy: 'Use an address from a subnet.',
  },
  PrivateIPAddressNotInSubnet: {
    status: 400,
    when: 'The private address is outside the subnet.',
    remedy: 'Use an address from the subnet, or leave it out.',
  },
  PublicIPAddressCannotBeDeleted: {
    status: 400,
    when: 'The public address is used by an interface.',
    remedy: 'Delete the interface first.',
  },
  PublicIPAddressInUse: {
    status: 400,
    when: 'The public address is used by another interface.',
    remedy: 'Use another one.',
  },
  PublicIPCountLimitReached: {
    status: 400,
    when: 'All public addresses of the installation are in use.',
    remedy: 'Delete unused ones.',
  },
  RulesUseSameFrontendPortProtocolAndVip: {
    status: 400,
    when: 'Two rules of a load balancer use the same frontend, protocol and port.',
    remedy: 'Change the port of one.',
  },
  SecurityRuleConflict: {
    status: 400,
    when: 'Two security rules have the same priority and direction.',
    remedy: 'Give each rule its own priority.',
  },
  SecurityRuleMissingProperty: {
    status: 400,
    when: 'A security rule lacks a property.',
    remedy: 'Send the property that the error names.',
  },
  SubnetIsFull: {
    status: 400,
    when: 'The subnet has no free address.',
    remedy: 'Delete interfaces in it, or use another subnet.',
  },
  SubnetsNotInSameVnet: {
    status: 400,
    when: 'The interfaces of a VM are in several virtual networks.',
    remedy: 'Use interfaces in one network.',
  },
  TooManyIpConfigurations: {
    status: 400,
    when: 'A network interface has more than one IP configuration.',
    remedy: 'Send one.',
  },
  VMSizeIsNotPermittedToEnableAcceleratedNetworking: {
    status: 400,
    when: 'The size does not support accelerated networking.',
    remedy: 'Turn it off on the interface.',
  },
  VirtualMachineMustHaveOneNetworkInterfaceAsPrimary: {
    status: 400,
    when: 'A VM must have exactly one primary interface.',
    remedy: 'Set primary: true on one of them.',
  },
} as const
