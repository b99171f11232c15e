import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

type Serializer = (item: unknown) => unknown
interface Mapper {
  type: { modelProperties: Record<string, Property> }
}
interface PropertyType {
  name: string
  className?: string
  element?: { type: PropertyType }
  value?: { type: PropertyType }
}
interface Property {
  serializedName: string
  readOnly?: boolean
  type: PropertyType
}

const root = join(import.meta.dirname, '../../../../node_modules/@azure')
const load = async <T>(file: string): Promise<Record<string, T>> =>
  (await import(/* @vite-ignore */ pathToFileURL(join(root, file)).href)) as Record<string, T>

/** Every value of a model at once: whatever a serializer reads of it is there. */
const anything = (): unknown =>
  new Proxy(() => undefined, {
    get: (_, name) => {
      if (typeof name === 'symbol') return undefined
      // Bytes of a release policy.
      if (name === 'data') return new Uint8Array(1)
      if (name === 'map') return (each: Serializer) => [each(anything())]
      return name === 'toISOString' ? () => '' : anything()
    },
  })

function pathsIn(value: unknown, path: string, found: Set<string>): void {
  const isLeaf = typeof value !== 'object' || value === null
  if (Array.isArray(value)) for (const each of value) pathsIn(each, `${path}[]`, found)
  else if (isLeaf || Object.keys(value).length === 0) found.add(path)
  else
    for (const [name, each] of Object.entries(value))
      if (each !== undefined) pathsIn(each, path === '' ? name : `${path}.${name}`, found)
}

/** Paths of the members that a serializer writes, for example `properties.disks[].id`. */
function writtenBy(serializer: Serializer | undefined): string[] {
  if (serializer === undefined) throw new TypeError('the package has no such serializer')
  const found = new Set<string>()
  pathsIn(serializer(anything()), '', found)
  return [...found]
}

/** Members that are resources by themselves: requests refer to them by their id. */
const referred = new Set(
  (
    'PublicIPAddress NetworkSecurityGroup Subnet RouteTable NatGateway NetworkInterface PrivateEndpoint ' +
    'ApplicationSecurityGroup VirtualNetwork IPConfiguration ServiceEndpointPolicy SubResource'
  ).split(' '),
)

/** The same of a mapper: the members that are not read-only. */
function writtenIn(mappers: Record<string, Mapper>, name: string, parts: readonly string[] = []): string[] {
  const found: string[] = []
  const visit = (model: string, path: string, above: readonly string[]): void => {
    for (const { serializedName, readOnly, type } of Object.values(mappers[model]?.type.modelProperties ?? {})) {
      // Azure ignores it in requests.
      if (readOnly === true || serializedName === 'systemData') continue
      const own = path === '' ? serializedName : `${path}.${serializedName}`
      const at = type.name === 'Sequence' ? `${own}[]` : own
      const inner = innermost(type)
      const isPart = above.every((each) => parts.includes(each) || each === name)
      if (inner.className === undefined || above.includes(inner.className)) found.push(at)
      else if (referred.has(inner.className) && !(isPart && parts.includes(inner.className))) found.push(`${at}.id`)
      else visit(inner.className, at, [...above, inner.className])
    }
  }
  visit(name, '', [])
  return found
}

const innermost = (type: PropertyType): PropertyType => {
  const inner = type.element?.type ?? type.value?.type
  return inner === undefined ? type : innermost(inner)
}

/** Members of requests by resource type, as Azure's own packages write them. */
export async function azureMembers(): Promise<Record<string, string[]>> {
  const disk = await load<Serializer>('arm-compute/dist/esm/models/computeDisk/models.js')
  const compute = await load<Serializer>('arm-compute/dist/esm/models/compute/models.js')
  const gallery = await load<Serializer>('arm-compute/dist/esm/models/computeGallery/models.js')
  const vault = await load<Serializer>('arm-keyvault/dist/esm/models/models.js')
  const attestation = await load<Serializer>('arm-attestation/dist/esm/models/models.js')
  const network = await load<Mapper>('arm-network/dist/esm/models/mappers.js')
  const identity = await load<Mapper>('arm-msi/dist/esm/models/mappers.js')
  const specs = await load<Mapper>('arm-templatespecs/dist-esm/src/models/mappers.js')
  const ofNetwork = (name: string, parts: string[] = []): string[] => writtenIn(network, name, parts)
  return {
    'Microsoft.Compute/disks': writtenBy(disk['diskSerializer']),
    'Microsoft.Compute/snapshots': writtenBy(disk['snapshotSerializer']),
    'Microsoft.Compute/diskEncryptionSets': writtenBy(disk['diskEncryptionSetSerializer']),
    'Microsoft.Compute/virtualMachines': writtenBy(compute['virtualMachineSerializer']),
    'Microsoft.Compute/virtualMachines/runCommands': writtenBy(compute['virtualMachineRunCommandSerializer']),
    'Microsoft.Compute/virtualMachineScaleSets': writtenBy(compute['virtualMachineScaleSetSerializer']),
    'Microsoft.Compute/availabilitySets': writtenBy(compute['availabilitySetSerializer']),
    'Microsoft.Compute/images': writtenBy(compute['imageSerializer']),
    'Microsoft.Compute/sshPublicKeys': writtenBy(compute['sshPublicKeyResourceSerializer']),
    'Microsoft.Compute/galleries': writtenBy(gallery['gallerySerializer']),
    'Microsoft.Compute/galleries/images': writtenBy(gallery['galleryImageSerializer']),
    'Microsoft.Compute/galleries/images/versions': writtenBy(gallery['galleryImageVersionSerializer']),
    'Microsoft.KeyVault/vaults': writtenBy(vault['vaultCreateOrUpdateParametersSerializer']),
    'Microsoft.KeyVault/vaults/accessPolicies': writtenBy(vault['vaultAccessPolicyParametersSerializer']),
    'Microsoft.KeyVault/vaults/keys': writtenBy(vault['keyCreateParametersSerializer']),
    'Microsoft.KeyVault/vaults/secrets': writtenBy(vault['secretCreateOrUpdateParametersSerializer']),
    'Microsoft.KeyVault/managedHSMs': writtenBy(vault['managedHsmSerializer']),
    'Microsoft.Attestation/attestationProviders': writtenBy(attestation['attestationServiceCreationParamsSerializer']),
    'Microsoft.ManagedIdentity/userAssignedIdentities': writtenIn(identity, 'Identity'),
    'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials': writtenIn(
      identity,
      'FederatedIdentityCredential',
    ),
    'Microsoft.Resources/templateSpecs': writtenIn(specs, 'TemplateSpec'),
    'Microsoft.Resources/templateSpecs/versions': writtenIn(specs, 'TemplateSpecVersion'),
    'Microsoft.Network/networkInterfaces': ofNetwork('NetworkInterface'),
    'Microsoft.Network/publicIPAddresses': ofNetwork('PublicIPAddress'),
    'Microsoft.Network/networkSecurityGroups': ofNetwork('NetworkSecurityGroup'),
    'Microsoft.Network/networkSecurityGroups/securityRules': ofNetwork('SecurityRule'),
    'Microsoft.Network/virtualNetworks': ofNetwork('VirtualNetwork', ['Subnet']),
    'Microsoft.Network/virtualNetworks/subnets': ofNetwork('Subnet'),
    'Microsoft.Network/loadBalancers': ofNetwork('LoadBalancer'),
    'Microsoft.Network/loadBalancers/backendAddressPools': ofNetwork('BackendAddressPool'),
    'Microsoft.Network/loadBalancers/inboundNatRules': ofNetwork('InboundNatRule'),
  }
}
