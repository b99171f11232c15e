import type { Route } from './arm/router.ts'
import { checkAccessRoutes } from './attestation/check-access.ts'
import { attestationRoutes } from './attestation/provider-routes.ts'
import { billingRoutes } from './billing/billing-routes.ts'
import { attachDetachRoutes } from './compute/attach-detach.ts'
import { catalogRoutes } from './compute/catalog.ts'
import { diskRoutes } from './compute/disks.ts'
import { quotaRoutes } from './compute/quota-routes.ts'
import { bootDiagnosticsRoutes } from './compute/boot-diagnostics.ts'
import { marketTermsRoutes } from './compute/market-terms.ts'
import { refusedRoutes } from './compute/refused-actions.ts'
import { runCommandRoutes } from './compute/run-command-routes.ts'
import { definitionRoutes } from './compute/galleries/definitions.ts'
import { galleryRoutes } from './compute/galleries/galleries.ts'
import { versionRoutes } from './compute/galleries/versions.ts'
import { managedImageRoutes } from './compute/kept/managed-images.ts'
import { snapshotRoutes } from './compute/kept/snapshots.ts'
import { generalizeRoutes } from './compute/vm-generalize.ts'
import { vmRoutes } from './compute/vm-routes.ts'
import { diskEncryptionSetRoutes } from './encryption/set-routes.ts'
import { userIdentityRoutes } from './identity/user-assigned.ts'
import { deletedVaultRoutes } from './keyvault/deleted-vault-routes.ts'
import { managedHsmRoutes } from './keyvault/managed-hsm-routes.ts'
import { verifierRoutes } from './attestation/verifier-routes.ts'
import { vaultAccessRoutes } from './keyvault/vault-access.ts'
import { vaultRoutes } from './keyvault/vault-routes.ts'
import { imageRoutes } from './machine/image-routes.ts'
import { addressAvailabilityRoutes } from './network/address-availability.ts'
import { networkKinds } from './network/kinds.ts'
import { networkRoutes } from './network/provider.ts'
import { securityRuleRoutes } from './network/security-groups.ts'
import { subnetRoutes } from './network/virtual-networks.ts'
import { activityRoutes } from './resources/activity.ts'
import { authorizationRoutes } from './resources/authorization.ts'
import { exportRoutes } from './resources/export.ts'
import { groupRoutes } from './resources/groups.ts'
import { inventoryRoutes } from './resources/inventory.ts'
import { lockRoutes } from './resources/locks.ts'
import { managementGroupRoutes } from './resources/management-groups.ts'
import { moveRoutes } from './resources/move.ts'
import { providerRoutes } from './resources/providers.ts'
import { subscriptionRoutes } from './resources/subscriptions.ts'
import { tagRoutes } from './resources/tags.ts'
import { deploymentRoutes } from './templates/routes.ts'
import { templateSpecRoutes } from './templates/template-specs.ts'
import type { Plane } from './plane.ts'

/** Every route of the resource manager, each with the action that its caller must be allowed. */
export function allRoutes(plane: Plane): Route[] {
  return [
    ...subscriptionRoutes(plane),
    ...providerRoutes(plane),
    ...groupRoutes(plane),
    ...inventoryRoutes(plane),
    ...exportRoutes(plane),
    ...moveRoutes(plane),
    ...managementGroupRoutes(plane),
    ...authorizationRoutes(plane),
    ...lockRoutes(plane),
    ...tagRoutes(plane),
    ...activityRoutes(plane),
    ...networkKinds(plane).flatMap((kind) => networkRoutes(plane, kind)),
    ...subnetRoutes(plane),
    ...addressAvailabilityRoutes(plane),
    ...securityRuleRoutes(plane),
    ...catalogRoutes(plane),
    ...marketTermsRoutes(),
    ...billingRoutes(plane),
    ...quotaRoutes(plane),
    ...diskRoutes(plane),
    ...snapshotRoutes(plane),
    ...managedImageRoutes(plane),
    ...galleryRoutes(plane),
    ...definitionRoutes(plane),
    ...versionRoutes(plane),
    ...generalizeRoutes(plane),
    ...vmRoutes(plane),
    ...attachDetachRoutes(plane),
    ...diskEncryptionSetRoutes(plane),
    ...userIdentityRoutes(plane),
    ...runCommandRoutes(plane),
    ...bootDiagnosticsRoutes(plane),
    ...refusedRoutes(plane),
    ...imageRoutes(plane),
    ...attestationRoutes(plane),
    ...checkAccessRoutes(plane),
    ...verifierRoutes(plane),
    ...deploymentRoutes(plane),
    ...templateSpecRoutes(plane),
    ...vaultRoutes(plane),
    ...vaultAccessRoutes(plane),
    ...deletedVaultRoutes(plane),
    ...managedHsmRoutes(plane),
  ]
}
