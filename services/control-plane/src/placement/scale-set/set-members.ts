import { osProfile, profileMembers } from '../../providers/compute/vm/vm-members.ts'
import { changeable, identities, members, only, part, reference, type Members } from '../../types/members.ts'

const addresses: Members = part(
  { dnsSettings: { domainNameLabel: 'honoured' }, idleTimeoutInMinutes: 'kept', publicIPAddressVersion: only('IPv4') },
  { sku: { name: only('Standard'), tier: only('Regional') } },
)

const ipConfigurations: Members = part({
  subnet: reference,
  primary: only(true),
  privateIPAddressVersion: only('IPv4'),
  publicIPAddressConfiguration: addresses,
  loadBalancerBackendAddressPools: reference,
  // The reader refuses these.
  loadBalancerInboundNatPools: 'honoured',
  applicationGatewayBackendAddressPools: 'honoured',
  applicationSecurityGroups: 'honoured',
})

const interfaces: Members = part({
  primary: 'honoured',
  enableAcceleratedNetworking: 'honoured',
  networkSecurityGroup: reference,
  ipConfigurations,
  deleteOption: only('Delete'),
  enableIPForwarding: only(false),
  enableFpga: only(false),
  disableTcpStateTracking: only(false),
})

export const setMembers: Members = members(
  {
    location: 'honoured',
    zones: 'honoured',
    plan: 'honoured',
    identity: identities,
    sku: { name: 'honoured', capacity: 'honoured', tier: only('Standard') },
  },
  {
    orchestrationMode: 'honoured',
    platformFaultDomainCount: 'honoured',
    // Stored and shown: instances are not upgraded, and their number is the request's.
    singlePlacementGroup: 'kept',
    zoneBalance: 'kept',
    constrainedMaximumCapacity: 'kept',
    resiliencyPolicy: 'kept',
    upgradePolicy: { mode: 'honoured' },
    scaleInPolicy: { rules: 'honoured', forceDeletion: only(false) },
    overprovision: 'honoured',
    additionalCapabilities: { ultraSSDEnabled: only(false), hibernationEnabled: only(false) },
    hostGroup: 'honoured',
    proximityPlacementGroup: 'honoured',
    automaticRepairsPolicy: 'honoured',
    spotRestorePolicy: 'honoured',
    priorityMixPolicy: 'honoured',
    skuProfile: 'honoured',
    scheduledEventsPolicy: 'honoured',
    uniqueId: 'shown',
    timeCreated: 'shown',
    virtualMachineProfile: {
      ...changeable(profileMembers),
      hardwareProfile: { vmSizeProperties: 'honoured' },
      osProfile: { ...osProfile, computerNamePrefix: 'honoured', computerName: 'honoured' },
      networkProfile: {
        networkApiVersion: 'honoured',
        healthProbe: 'honoured',
        networkInterfaceConfigurations: interfaces,
      },
      extensionProfile: { extensions: 'honoured', extensionsTimeBudget: only('PT1H30M') },
    },
  },
)
