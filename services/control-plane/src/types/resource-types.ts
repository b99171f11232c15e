/** One type of resource that lies in a resource group. */
export interface ResourceType {
  /** Namespace and type as the provider spells them, for example Microsoft.Compute/virtualMachines. */
  spelling: string
  /** Whether Azure moves it between groups. */
  movable: boolean
  /** Written with its parent and kept in the parent's row. */
  inParent: boolean
  /** Types that its resources refer to, which go after it when a group is emptied. */
  refersTo: readonly string[]
}

function resourceType(spelling: string, o: Partial<Omit<ResourceType, 'spelling'>> = {}): ResourceType {
  return { spelling, movable: false, inParent: false, refersTo: [], ...o }
}

const set = 'Microsoft.Compute/diskEncryptionSets'
const identity = 'Microsoft.ManagedIdentity/userAssignedIdentities'
const encrypted = { movable: true, refersTo: [set] }

/** Every type that there are resources of in groups; lists, moves, exports and deletions of whole groups follow this table. */
export const resourceTypes: readonly ResourceType[] = [
  resourceType('Microsoft.Attestation/attestationProviders', { movable: true }),
  resourceType('Microsoft.Compute/virtualMachines', {
    refersTo: [
      'Microsoft.Attestation/attestationProviders',
      'Microsoft.Compute/disks',
      set,
      identity,
      'Microsoft.Network/networkInterfaces',
    ],
  }),
  resourceType('Microsoft.Compute/virtualMachines/runCommands'),
  resourceType('Microsoft.Compute/disks', encrypted),
  resourceType('Microsoft.Compute/snapshots', encrypted),
  resourceType('Microsoft.Compute/images', encrypted),
  resourceType('Microsoft.Compute/galleries'),
  resourceType('Microsoft.Compute/galleries/images'),
  resourceType('Microsoft.Compute/galleries/images/versions', { refersTo: [set] }),
  resourceType(set, { refersTo: [identity, 'Microsoft.KeyVault/vaults', 'Microsoft.KeyVault/managedHSMs'] }),
  resourceType('Microsoft.KeyVault/vaults', { movable: true }),
  resourceType('Microsoft.KeyVault/vaults/accessPolicies', { inParent: true }),
  resourceType('Microsoft.KeyVault/managedHSMs', { refersTo: [identity] }),
  resourceType(identity),
  resourceType('Microsoft.Network/networkInterfaces', {
    movable: true,
    refersTo: [
      'Microsoft.Network/networkSecurityGroups',
      'Microsoft.Network/publicIPAddresses',
      'Microsoft.Network/virtualNetworks',
    ],
  }),
  resourceType('Microsoft.Network/networkSecurityGroups', { movable: true }),
  resourceType('Microsoft.Network/networkSecurityGroups/securityRules', { inParent: true }),
  resourceType('Microsoft.Network/publicIPAddresses', { movable: true }),
  resourceType('Microsoft.Network/virtualNetworks', {
    movable: true,
    refersTo: ['Microsoft.Network/networkSecurityGroups'],
  }),
  resourceType('Microsoft.Network/virtualNetworks/subnets', { inParent: true }),
  resourceType('Microsoft.Resources/templateSpecs'),
  resourceType('Microsoft.Resources/templateSpecs/versions'),
]

const byKey = new Map(resourceTypes.map((type) => [type.spelling.toLowerCase(), type]))

/** @param key type in lower case; groups, deployments and the like are none of the table */
export const resourceTypeOf = (key: string): ResourceType | undefined => byKey.get(key)

/** A type as its provider spells it; as given where the table does not have it. */
export const spellingOf = (key: string): string => byKey.get(key)?.spelling ?? key

/** Types of one namespace, without it, in the table's order. */
export const typesIn = (namespace: string): string[] =>
  resourceTypes
    .filter(({ spelling }) => spelling.startsWith(`${namespace}/`))
    .map(({ spelling }) => spelling.slice(namespace.length + 1))

/**
 * Resources in an order in which they can be deleted: what is within another before it, what refers to another before it.
 * Those of types that the table does not have come last.
 */
export function inDeletionOrder<T extends { type: string }>(resources: readonly T[]): T[] {
  const rankOf = ({ type }: T): number => deletionRank.get(type) ?? deletionRank.size
  return resources.toSorted((a, b) => rankOf(a) - rankOf(b))
}

const deletionRank = new Map(topological().map((spelling, index) => [spelling.toLowerCase(), index]))

/** Every type after those that are within it or refer to it. */
function topological(): string[] {
  const order: string[] = []
  const visit = (spelling: string): void => {
    if (order.includes(spelling)) return
    for (const { spelling: other, refersTo } of resourceTypes)
      if (refersTo.includes(spelling) || other.startsWith(`${spelling}/`)) visit(other)
    order.push(spelling)
  }
  for (const { spelling } of resourceTypes) visit(spelling)
  return order
}
