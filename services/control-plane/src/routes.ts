import type { Route } from './arm/router.ts'
import { checkAccessRoutes } from './providers/attestation/check-access.ts'
import { billingRoutes } from './providers/billing/billing-routes.ts'
import { catalogRoutes } from './providers/compute/catalog/catalog.ts'
import { quotaRoutes } from './providers/compute/size/quota-routes.ts'
import { verifierRoutes } from './providers/attestation/verifier-routes.ts'
import { fleetRoutes } from './providers/fleet/host-routes.ts'
import { firmwareRoutes } from './providers/machine/firmware-routes.ts'
import { imageRoutes } from './providers/machine/image-routes.ts'
import { activityRoutes } from './resources/activity.ts'
import { authorizationRoutes } from './resources/authorization.ts'
import { featureRoutes } from './resources/features.ts'
import { permissionRoutes } from './resources/permissions.ts'
import { networkUsageRoutes } from './providers/network/network-usages.ts'
import { exportRoutes } from './resources/export.ts'
import { graphRoutes } from './resources/graph/graph-routes.ts'
import { groupRoutes } from './resources/groups.ts'
import { inventoryRoutes } from './resources/inventory.ts'
import { lockRoutes } from './resources/locks.ts'
import { managementGroupRoutes } from './resources/management-groups.ts'
import { moveRoutes } from './resources/move.ts'
import { providerRoutes } from './resources/providers.ts'
import { subscriptionRoutes } from './resources/subscriptions.ts'
import { tagRoutes } from './resources/tags.ts'
import type { Deployments } from './templates/deployments.ts'
import { deploymentRoutes } from './templates/routes.ts'
import { resourceRoutes } from './types/resource-routes.ts'
import type { Plane } from './types/plane.ts'

/** Every route of the resource manager, each with the action that its caller needs. */
export function allRoutes(plane: Plane, deployments: Deployments): Route[] {
  return [
    ...subscriptionRoutes(plane),
    ...providerRoutes(plane),
    ...groupRoutes(plane),
    ...inventoryRoutes(plane),
    ...graphRoutes(plane),
    ...exportRoutes(plane),
    ...moveRoutes(plane),
    ...managementGroupRoutes(plane),
    ...authorizationRoutes(plane),
    ...permissionRoutes(plane),
    ...featureRoutes(plane),
    ...lockRoutes(plane),
    ...tagRoutes(plane),
    ...activityRoutes(plane),
    ...plane.types.all.flatMap((type) => resourceRoutes(plane, type)),
    ...networkUsageRoutes(plane),
    ...catalogRoutes(plane),
    ...billingRoutes(plane),
    ...quotaRoutes(plane),
    ...firmwareRoutes(plane),
    ...imageRoutes(plane),
    ...fleetRoutes(plane),
    ...checkAccessRoutes(plane),
    ...verifierRoutes(plane),
    ...deploymentRoutes(plane, deployments),
  ]
}
