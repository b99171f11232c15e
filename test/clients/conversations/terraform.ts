import { defaultCvmReleasePolicy } from '@strongroom/contract'
import { expect } from 'vitest'
import { current, previous, type Versions } from './azurerm-versions.ts'
import { sshKeyData as keyData } from './keys.ts'
import type { About, Call, Conversation } from './replay.ts'

const location = 'westeurope'
const vaultOf = ({ vault }: About): string => `https://${vault}.vault.strongroom.internal`

const read = (path: string, version: string, check?: Call['check']): Call => ({
  method: 'GET',
  path,
  version,
  status: [200],
  ...(check && { check }),
})
/** Each resource is looked up before its creation, and read afterwards. */
const make = (path: string, version: string, body: object, more: Partial<Call> = {}): Call[] => [
  { method: 'GET', path, version, status: [404] },
  { method: 'PUT', path, version, body, status: [200, 201], polls: true, ...more },
  read(path, version, more.check),
]
const destroy = (path: string, version: string): Call[] => [
  { method: 'DELETE', path, version, status: [200, 202, 204], polls: true },
  { method: 'GET', path, version, status: [404] },
]

/** `provider "azurerm" {}`: the caller, and the registered providers. */
function begin(o: About, v: Versions): Call[] {
  const registered = ['Microsoft.Compute', 'Microsoft.KeyVault', 'Microsoft.Network', 'Microsoft.Storage']
  return [
    read(o.subscription, v.subscriptions, ({ tenantId }) => expect(tenantId).toBe(o.tenantId)),
    read(`${o.subscription}/providers`, v.providers, ({ value }) => {
      const found = value.map(
        (each: { namespace: string; registrationState: string }) => `${each.namespace} ${each.registrationState}`,
      )
      expect(found).toEqual(expect.arrayContaining(registered.map((name) => `${name} Registered`)))
    }),
    {
      method: 'POST',
      path: `${o.subscription}/providers/Microsoft.Attestation/register`,
      version: v.providers,
      status: [200],
    },
  ]
}

function network(o: About, v: Versions): Call[] {
  const base = `${o.group}/providers/Microsoft.Network`
  const subnet = `${base}/virtualNetworks/net/subnets/internal`
  const ip = {
    name: 'internal',
    properties: {
      primary: true,
      privateIPAddressVersion: 'IPv4',
      privateIPAllocationMethod: 'Dynamic',
      publicIPAddress: { id: `${base}/publicIPAddresses/ip` },
      subnet: { id: subnet },
    },
  }
  const rule = {
    access: 'Allow',
    description: '',
    destinationAddressPrefix: '*',
    destinationPortRange: '22',
    direction: 'Inbound',
    priority: 100,
    protocol: 'Tcp',
    sourceAddressPrefix: '*',
    sourcePortRange: '*',
  }
  return [
    ...make(o.group, v.groups, { location, tags: {} }),
    ...make(`${base}/virtualNetworks/net`, v.network, {
      location,
      properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] }, dhcpOptions: { dnsServers: [] }, subnets: [] },
      tags: {},
    }),
    ...make(subnet, v.network, {
      name: 'internal',
      properties: {
        addressPrefix: '10.0.2.0/24',
        delegations: [],
        privateEndpointNetworkPolicies: 'Disabled',
        privateLinkServiceNetworkPolicies: 'Enabled',
        serviceEndpoints: [],
      },
    }),
    ...make(`${base}/networkSecurityGroups/nsg`, v.network, {
      location,
      properties: { securityRules: [{ name: 'ssh', properties: rule }] },
      tags: {},
    }),
    ...make(`${base}/publicIPAddresses/ip`, v.network, {
      location,
      properties: { idleTimeoutInMinutes: 4, publicIPAddressVersion: 'IPv4', publicIPAllocationMethod: 'Static' },
      sku: { name: 'Standard', tier: 'Regional' },
      tags: {},
    }),
    ...make(`${base}/networkInterfaces/nic`, v.network, {
      location,
      properties: { enableAcceleratedNetworking: false, enableIPForwarding: false, ipConfigurations: [ip] },
      tags: {},
    }),
    // azurerm_network_interface_security_group_association: the interface is read and written back with the group.
    {
      method: 'PUT',
      path: `${base}/networkInterfaces/nic`,
      version: v.network,
      body: {
        location,
        properties: { ipConfigurations: [ip], networkSecurityGroup: { id: `${base}/networkSecurityGroups/nsg` } },
      },
      status: [200, 201],
      polls: true,
    },
  ]
}

