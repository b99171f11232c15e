import { referenceCases } from './reference-cases.ts'
import { setRequest } from './scale-set.ts'
import { group, networkPath, ownerId, sshKey, tenantId, trustedVmRequest, type Loose } from './test-plane.ts'

const location = 'westeurope'
const at = (type: string, name: string): string => `${group}/providers/${type}/${name}`
const compute = (type: string, name: string): string => at(`Microsoft.Compute/${type}`, name)
export const subnet = { id: `${networkPath('virtualNetworks', 'vnet')}/subnets/default` }
const balancer = networkPath('loadBalancers', 'lb')

/** A request that is accepted, with every object in it that an own member can be in. */
export interface MemberRequest {
  path: (name: string) => string
  body: (name: string) => Loose
  /** Whether a PATCH of the type has a route. */
  patched: boolean
  /** Nothing deletes one. */
  stays?: true
  /** Tests have no guest or key service for it: its members are judged, and then it is refused. */
  judgedOnly?: true
}

let made = 0
/** Rules of one group, and of one load balancer, have numbers of their own. */
const next = (): number => ++made

const vmBody = (): Loose => {
  const body = trustedVmRequest('web')
  body.properties.networkProfile.networkInterfaces[0].id = networkPath('networkInterfaces', 'free')
  body.properties.networkProfile.networkInterfaces[0].properties.deleteOption = 'Detach'
  body.properties.storageProfile.dataDisks = [{ lun: 0, createOption: 'Empty', diskSizeGB: 4 }]
  return body
}
const rule = {
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: '*',
  sourcePortRange: '*',
  destinationAddressPrefix: '*',
  destinationPortRange: '22',
}
const natRule = {
  frontendIPConfiguration: { id: `${balancer}/frontendIPConfigurations/front` },
  protocol: 'Tcp',
  backendPort: 22,
}
const frontendOf = (name: string): Loose => ({
  id: `${networkPath('loadBalancers', name)}/frontendIPConfigurations/front`,
})
const poolOf = (name: string): Loose => ({ id: `${networkPath('loadBalancers', name)}/backendAddressPools/pool` })
const own = (name: string): Loose => ({ frontendIPConfiguration: frontendOf(name), protocol: 'Tcp' })
const outbound = (name: string): Loose => ({
  frontendIPConfigurations: [frontendOf(name)],
  backendAddressPool: poolOf(name),
  protocol: 'All',
})
const bodyOf = (type: string, what: string, id: string): Loose => {
  const found = referenceCases.find((each) => each.type === type && each.what === what)
  if (found === undefined) throw new TypeError(`there is no request of ${type} for ${what}`)
  return found.body(id)
}

