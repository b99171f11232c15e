import type { Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { VaultClient } from '../host/vault-client.ts'
import { accessPolicies, vaults } from '../providers/keyvault/vault-routes.ts'
import { ResourceTypes } from '../types/registry.ts'
import { resourceRoutes } from '../types/resource-routes.ts'
import { FakeWire } from './fake-wire.ts'
import type { RightsPlane } from './rights-plane.ts'
import { group, openRoles } from './role-requests.ts'

export const vaultAt = (name: string, scope: string = group): string =>
  `${scope}/providers/Microsoft.KeyVault/vaults/${name}`

export interface VaultRights extends RightsPlane {
  wire: FakeWire
  client: VaultClient
}

/** Routes of vaults and roles, with a key service that stores what it receives. */
export async function openVaultRights(): Promise<VaultRights> {
  const wire = new FakeWire()
  const client = new VaultClient(wire, { token: async (principal) => await Promise.resolve(principal) })
  const types = new ResourceTypes([vaults, accessPolicies])
  const routes = (plane: Plane): Route[] => types.all.flatMap((type) => resourceRoutes(plane, type))
  return { ...(await openRoles(routes, { types, vaults: client })), wire, client }
}