/** A vault, a key, a set that uses it, an identity, an attestation provider. */
function secrets(o: About, v: Versions): Call[] {
  const provider = (namespace: string, type: string, name: string): string =>
    `${o.group}/providers/Microsoft.${namespace}/${type}/${name}`
  const box = provider('KeyVault', 'vaults', o.vault)
  const vault = vaultOf(o)
  const set = provider('Compute', 'diskEncryptionSets', 'set')
  const administrator = `${o.subscription}/providers/Microsoft.Authorization/roleDefinitions/00482a5a-887f-4fb3-b363-3b7fe8e74483`
  const assignment = `${box}/providers/Microsoft.Authorization/roleAssignments/6b8a6d4e-1111-4000-8000-000000000001`
  let kid = ''
  const policy = JSON.stringify(defaultCvmReleasePolicy('https://sharedweu.weu.attest.strongroom.internal'))
  return [
    ...make(provider('ManagedIdentity', 'userAssignedIdentities', 'who'), v.identities, { location, tags: {} }),
    ...make(provider('Attestation', 'attestationProviders', 'judge'), v.attestation, {
      location,
      properties: {},
      tags: {},
    }),
    { method: 'GET', path: box, version: v.vaults, status: [404] },
    // A deleted vault of this name would be recovered.
    {
      method: 'GET',
      path: `${o.subscription}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${o.vault}`,
      version: v.vaults,
      status: [404],
    },
    {
      method: 'PUT',
      path: box,
      version: v.vaults,
      body: {
        location,
        properties: {
          accessPolicies: [],
          enablePurgeProtection: true,
          enableRbacAuthorization: true,
          enableSoftDelete: true,
          enabledForDeployment: false,
          enabledForDiskEncryption: false,
          enabledForTemplateDeployment: false,
          publicNetworkAccess: 'Enabled',
          sku: { family: 'A', name: 'premium' },
          softDeleteRetentionInDays: 90,
          tenantId: o.tenantId,
        },
        tags: {},
      },
      status: [200, 201],
      polls: true,
    },
    read(box, v.vaults, ({ properties }) => expect(properties.vaultUri).toBe(`${vault}/`)),
    {
      method: 'PUT',
      path: assignment,
      version: v.assignments,
      body: { properties: { principalId: o.objectId, roleDefinitionId: administrator } },
      status: [201],
    },
    // Reading a vault also reads its certificate contacts; 403 and 404 count as none.
    { method: 'GET', path: `${vault}/certificates/contacts`, version: v.keys, status: [404] },
    // A vault's resource is found by name before its data is used.
    read(
      `${o.subscription}/resources?$filter=resourceType eq 'Microsoft.KeyVault/vaults' and name eq '${o.vault}'`,
      '2015-11-01',
      ({ value }) => expect(value).toHaveLength(1),
    ),
    { method: 'GET', path: `${vault}/keys/soft/`, version: v.keys, status: [404] },
    {
      method: 'POST',
      path: `${vault}/keys/soft/create`,
      version: v.keys,
      body: { attributes: { enabled: true }, key_ops: ['sign', 'verify'], key_size: 2048, kty: 'RSA', tags: {} },
      status: [200],
    },
    read(`${vault}/keys/soft/rotationpolicy`, v.keys),
    // azapi: a key with a release policy, as a resource of the vault.
    ...make(
      `${box}/keys/disk`,
      '2023-07-01',
      {
        properties: {
          attributes: { enabled: true, exportable: true },
          keyOps: ['wrapKey', 'unwrapKey'],
          keySize: 3072,
          kty: 'RSA-HSM',
          release_policy: {
            contentType: 'application/json; charset=utf-8',
            data: Buffer.from(policy).toString('base64'),
          },
        },
      },
      { check: ({ properties }) => void (kid = properties.keyUriWithVersion) },
    ),
    { method: 'GET', path: set, version: v.sets, status: [404] },
    {
      method: 'PUT',
      path: set,
      version: v.sets,
      get body() {
        const properties = {
          activeKey: { keyUrl: kid },
          encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
          rotationToLatestKeyVersionEnabled: false,
        }
        return { identity: { type: 'SystemAssigned' }, location, properties, tags: {} }
      },
      status: [200, 202],
      polls: true,
    },
    read(set, v.sets, ({ identity, properties }) => {
      expect(identity.principalId).toMatch(/^[0-9a-f-]{36}$/)
      expect(properties).toMatchObject({ activeKey: { keyUrl: kid }, rotationToLatestKeyVersionEnabled: false })
    }),
  ]
}

