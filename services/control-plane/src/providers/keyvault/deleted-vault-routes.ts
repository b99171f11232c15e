import type { DeletedVaultRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { ok, param, type ArmRequest } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { locationKey } from '../../arm/regions.ts'
import { subscriptionPath, type Plane } from '../../plane.ts'

const provider = `${subscriptionPath}/providers/Microsoft.KeyVault`
const one = `${provider}/locations/{location}/deletedVaults/{name}`

/** Deleted vaults, which the key service alone still knows. */
export function deletedVaultRoutes(plane: Plane): Route[] {
  return [
    route.get(`${provider}/deletedVaults`, 'Microsoft.KeyVault/deletedVaults/read', async () =>
      ok({ value: (await plane.vaults.listDeleted()).map((vault) => view(plane, vault)) }),
    ),
    route.get(one, 'Microsoft.KeyVault/locations/deletedVaults/read', async (request) =>
      ok(view(plane, await find(plane, request))),
    ),
    route.post(`${one}/purge`, 'Microsoft.KeyVault/locations/deletedVaults/purge/action', async (request) => {
      await plane.vaults.purge(onBehalfOf(request), (await find(plane, request)).name)
      return { status: 200 }
    }),
  ]
}

async function find(plane: Plane, request: ArmRequest): Promise<DeletedVaultRecord> {
  const name = param(request, 'name')
  const found = await plane.vaults.findDeleted(name)
  if (found !== undefined && found.location === locationKey(param(request, 'location'))) return found
  throw new ServiceError({
    code: 'DeletedVaultNotFound',
    message: `The specified deleted vault '${name.slice(0, 60)}' does not exist.`,
    target: name.slice(0, 60),
    expected: 'a deleted vault of this location',
    found: found === undefined ? 'none' : `one in ${found.location}`,
    remedy: 'List the deleted vaults.',
  })
}

function view(plane: Plane, vault: DeletedVaultRecord): Record<string, unknown> {
  return {
    id: `/subscriptions/${plane.subscriptionId}/providers/Microsoft.KeyVault/locations/${vault.location}/deletedVaults/${vault.name}`,
    name: vault.name,
    type: 'Microsoft.KeyVault/deletedVaults',
    properties: {
      vaultId: vault.resourceId,
      location: vault.location,
      deletionDate: vault.deletionDate,
      scheduledPurgeDate: vault.scheduledPurgeDate,
      tags: vault.resource.tags,
      ...(vault.enablePurgeProtection && { purgeProtectionEnabled: true }),
    },
  }
}
