import { ServiceError } from '@strongroom/platform'
import { ok, param } from '../arm/request.ts'
import { route, signedIn, type Route } from '../arm/router.ts'
import { regions } from '../arm/regions.ts'
import { subscriptionPath, type Plane } from '../types/plane.ts'
import type { ResourceTypes } from '../types/registry.ts'

/** Types that clients name but no group contains. */
const further: Record<string, string[]> = {
  'Microsoft.Attestation': ['defaultProviders', 'locations', 'locations/defaultProvider', 'operations'],
  'Microsoft.Authorization': ['denyAssignments', 'locks', 'permissions', 'roleAssignments', 'roleDefinitions'],
  'Microsoft.Compute': [
    'virtualMachines/extensions',
    'skus',
    'locations',
    'locations/operations',
    'locations/usages',
    'locations/vmSizes',
    'locations/publishers',
    'locations/runCommands',
  ],
  'Microsoft.Consumption': ['usageDetails'],
  'Microsoft.CostManagement': ['query'],
  'Microsoft.Features': ['features', 'providers'],
  'Microsoft.Insights': ['eventtypes', 'metricDefinitions', 'metrics'],
  'Microsoft.KeyVault': [
    'deletedVaults',
    'locations',
    'locations/deletedVaults',
    'checkNameAvailability',
    'deletedManagedHSMs',
    'locations/deletedManagedHSMs',
    'checkMhsmNameAvailability',
  ],
  'Microsoft.ManagedIdentity': [],
  'Microsoft.Management': ['managementGroups'],
  'Microsoft.Network': ['locations', 'locations/usages'],
  'Microsoft.Quota': ['quotas', 'quotaRequests', 'usages'],
  'Microsoft.ResourceGraph': ['resources'],
  'Microsoft.ResourceHealth': ['availabilityStatuses'],
  // There are no storage accounts; some clients require the namespace.
  'Microsoft.Storage': [],
  'Microsoft.Resources': ['deployments', 'resourceGroups', 'tags', 'subscriptions', 'tenants'],
  'Strongroom.Attestation': ['verifiers'],
  'Strongroom.Billing': ['priceSheet'],
  'Strongroom.Fleet': ['hosts'],
  'Strongroom.KeyVault': ['access'],
  'Strongroom.Machine': ['images'],
  'Strongroom.Quota': ['requests'],
}

const apiVersions = [
  '2024-11-01',
  '2024-05-01',
  '2024-03-01',
  '2023-11-01',
  '2023-04-02',
  '2022-11-01',
  '2022-01-01',
  '2019-04-01',
  '2015-06-15',
]

export interface OfferedType {
  resourceType: string
  locations: string[]
  apiVersions: string[]
}

const namespacesOf = (types: ResourceTypes): string[] => [
  ...new Set([...Object.keys(further), ...types.all.map(({ spelling }) => spelling.split('/')[0] ?? '')]),
]

/** What this installation offers of a namespace in any case; empty for an unknown one. */
export function offeredIn(types: ResourceTypes, namespace: string): OfferedType[] {
  const found = namespacesOf(types).find((each) => each.toLowerCase() === namespace.toLowerCase()) ?? ''
  const locations = regions.map((region) => region.displayName)
  const names = [...types.within(found), ...(further[found] ?? [])]
  return names.map((resourceType) => ({ resourceType, locations, apiVersions }))
}

export function providerRoutes(plane: Plane): Route[] {
  const view = (namespace: string): Record<string, unknown> => ({
    id: `/subscriptions/${plane.subscriptionId}/providers/${namespace}`,
    namespace,
    registrationState: 'Registered',
    registrationPolicy: 'RegistrationFree',
    resourceTypes: offeredIn(plane.types, namespace).map((each) => ({
      ...each,
      defaultApiVersion: apiVersions[0],
      capabilities: 'None',
    })),
  })
  const find = (name: string): string => {
    const found = namespacesOf(plane.types).find((namespace) => namespace.toLowerCase() === name.toLowerCase())
    if (found !== undefined) return found
    throw new ServiceError({
      code: 'InvalidResourceNamespace',
      message: `The resource namespace '${name.slice(0, 80)}' is invalid.`,
      expected: namespacesOf(plane.types).join(', '),
      found: name.slice(0, 80),
    })
  }
  const one = `${subscriptionPath}/providers/{namespace}`
  return [
    route.get('/providers', signedIn, async () => ok({ value: namespacesOf(plane.types).map(view) })),
    route.get(`${subscriptionPath}/providers`, 'Microsoft.Resources/subscriptions/providers/read', async () =>
      ok({ value: namespacesOf(plane.types).map(view) }),
    ),
    route.get(one, 'Microsoft.Resources/subscriptions/providers/read', async (request) =>
      ok(view(find(param(request, 'namespace')))),
    ),
    // Clients register what they are about to use; everything is registered here.
    route.post(`${one}/register`, 'Microsoft.Resources/subscriptions/providers/register/action', async (request) =>
      ok(view(find(param(request, 'namespace')))),
    ),
  ]
}