function machine(o: About, v: Versions): Call[] {
  const base = `${o.group}/providers/Microsoft.Compute`
  const vm = `${base}/virtualMachines/tfvm`
  const set = `${base}/availabilitySets/set`
  const body = {
    location,
    properties: {
      additionalCapabilities: {},
      applicationProfile: {},
      availabilitySet: { id: set },
      diagnosticsProfile: { bootDiagnostics: { enabled: true, storageUri: '' } },
      extensionsTimeBudget: 'PT1H30M',
      hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
      networkProfile: {
        networkInterfaces: [
          { id: `${o.group}/providers/Microsoft.Network/networkInterfaces/nic`, properties: { primary: true } },
        ],
      },
      osProfile: {
        adminUsername: 'adminuser',
        allowExtensionOperations: true,
        computerName: 'tfvm',
        linuxConfiguration: {
          disablePasswordAuthentication: true,
          patchSettings: { assessmentMode: 'ImageDefault', patchMode: 'ImageDefault' },
          provisionVMAgent: true,
          ssh: { publicKeys: [{ keyData, path: '/home/adminuser/.ssh/authorized_keys' }] },
        },
        secrets: [],
      },
      priority: 'Regular',
      securityProfile: {
        securityType: 'ConfidentialVM',
        uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
      },
      storageProfile: {
        dataDisks: [],
        imageReference: { offer: 'debian-13', publisher: 'Strongroom', sku: 'cvm', version: 'latest' },
        osDisk: {
          caching: 'ReadWrite',
          createOption: 'FromImage',
          managedDisk: {
            securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' },
            storageAccountType: 'Premium_LRS',
          },
          osType: 'Linux',
          writeAcceleratorEnabled: false,
        },
      },
    },
    tags: { made: 'terraform' },
  }
  let disk = ''
  /** What a refresh compares with the configuration: another value is a plan that changes or replaces the VM. */
  const asConfigured: Call['check'] = ({ properties, tags }) => {
    const { osProfile, securityProfile, storageProfile, diagnosticsProfile } = properties
    expect(properties.availabilitySet).toEqual({ id: set })
    disk = storageProfile.osDisk.managedDisk.id
    expect(tags).toEqual(body.tags)
    expect(osProfile.allowExtensionOperations).toBe(true)
    expect(osProfile.linuxConfiguration).toMatchObject({ disablePasswordAuthentication: true, provisionVMAgent: true })
    expect(osProfile.linuxConfiguration.ssh).toEqual(body.properties.osProfile.linuxConfiguration.ssh)
    expect(securityProfile).toMatchObject(body.properties.securityProfile)
    expect(storageProfile.osDisk).toMatchObject({
      caching: 'ReadWrite',
      managedDisk: body.properties.storageProfile.osDisk.managedDisk,
      osType: 'Linux',
    })
    expect(storageProfile.imageReference).toMatchObject(body.properties.storageProfile.imageReference)
    expect(storageProfile.dataDisks).toEqual([])
    expect(diagnosticsProfile.bootDiagnostics.enabled).toBe(true)
  }
  const image =
    `${o.subscription}/providers/Microsoft.Compute/locations/${location}/publishers/Strongroom/artifacttypes/` +
    'vmimage/offers/debian-13/skus/cvm/versions'
  return [
    read(image, v.vms, (found) => expect(found).toHaveLength(1)),
    read(`${o.subscription}/providers/Microsoft.Compute/skus?$filter=location eq '${location}'`, v.skus),
    ...make(`${base}/sshPublicKeys/key`, v.sshKeys, { location, properties: { publicKey: keyData }, tags: {} }),
    ...make(
      set,
      v.availabilitySets,
      {
        location,
        properties: { platformFaultDomainCount: 3, platformUpdateDomainCount: 5 },
        sku: { name: 'Aligned' },
        tags: {},
      },
      {
        check: ({ sku, properties }) => {
          expect(sku.name).toBe('Aligned')
          expect(properties).toMatchObject({ platformFaultDomainCount: 3, platformUpdateDomainCount: 5 })
        },
      },
    ),
    ...make(`${base}/galleries/gallery`, v.galleries, { location, properties: { description: '' }, tags: {} }),
    ...make(`${base}/galleries/gallery/images/cvm`, v.galleries, {
      location,
      properties: {
        architecture: 'x64',
        description: '',
        disallowed: { diskTypes: [] },
        features: [{ name: 'SecurityType', value: 'ConfidentialVmSupported' }],
        hyperVGeneration: 'V2',
        identifier: { offer: 'o', publisher: 'p', sku: 's' },
        osState: 'Generalized',
        osType: 'Linux',
      },
      tags: {},
    }),
    {
      method: 'GET',
      path: `${base}/galleries/gallery/images/cvm/versions/1.0.0`,
      version: v.galleryVersions,
      status: [404],
    },
    { method: 'GET', path: vm, version: v.vms, status: [404] },
    { method: 'PUT', path: vm, version: v.vms, body, status: [200, 201], polls: true },
    read(`${vm}?$expand=userData`, v.vms, asConfigured),
    read(`${o.group}/providers/Microsoft.Network/networkInterfaces/nic`, v.network, ({ properties }) =>
      expect(properties.virtualMachine.id).toBe(vm),
    ),
    // The second apply has nothing to do; a changed tag is a PATCH.
    { method: 'PATCH', path: vm, version: v.vms, body: { tags: body.tags }, status: [200, 201, 202], polls: true },
    read(`${vm}?$expand=userData`, v.vms, asConfigured),
    { method: 'POST', path: `${vm}/powerOff?skipShutdown=true`, version: v.vms, status: [200, 202], polls: true },
    ...destroy(vm, v.vms),
    ...destroy(set, v.availabilitySets),
    {
      method: 'DELETE',
      get path() {
        return disk
      },
      version: v.disks,
      status: [200, 202, 204],
      polls: true,
    },
  ]
}

const end = (o: About, v: Versions): Call[] => [
  read(`${o.group}/resources?$expand=provisioningState&$top=10`, v.groups),
  ...destroy(o.group, v.groups),
]

const run = (name: string, v: Versions): Conversation => ({
  name,
  calls: (o) => [begin, network, secrets, machine, end].flatMap((part) => part(o, v)),
})

/** `terraform apply`, a second `apply` and `destroy` of a confidential VM with all options. */
export const terraform: Conversation[] = [run('azurerm 4.x and azapi', current), run('azurerm 3.x and azapi', previous)]
