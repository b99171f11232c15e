import { ServiceError } from '@strongroom/platform'
import { toRole, type AccessChange, type Assignment } from '../../arm/access.ts'
import type { OnBehalfOf } from '../../arm/on-behalf-of.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db, ResourceBody } from '../../store/resources.ts'
import { grantsFor, reaches } from './vault-grants.ts'
import { vaultBody, vaultType, type VaultResource, type VaultSettings } from './vault-model.ts'

interface Target {
  id: string
  key: string
  name: string
  location: string
  internal: VaultSettings
}

/**
 * Sends the key service a vault's definition and access rules, inside the transaction that locks the vault's row: two
 * changes arrive in the order they are stored.
 * @param o gone: an assignment about to be removed; movedFrom: the id by which the key service knows the vault
 */
export async function tellVault(
  plane: Plane,
  asker: OnBehalfOf,
  tx: Db,
  vault: Target,
  o: { gone?: AccessChange['gone']; movedFrom?: string } = {},
): Promise<void> {
  const { gone, movedFrom } = o
  const rows: Assignment[] = await tx.selectFrom('role_assignment').selectAll().orderBy('created_at').execute()
  const left = rows.filter((row) => gone === undefined || row.scope !== gone.scope || row.name !== gone.name)
  const own = (await tx.selectFrom('role_definition').selectAll().execute()).map(toRole)
  await plane.vaults.put(asker, vault.name, {
    ...vault.internal,
    resourceId: vault.id,
    location: vault.location,
    grants: grantsFor(vault.key, left, own),
    ...(movedFrom !== undefined && { movedFrom }),
  })
}

/** Changes a vault's settings here and at the key service, or not at all. */
export async function changeVault(
  plane: Plane,
  asker: OnBehalfOf,
  id: string,
  change: (current: VaultResource) => VaultSettings,
): Promise<VaultResource> {
  return await plane.resources.transaction(async (tx) => {
    let body: ResourceBody | undefined
    const changed = await plane.resources.change<VaultSettings>(tx, id, (resource) => {
      resource.internal = change(resource)
      body = vaultBody(resource.name, resource.internal)
      resource.body = body
    })
    if (changed === undefined) return await plane.resources.get<VaultSettings>(id, tx)
    await tellVault(plane, asker, tx, changed)
    return changed
  })
}

/** After a role assignment was added, or before one is removed: every vault it covers. */
export async function accessChanged(plane: Plane, { scope, gone, asker }: AccessChange): Promise<void> {
  for (const vault of await plane.resources.list({ type: vaultType })) {
    if (reaches(scope, vault.key)) await syncVault(plane, asker, vault.id, gone)
  }
}

/** At start, without a caller: repeats what a process that died between two steps may have left undone. */
export async function syncAllVaults(plane: Plane): Promise<void> {
  for (const vault of await plane.resources.list({ type: vaultType })) {
    try {
      await syncVault(plane, undefined, vault.id)
    } catch (error) {
      plane.logger.error({ err: error, vault: vault.id }, 'the key service could not be informed of a vault')
    }
  }
}

async function syncVault(plane: Plane, asker: OnBehalfOf, id: string, gone?: AccessChange['gone']): Promise<void> {
  await plane.resources.transaction(async (tx) => {
    const vault = await plane.resources.change<VaultSettings>(tx, id, () => undefined)
    if (vault === undefined) return
    const o = { gone }
    try {
      await tellVault(plane, asker, tx, vault, o)
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== 'VaultAlreadyExists') throw error
      // A process died while moving the vault: the key service knows the new id, and the row has the old one.
      const { resourceId } = await plane.vaults.get(vault.name)
      if ((await plane.resources.find(resourceId, tx)) !== undefined) throw error
      await tellVault(plane, asker, tx, vault, { ...o, movedFrom: resourceId })
    }
  })
}
