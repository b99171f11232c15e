import { subscriptionRead } from '../arm/access.ts'
import { ok, type ArmRequest } from '../arm/request.ts'
import { route, signedIn, type Route } from '../arm/router.ts'
import { regions } from '../arm/regions.ts'
import { subscriptionPath, type Plane } from '../types/plane.ts'

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
  const visible = async ({ caller }: ArmRequest): Promise<boolean> =>
    await plane.access.allows(caller.objectId, subscriptionRead, id)
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
    route.get(subscriptionPath, subscriptionRead, async () => ok(await view())),
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
