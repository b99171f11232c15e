import { keyOf } from '../arm/resource-id.ts'
import { ok, type ArmRequest } from '../arm/request.ts'
import { route, signedIn, type Route } from '../arm/router.ts'
import { regions } from '../arm/regions.ts'
import { subscriptionPath, type Plane } from '../plane.ts'

export function subscriptionRoutes(plane: Plane): Route[] {
  const id = `/subscriptions/${plane.subscriptionId}`
  const view = async (): Promise<Record<string, unknown>> => ({
    id,
    subscriptionId: plane.subscriptionId,
    tenantId: plane.tenantId,
    displayName: 'Strongroom',
    state: 'Enabled',
    subscriptionPolicies: {
      locationPlacementId: 'Public_2014-09-01',
      ...((await plane.quotas.kind()) === 'free-trial'
        ? { quotaId: 'FreeTrial_2014-09-01', spendingLimit: 'On' }
        : { quotaId: 'Strongroom', spendingLimit: 'Off' }),
    },
    authorizationSource: 'RoleBased',
    managedByTenants: [],
  })
  /** A subscription is shown to whoever has any role in it. */
  const visible = async (request: ArmRequest): Promise<boolean> => {
    const assignments = await plane.access.heldBy(request.caller.objectId)
    const key = keyOf(id)
    return assignments.some(({ scope }) => scope === '/' || scope === key || scope.startsWith(`${key}/`))
  }
  const tenant = {
    id: `/tenants/${plane.tenantId}`,
    tenantId: plane.tenantId,
    displayName: 'Strongroom',
    tenantCategory: 'Home',
  }
  return [
    route.get('/subscriptions', signedIn, async (request) =>
      ok({ value: (await visible(request)) ? [await view()] : [] }),
    ),
    route.get('/tenants', signedIn, async () => ok({ value: [tenant] })),
    route.get(subscriptionPath, 'Microsoft.Resources/subscriptions/read', async () => ok(await view())),
    route.get(`${subscriptionPath}/locations`, 'Microsoft.Resources/subscriptions/locations/read', async () =>
      ok({
        value: regions.map((region) => ({
          id: `${id}/locations/${region.name}`,
          name: region.name,
          type: 'Region',
          displayName: region.displayName,
          regionalDisplayName: region.regionalDisplayName,
          metadata: { regionType: 'Physical', regionCategory: 'Recommended' },
        })),
      }),
    ),
  ]
}
