/** Virtual networks, interfaces, addresses and security groups. */
export const networkErrors = {
  DnsRecordInUse: {
    status: 400,
    when: 'The domain name label is used by another public address.',
    remedy: 'Use another label.',
  },
  IPv6NotSupported: {
    status: 400,
    when: 'An IPv6 public address was asked for.',
    remedy: 'Leave publicIPAddressVersion out.',
  },
  InUseBackendAddressPoolCannotBeDeleted: {
    status: 400,
    when: 'An interface is in a backend address pool of the load balancer that would be gone.',
    remedy: 'Take the interface out of the pool first.',
  },
  InUseNetworkSecurityGroupCannotBeDeleted: {
    status: 400,
    when: 'The security group is used by an interface or a subnet.',
    remedy: 'Take it off them first.',
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
    when: 'A scale set puts its instances into a backend address pool of the load balancer that would be gone.',
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
    when: 'The private address is allocated already.',
    remedy: 'Use another one, or leave it out.',
  },
  PrivateIPAddressNotInAnySubnet: {
    status: 400,
    when: 'The private address lies in no subnet of the network.',
    remedy: 'Use an address of a subnet.',
  },
  PrivateIPAddressNotInSubnet: {
    status: 400,
    when: 'The private address lies outside the subnet.',
    remedy: 'Use an address of the subnet, or leave it out.',
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
    when: 'There are as many public addresses as the installation has.',
    remedy: 'Delete those that are not used.',
  },
  RulesUseSameFrontendPortProtocolAndVip: {
    status: 400,
    when: 'Two rules of a load balancer use the same frontend, protocol and port.',
    remedy: 'Change the port of one.',
  },
  SecurityRuleConflict: {
    status: 400,
    when: 'Two security rules have the same priority and direction.',
    remedy: 'Give each its own priority.',
  },
  SecurityRuleMissingProperty: {
    status: 400,
    when: 'A security rule lacks a property.',
    remedy: 'Send the property that the error names.',
  },
  SubnetIsFull: {
    status: 400,
    when: 'The subnet has no free address.',
    remedy: 'Delete interfaces of it, or use another.',
  },
  SubnetsNotInSameVnet: {
    status: 400,
    when: 'The interfaces of a VM are of several virtual networks.',
    remedy: 'Use interfaces of one network.',
  },
  TooManyIpConfigurations: {
    status: 400,
    when: 'A network interface has more than one IP configuration.',
    remedy: 'Send one.',
  },
  VMSizeIsNotPermittedToEnableAcceleratedNetworking: {
    status: 400,
    when: 'The size has no accelerated networking.',
    remedy: 'Switch it off on the interface.',
  },
  VirtualMachineMustHaveOneNetworkInterfaceAsPrimary: {
    status: 400,
    when: 'None or several of the interfaces of a VM are primary.',
    remedy: 'Say primary: true of one.',
  },
} as const
