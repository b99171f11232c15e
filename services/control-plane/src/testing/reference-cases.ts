import { setRequest as scaleSetRequest } from './scale-set.ts'
import { group, networkPath, vmRequest, type Loose } from './test-plane.ts'

export const location = 'westeurope'
const compute = 'Microsoft.Compute'
const network = 'Microsoft.Network'
const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

/** A request of a type that names another resource in one of its fields. */
export interface ReferenceCase {
  type: string
  /** Type of the other. */
  names: string
  /** Below it, for a subnet or a pool. */
  part?: string
  what: string
  body: (id: string) => Loose
  /** Path of the request, if it is not a new resource in the group. */
  path?: string
  method?: 'POST' | 'PATCH'
  /** Whether reading the other is enough. */
  reads?: true
}

const subnetOf = { id: `${networkPath('virtualNetworks', 'vnet')}/subnets/default` }
const nic = (bend: (properties: Loose, ip: Loose) => void): Loose => {
  const ip: Loose = { subnet: subnetOf }
  const properties: Loose = { ipConfigurations: [{ name: 'ip', properties: ip }] }
  bend(properties, ip)
  return { location, properties }
}
const balancer = (frontend: Loose): Loose => ({
  location,
  properties: { frontendIPConfigurations: [{ name: 'front', properties: frontend }] },
})
const net = (properties: Loose): Loose => ({
  location,
  properties: {
    addressSpace: { addressPrefixes: ['10.7.0.0/16'] },
    subnets: [{ name: 'a', properties: { addressPrefix: '10.7.0.0/24', ...properties } }],
  },
})
const vm = (bend: (body: Loose, properties: Loose) => void): Loose => {
  const body = vmRequest('x')
  bend(body, body.properties)
  return body
}
const scaleSet = (bend: (profile: Loose, nic: Loose, body: Loose) => void): Loose => {
  const body = scaleSetRequest(0)
  const profile = body.properties.virtualMachineProfile
  bend(profile, profile.networkProfile.networkInterfaceConfigurations[0].properties, body)
  return body
}
const identified = (body: Loose, id: string): void =>
  void (body.identity = { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } })
const copied = (createOption: string, more: Loose): Loose => ({
  location,
  properties: { creationData: { createOption, ...more } },
})
const encrypted = (activeKey: Loose, identity: Loose = { type: 'SystemAssigned' }): Loose => ({
  location,
  identity,
  properties: { activeKey, encryptionType: 'ConfidentialVmEncryptedWithCustomerKey' },
})
const keyUrl = (host: string): string => `https://box.${host}.strongroom.internal/keys/disk/${'1'.repeat(32)}`
const version = (source: Loose): Loose => ({
  location,
  properties: { publishingProfile: { targetRegions: [{ name: location }] }, storageProfile: source },
})
const versionPath = `${group}/providers/${compute}/galleries/g/images/d/versions/1.0.0`
export const existingVm = `${group}/providers/${compute}/virtualMachines/mine`

const nics = `${network}/networkInterfaces`
const groups = `${network}/networkSecurityGroups`
const addresses = `${network}/publicIPAddresses`
const networks = `${network}/virtualNetworks`
const balancers = `${network}/loadBalancers`
const vms = `${compute}/virtualMachines`
const sets = `${compute}/virtualMachineScaleSets`
const disks = `${compute}/disks`
const snapshots = `${compute}/snapshots`
const images = `${compute}/images`
const versions = `${compute}/galleries/images/versions`
const encryptionSets = `${compute}/diskEncryptionSets`

