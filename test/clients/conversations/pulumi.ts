import { expect } from 'vitest'
import { sshKeyData } from './keys.ts'
import type { About, Call, Conversation } from './replay.ts'

const location = 'westeurope'

/** Default api-versions of azure-native's modules (github.com/pulumi/pulumi-azure-native, versions/v2.yaml and v3.yaml). */
interface Versions {
  resources: string
  network: string
  compute: string
  vaults: string
  identities: string
}
const current: Versions = {
  resources: '2024-03-01',
  network: '2024-05-01',
  compute: '2024-11-01',
  vaults: '2024-11-01',
  identities: '2024-11-30',
}
const previous: Versions = {
  resources: '2022-09-01',
  network: '2023-02-01',
  compute: '2023-03-01',
  vaults: '2023-02-01',
  identities: '2023-01-31',
}

/** Created by one PUT without a preceding GET, polled to its end, and read for the state. */
const make = (path: string, version: string, body: object, check?: Call['check']): Call[] => [
  { method: 'PUT', path, version, body, status: [200, 201, 202], polls: true },
  { method: 'GET', path, version, status: [200], ...(check && { check }) },
]

/** `pulumi up`, `refresh` and `destroy` of a confidential VM and a vault's key. */
function calls(o: About, v: Versions): Call[] {
  const networks = `${o.group}/providers/Microsoft.Network`
  const vm = `${o.group}/providers/Microsoft.Compute/virtualMachines/pulumivm`
  const vault = `${o.group}/providers/Microsoft.KeyVault/vaults/${o.vault}`
  const identity = `${o.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pulumi`
  const made: [path: string, version: string][] = [
    [vm, v.compute],
    [vault, v.vaults],
    [`${networks}/networkInterfaces/nic`, v.network],
    [`${networks}/virtualNetworks/net`, v.network],
    [identity, v.identities],
    [o.group, v.resources],
  ]
  return [
    ...make(o.group, v.resources, { location }),
    ...make(identity, v.identities, { location }),
    ...make(`${networks}/virtualNetworks/net`, v.network, {
      location,
      properties: {
        addressSpace: { addressPrefixes: ['10.1.0.0/16'] },
        subnets: [{ name: 'default', properties: { addressPrefix: '10.1.0.0/24' } }],
      },
    }),
    ...make(`${networks}/networkInterfaces/nic`, v.network, {
      location,
      properties: {
        ipConfigurations: [
          { name: 'one', properties: { subnet: { id: `${networks}/virtualNetworks/net/subnets/default` } } },
        ],
      },
    }),
    ...make(vault, v.vaults, {
      location,
      properties: { enableRbacAuthorization: true, sku: { family: 'A', name: 'premium' }, tenantId: o.tenantId },
    }),
    // azure-native:keyvault:Key is a resource of the vault, as in templates.
    ...make(`${vault}/keys/made`, v.vaults, { properties: { keySize: 2048, kty: 'RSA' } }, ({ properties }) =>
      expect(properties.keyUriWithVersion).toMatch(/\/keys\/made\/[0-9a-f]{32}$/),
    ),
    ...make(
      vm,
      v.compute,
      {
        identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } },
        location,
        properties: {
          hardwareProfile: { vmSize: 'Standard_DC2es_v5' },
          networkProfile: { networkInterfaces: [{ id: `${networks}/networkInterfaces/nic` }] },
          osProfile: {
            adminUsername: 'pulumi',
            computerName: 'pulumivm',
            linuxConfiguration: {
              disablePasswordAuthentication: true,
              ssh: { publicKeys: [{ keyData: sshKeyData, path: '/home/pulumi/.ssh/authorized_keys' }] },
            },
          },
          securityProfile: {
            securityType: 'ConfidentialVM',
            uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
          },
          storageProfile: {
            imageReference: { offer: 'debian-13', publisher: 'Strongroom', sku: 'cvm', version: 'latest' },
            osDisk: {
              createOption: 'FromImage',
              managedDisk: { securityProfile: { securityEncryptionType: 'NonPersistedTPM' } },
            },
          },
        },
      },
      ({ identity: shown, properties }) => {
        expect(Object.keys(shown.userAssignedIdentities)).toHaveLength(1)
        expect(properties.securityProfile.securityType).toBe('ConfidentialVM')
      },
    ),
    // refresh reads all of it again; destroy runs in reverse.
    ...made.map(([path, version]): Call => ({ method: 'GET', path, version, status: [200] })),
    ...made.map(([path, version]): Call => ({ method: 'DELETE', path, version, status: [200, 202, 204], polls: true })),
    ...made.map(([path, version]): Call => ({ method: 'GET', path, version, status: [404] })),
  ]
}

export const pulumi: Conversation[] = [
  { name: 'Pulumi azure-native 3', calls: (o) => calls(o, current) },
  { name: 'Pulumi azure-native 2', calls: (o) => calls(o, previous) },
]