/** One request of each type that is written, in an order in which each finds what it refers to. */
export const memberRequests: Readonly<Record<string, MemberRequest>> = {
  'Microsoft.Network/networkSecurityGroups': {
    path: (name) => networkPath('networkSecurityGroups', name),
    body: () => ({ location, properties: { securityRules: [{ name: 'ssh', properties: rule }] } }),
    patched: true,
  },
  'Microsoft.Network/networkSecurityGroups/securityRules': {
    path: (name) => `${networkPath('networkSecurityGroups', 'web')}/securityRules/${name}`,
    body: () => ({ properties: { ...rule, priority: 200 + next() } }),
    patched: false,
  },
  'Microsoft.Network/virtualNetworks': {
    path: (name) => networkPath('virtualNetworks', name),
    body: () => ({
      location,
      properties: {
        addressSpace: { addressPrefixes: ['10.7.0.0/16'] },
        subnets: [{ name: 'a', properties: { addressPrefix: '10.7.0.0/24' } }],
      },
    }),
    patched: true,
  },
  'Microsoft.Network/virtualNetworks/subnets': {
    path: (name) => `${networkPath('virtualNetworks', 'web')}/subnets/${name}`,
    body: () => ({ properties: { addressPrefix: `10.7.${1 + (next() % 250)}.0/24` } }),
    patched: false,
  },
  'Microsoft.Network/publicIPAddresses': {
    path: (name) => networkPath('publicIPAddresses', name),
    body: () => ({ location, sku: { name: 'Standard' }, properties: { publicIPAllocationMethod: 'Static' } }),
    patched: true,
  },
  'Microsoft.Network/networkInterfaces': {
    path: (name) => networkPath('networkInterfaces', name),
    body: () => ({ location, properties: { ipConfigurations: [{ name: 'ip', properties: { subnet } }] } }),
    patched: true,
  },
  'Microsoft.Network/loadBalancers': {
    path: (name) => networkPath('loadBalancers', name),
    body: (name) => ({
      location,
      sku: { name: 'Standard' },
      properties: {
        frontendIPConfigurations: [{ name: 'front', properties: { subnet } }],
        backendAddressPools: [{ name: 'pool' }],
        probes: [{ name: 'probe', properties: { protocol: 'Tcp', port: 80 } }],
        loadBalancingRules: [{ name: 'rule', properties: { ...own(name), frontendPort: 80, backendPort: 80 } }],
        inboundNatRules: [{ name: 'nat', properties: { ...own(name), frontendPort: 22, backendPort: 22 } }],
        outboundRules: [{ name: 'out', properties: outbound(name) }],
      },
    }),
    patched: true,
  },
  'Microsoft.Network/loadBalancers/backendAddressPools': {
    path: (name) => `${balancer}/backendAddressPools/${name}`,
    body: () => ({ properties: {} }),
    patched: false,
  },
  'Microsoft.Network/loadBalancers/inboundNatRules': {
    path: (name) => `${balancer}/inboundNatRules/${name}`,
    body: () => ({ properties: { ...natRule, frontendPort: 8000 + next() } }),
    patched: false,
  },
  'Microsoft.Compute/sshPublicKeys': {
    path: (name) => compute('sshPublicKeys', name),
    body: () => ({ location, properties: { publicKey: sshKey } }),
    patched: true,
  },
  'Microsoft.Compute/availabilitySets': {
    path: (name) => compute('availabilitySets', name),
    body: () => ({ location, sku: { name: 'Aligned' }, properties: { platformFaultDomainCount: 2 } }),
    patched: true,
  },
  'Microsoft.Compute/disks': {
    path: (name) => compute('disks', name),
    body: () => ({
      location,
      sku: { name: 'Premium_LRS' },
      properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 },
    }),
    patched: true,
  },
  'Microsoft.Compute/snapshots': {
    path: (name) => compute('snapshots', name),
    body: () => ({
      location,
      properties: { creationData: { createOption: 'Copy', sourceResourceId: compute('disks', 'web') } },
    }),
    patched: true,
  },
  'Microsoft.Compute/virtualMachines': {
    path: (name) => compute('virtualMachines', name),
    body: vmBody,
    patched: true,
  },
  'Microsoft.Compute/virtualMachines/runCommands': {
    path: (name) => `${compute('virtualMachines', 'web')}/runCommands/${name}`,
    body: () => ({ location, properties: { source: { script: 'id' } } }),
    patched: true,
    judgedOnly: true,
  },
  'Microsoft.Compute/virtualMachineScaleSets': {
    path: (name) => compute('virtualMachineScaleSets', name),
    body: () =>
      setRequest(0, ({ virtualMachineProfile: { storageProfile } }) => {
        storageProfile.dataDisks = [{ lun: 0, createOption: 'Empty', diskSizeGB: 4 }]
      }),
    patched: true,
  },
  'Microsoft.Compute/images': {
    path: (name) => compute('images', name),
    body: () => bodyOf('Microsoft.Compute/images', 'its disk', compute('disks', 'os')),
    patched: true,
  },
  'Microsoft.Compute/galleries': {
    path: (name) => compute('galleries', name),
    body: () => ({ location, properties: { description: 'ours' } }),
    patched: true,
  },
  'Microsoft.Compute/galleries/images': {
    path: (name) => `${compute('galleries', 'web')}/images/${name}`,
    body: () => ({
      location,
      properties: {
        osType: 'Linux',
        osState: 'Generalized',
        hyperVGeneration: 'V2',
        identifier: { publisher: 'p', offer: 'o', sku: crypto.randomUUID() },
      },
    }),
    patched: true,
  },
  'Microsoft.Compute/galleries/images/versions': {
    path: (name) => `${compute('galleries', 'web')}/images/web/versions/${name === 'web' ? '1.0.0' : '2.0.0'}`,
    body: () => ({
      location,
      properties: {
        publishingProfile: { targetRegions: [{ name: location }] },
        storageProfile: { source: { id: compute('images', 'web') } },
      },
    }),
    patched: true,
  },
  'Microsoft.KeyVault/vaults': {
    path: (name) => at('Microsoft.KeyVault/vaults', name === 'web' ? 'box' : `${name}box`),
    body: () => ({
      location,
      properties: {
        tenantId,
        sku: { family: 'A', name: 'premium' },
        accessPolicies: [],
        enabledForDiskEncryption: true,
      },
    }),
    patched: true,
  },
  'Microsoft.KeyVault/vaults/accessPolicies': {
    path: () => `${at('Microsoft.KeyVault/vaults', 'box')}/accessPolicies/add`,
    body: () => ({
      properties: { accessPolicies: [{ tenantId, objectId: ownerId, permissions: { keys: ['get'] } }] },
    }),
    patched: false,
    stays: true,
  },
  'Microsoft.KeyVault/vaults/keys': {
    path: (name) => `${at('Microsoft.KeyVault/vaults', 'box')}/keys/${name}`,
    body: () => ({ properties: { kty: 'RSA', keySize: 2048 } }),
    patched: false,
    judgedOnly: true,
    stays: true,
  },
  'Microsoft.KeyVault/vaults/secrets': {
    path: (name) => `${at('Microsoft.KeyVault/vaults', 'box')}/secrets/${name}`,
    body: () => ({ properties: { value: 'a word' } }),
    patched: false,
    judgedOnly: true,
    stays: true,
  },
  'Microsoft.KeyVault/managedHSMs': {
    path: (name) => at('Microsoft.KeyVault/managedHSMs', `${name}hsm`),
    body: () => ({
      location,
      sku: { family: 'B', name: 'Standard_B1' },
      properties: { tenantId, initialAdminObjectIds: [ownerId] },
    }),
    patched: true,
  },
  'Microsoft.Compute/diskEncryptionSets': {
    path: (name) => compute('diskEncryptionSets', name),
    body: () => ({
      location,
      identity: { type: 'SystemAssigned' },
      properties: {
        activeKey: { keyUrl: `https://box.vault.strongroom.internal/keys/disk/${'1'.repeat(32)}` },
        encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
      },
    }),
    patched: true,
  },
  'Microsoft.Attestation/attestationProviders': {
    path: (name) => at('Microsoft.Attestation/attestationProviders', name),
    body: () => ({ location, properties: { policySigningCertificates: { keys: [{ kty: 'RSA', x5c: ['AAAA'] }] } } }),
    patched: true,
  },
  'Microsoft.Maintenance/maintenanceConfigurations': {
    path: (name) => at('Microsoft.Maintenance/maintenanceConfigurations', name),
    body: () => ({
      location,
      properties: {
        maintenanceScope: 'Host',
        maintenanceWindow: {
          startDateTime: '2026-12-01 22:00',
          duration: '03:00',
          timeZone: 'UTC',
          recurEvery: 'Week Saturday',
        },
      },
    }),
    patched: true,
  },
  'Microsoft.ManagedIdentity/userAssignedIdentities': {
    path: (name) => at('Microsoft.ManagedIdentity/userAssignedIdentities', name),
    body: () => ({ location }),
    patched: true,
  },
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials': {
    path: (name) =>
      `${at('Microsoft.ManagedIdentity/userAssignedIdentities', 'web')}/federatedIdentityCredentials/${name}`,
    body: () => ({
      properties: { issuer: 'https://issuer.example', subject: crypto.randomUUID(), audiences: ['api://x'] },
    }),
    patched: false,
    judgedOnly: true,
  },
  'Microsoft.Resources/templateSpecs': {
    path: (name) => at('Microsoft.Resources/templateSpecs', name),
    body: () => ({ location, properties: { description: 'a spec' } }),
    patched: true,
  },
  'Microsoft.Resources/templateSpecs/versions': {
    path: (name) => `${at('Microsoft.Resources/templateSpecs', 'web')}/versions/${name}`,
    body: () => ({ location, properties: { mainTemplate: { resources: [] } } }),
    patched: true,
  },
}