/** Each field of each type in which an id is read. */
export const referenceCases: readonly ReferenceCase[] = [
  {
    type: nics,
    names: groups,
    what: 'its security group',
    body: (id) => nic((p) => void (p.networkSecurityGroup = { id })),
  },
  {
    type: nics,
    names: networks,
    part: 'subnets/default',
    what: 'its subnet',
    body: (id) => nic((_, ip) => void (ip.subnet = { id })),
  },
  {
    type: nics,
    names: addresses,
    what: 'its address',
    body: (id) => nic((_, ip) => void (ip.publicIPAddress = { id })),
  },
  {
    type: nics,
    names: balancers,
    part: 'backendAddressPools/pool',
    what: 'its pool',
    body: (id) => nic((_, ip) => void (ip.loadBalancerBackendAddressPools = [{ id }])),
  },
  {
    type: networks,
    names: groups,
    what: 'a security group of a subnet',
    body: (id) => net({ networkSecurityGroup: { id } }),
  },
  {
    type: networks,
    names: groups,
    what: 'the security group of one subnet',
    path: `${networkPath('virtualNetworks', 'vnet')}/subnets/new`,
    body: (id) => ({ properties: { addressPrefix: '10.0.9.0/24', networkSecurityGroup: { id } } }),
  },
  {
    type: balancers,
    names: addresses,
    what: 'the address of a frontend',
    body: (id) => balancer({ publicIPAddress: { id } }),
  },
  {
    type: balancers,
    names: networks,
    part: 'subnets/default',
    what: 'the subnet of a frontend',
    body: (id) => balancer({ subnet: { id } }),
  },
  {
    type: vms,
    names: nics,
    what: 'its interface',
    body: (id) => vm((_, p) => void (p.networkProfile.networkInterfaces = [{ id }])),
  },
  {
    type: vms,
    names: disks,
    what: 'a data disk',
    body: (id) =>
      vm((_, p) => void (p.storageProfile.dataDisks = [{ lun: 0, createOption: 'Attach', managedDisk: { id } }])),
  },
  {
    type: vms,
    names: snapshots,
    what: 'the source of a data disk',
    body: (id) =>
      vm((_, p) => void (p.storageProfile.dataDisks = [{ lun: 0, createOption: 'Copy', sourceResource: { id } }])),
  },
  {
    type: vms,
    names: disks,
    what: 'a disk to attach',
    path: `${existingVm}/attachDetachDataDisks`,
    method: 'POST',
    body: (id) => ({ dataDisksToAttach: [{ diskId: id }] }),
  },
  {
    type: vms,
    names: encryptionSets,
    what: 'its disk encryption set',
    reads: true,
    body: (id) => vm((_, p) => void (p.storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet = { id })),
  },
  {
    type: vms,
    names: `${compute}/availabilitySets`,
    what: 'its availability set',
    reads: true,
    body: (id) => vm((_, p) => void (p.availabilitySet = { id })),
  },
  {
    type: vms,
    names: sets,
    what: 'its scale set',
    body: (id) => vm((_, p) => void (p.virtualMachineScaleSet = { id })),
  },
  { type: vms, names: identityType, what: 'its identity', body: (id) => vm((body) => identified(body, id)) },
  {
    type: vms,
    names: versions,
    what: 'its image version',
    reads: true,
    body: (id) => vm((_, p) => void (p.storageProfile.imageReference = { id })),
  },
  {
    type: vms,
    names: `${compute}/galleries/images`,
    what: 'its image',
    reads: true,
    body: (id) => vm((_, p) => void (p.storageProfile.imageReference = { id })),
  },
  {
    type: vms,
    names: images,
    what: 'its managed image',
    reads: true,
    body: (id) => vm((_, p) => void (p.storageProfile.imageReference = { id })),
  },
  {
    type: vms,
    names: 'Microsoft.Attestation/attestationProviders',
    what: 'its attestation provider',
    reads: true,
    body: (id) => vm((_, p) => void (p.securityProfile.attestationProvider = { id })),
  },
  {
    type: vms,
    names: 'Microsoft.Maintenance/maintenanceConfigurations',
    what: 'its maintenance configuration',
    reads: true,
    path: `${existingVm}/providers/Microsoft.Maintenance/configurationAssignments/a`,
    body: (id) => ({ location, properties: { maintenanceConfigurationId: id } }),
  },
  {
    type: sets,
    names: groups,
    what: 'its security group',
    body: (id) => scaleSet((_, n) => void (n.networkSecurityGroup = { id })),
  },
  {
    type: sets,
    names: networks,
    part: 'subnets/default',
    what: 'its subnet',
    body: (id) => scaleSet((_, n) => void (n.ipConfigurations[0].properties.subnet = { id })),
  },
  {
    type: sets,
    names: balancers,
    part: 'backendAddressPools/pool',
    what: 'its pool',
    body: (id) =>
      scaleSet((_, n) => void (n.ipConfigurations[0].properties.loadBalancerBackendAddressPools = [{ id }])),
  },
  {
    type: sets,
    names: encryptionSets,
    what: 'its disk encryption set',
    reads: true,
    body: (id) =>
      scaleSet((p) => void (p.storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet = { id })),
  },
  {
    type: sets,
    names: identityType,
    what: 'its identity',
    body: (id) => scaleSet((_p, _n, body) => identified(body, id)),
  },
  {
    type: sets,
    names: versions,
    what: 'its image version',
    reads: true,
    body: (id) => scaleSet((p) => void (p.storageProfile.imageReference = { id })),
  },
  { type: disks, names: disks, what: 'its source', body: (id) => copied('Copy', { sourceResourceId: id }) },
  { type: disks, names: snapshots, what: 'its source', body: (id) => copied('Copy', { sourceResourceId: id }) },
  {
    type: disks,
    names: versions,
    what: 'its image',
    reads: true,
    body: (id) => copied('FromImage', { galleryImageReference: { id } }),
  },
  { type: snapshots, names: disks, what: 'its source', body: (id) => copied('Copy', { sourceResourceId: id }) },
  {
    type: images,
    names: vms,
    what: 'its virtual machine',
    body: (id) => ({ location, properties: { sourceVirtualMachine: { id } } }),
  },
  {
    type: images,
    names: disks,
    what: 'its disk',
    body: (id) => ({ location, properties: { storageProfile: { osDisk: { osType: 'Linux', managedDisk: { id } } } } }),
  },
  {
    type: versions,
    names: vms,
    what: 'its virtual machine',
    path: versionPath,
    body: (id) => version({ source: { virtualMachineId: id } }),
  },
  {
    type: versions,
    names: snapshots,
    what: 'its source',
    path: versionPath,
    body: (id) => version({ source: { id } }),
  },
  {
    type: encryptionSets,
    names: 'Microsoft.KeyVault/vaults',
    what: 'its vault',
    reads: true,
    body: (id) => encrypted({ keyUrl: keyUrl('vault'), sourceVault: { id } }),
  },
  {
    type: encryptionSets,
    names: 'Microsoft.KeyVault/managedHSMs',
    what: 'its managed HSM',
    reads: true,
    body: (id) => encrypted({ keyUrl: keyUrl('managedhsm'), sourceVault: { id } }),
  },
  {
    type: encryptionSets,
    names: identityType,
    what: 'its identity',
    body: (id) =>
      encrypted({ keyUrl: keyUrl('vault') }, { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } }),
  },
]
