import type { DeletedVaultRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { Fields } from '../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route } from '../../arm/router.ts'
import { requireLocation } from '../../arm/regions.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import { assertSameLocation } from '../../types/conflicts.ts'
import { makeResource } from '../../types/creation.ts'
import { assertMembers } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { deletedRoutes, purgeDeleted, type DeletedKind } from './deleted-routes.ts'
import { accessPolicyMembers, vaultMembers } from './vault-members.ts'
import { settingsOf, vaultBody, vaultType, vaultView, type VaultResource, type VaultSettings } from './vault-model.ts'
import { mergedPolicies, readAccessPolicies, readVaultRequest, refuseRecovery } from './vault-request.ts'
import { vaultAccessRoutes } from './vault-access.ts'
import { changeVault, tellVault } from './vault-sync.ts'

const one = `${groupPath}/providers/${vaultType}/{name}`
const modelAction = 'Microsoft.Authorization/roleAssignments/write'

const deletedVaults: DeletedKind<DeletedVaultRecord> = {
  spelling: 'deletedVaults',
  action: 'deletedVaults',
  nameCheck: { spelling: 'checkNameAvailability', type: vaultType },
  store: ({ vaults: all }) => all,
  view: (vault) => ({
    vaultId: vault.resourceId,
    location: vault.location,
    deletionDate: vault.deletionDate,
    scheduledPurgeDate: vault.scheduledPurgeDate,
    tags: vault.resource.tags,
    ...(vault.enablePurgeProtection && { purgeProtectionEnabled: true }),
  }),
  notFound: (name, found) =>
    new ServiceError({
      code: 'DeletedVaultNotFound',
      message: `The specified deleted vault '${name.slice(0, 60)}' does not exist.`,
      target: name.slice(0, 60),
      expected: 'a deleted vault of this location',
      found: found === undefined ? 'none' : `one in ${found.location}`,
      remedy: 'List the deleted vaults.',
    }),
  purged: 200,
}

/** Vaults as resources. */
export const vaults: ResourceType<VaultSettings> = {
  spelling: vaultType,
  members: vaultMembers,
  patched: ['tags', 'properties'],
  movable: true,
  // The group decides who uses a vault by roles: moving one requires the right to assign roles at it.
  moveAction: modelAction,
  create,
  change,
  routes: (plane) => [...deletedRoutes(plane, deletedVaults), ...vaultAccessRoutes(plane)],
  // Soft delete: the name stays reserved, and the vault's contents can be recovered.
  forget: async (plane, asker, { name }) => await plane.vaults.delete(asker, name),
  moved: async (plane, asker, tx, vault, movedFrom) => await tellVault(plane, asker, tx, vault, { movedFrom }),
  purge: async (plane) => await purgeDeleted(plane, deletedVaults),
}

/** Access policies are part of their vault's row. */
export const accessPolicies: ResourceType = {
  spelling: `${vaultType}/accessPolicies`,
  inParent: true,
  members: accessPolicyMembers,
  routes: (plane) => [
    route.put(
      `${one}/accessPolicies/{operation}`,
      `${vaultType}/accessPolicies/write`,
      async (request) => await putPolicies(plane, request),
    ),
  ],
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const name = param(request, 'name')
  const { fields, location, recovers } = readPlace(request, group.location)
  if (recovers) {
    fields.assertSound()
    return await recover(plane, request, name)
  }
  const settings = readVaultRequest(fields, { tenantId: plane.tenantId, patch: false })
  fields.assertSound()
  const made = await insert(plane, request, name, location, settings)
  return { status: 201, body: vaultView(made) }
}

async function change(plane: Plane, request: ArmRequest, existing: VaultResource): Promise<ArmReply> {
  const put = request.method === 'PUT'
  if (put) assertSameLocation(existing, readPlace(request, existing.location).location)
  return ok(vaultView(await changeSettings(plane, request, existing.id, !put)))
}

function readPlace(request: ArmRequest, home: string): { fields: Fields; location: string; recovers: boolean } {
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? home)
  const mode = fields.object('properties').oneOf('createMode', ['default', 'recover'])
  return { fields, location, recovers: mode === 'recover' }
}

async function insert(
  plane: Plane,
  request: ArmRequest,
  name: string,
  location: string,
  settings: VaultSettings,
): Promise<VaultResource> {
  const id = request.path
  return await makeResource(plane, request, 'vault', async (tx) => {
    const body = vaultBody(name, settings)
    const made = await plane.resources.insert(tx, { id, location, body, internal: settings })
    await tellVault(plane, onBehalfOf(request), tx, made)
    return made
  })
}

/** The vault as it was when deleted; apart from name and location, the request's contents are ignored, as on Azure. */
async function recover(plane: Plane, request: ArmRequest, name: string): Promise<ArmReply> {
  const deleted = await plane.vaults.findDeleted(name)
  if (deleted?.resourceId.toLowerCase() !== request.path.toLowerCase()) {
    throw new ServiceError({
      code: 'DeletedVaultNotFound',
      message: `The specified deleted vault '${name}' does not exist.`,
      expected: `a deleted vault with the id ${request.path}`,
      found: deleted?.resourceId ?? 'none',
      remedy: 'List the deleted vaults, and recover into the resource group that the vault was in.',
    })
  }
  const { name: _name, createdAt: _at, deletionDate: _deleted, scheduledPurgeDate: _purge, ...definition } = deleted
  await plane.vaults.recover(onBehalfOf(request), name)
  const made = await insert(plane, request, name, deleted.location, settingsOf(definition))
  return ok(vaultView(made))
}

/**
 * Anyone who may write a vault may write access policies, so switching from roles to policies would give out its keys:
 * as on Azure, either switch requires the right to assign roles (attack W2).
 */
async function changeSettings(plane: Plane, request: ArmRequest, id: string, patch: boolean): Promise<VaultResource> {
  const mayChooseModel = await plane.access.allows(request.caller.objectId, modelAction, id)
  return await changeVault(plane, onBehalfOf(request), id, ({ internal }) => {
    const fields = new Fields(request.body)
    refuseRecovery(fields.object('properties'))
    const settings = readVaultRequest(fields, { tenantId: plane.tenantId, existing: internal, patch })
    fields.assertSound()
    if (settings.enableRbacAuthorization === internal.enableRbacAuthorization || mayChooseModel) return settings
    throw new ServiceError({
      code: 'InsufficientPermissions',
      message:
        `Caller is not allowed to change permission model. Details: oid=${request.caller.objectId}; ` +
        `action=${modelAction}; resource=${id}; decision=NotAllowed`,
      target: 'properties.enableRbacAuthorization',
      expected: String(internal.enableRbacAuthorization),
      found: String(settings.enableRbacAuthorization),
      remedy: 'Ask an owner of the vault to change it, or leave enableRbacAuthorization unchanged.',
    })
  })
}

async function putPolicies(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const id = request.path.replace(/\/accessPolicies\/[^/]*$/i, '')
  const operation = (['add', 'replace', 'remove'] as const).find(
    (kind) => kind === param(request, 'operation').toLowerCase(),
  )
  if (operation === undefined) {
    throw new ServiceError({
      code: 'BadRequest',
      message: 'The operation on access policies is unknown.',
      target: 'operation',
      expected: 'add, replace or remove',
      found: param(request, 'operation').slice(0, 40),
    })
  }
  await assertMembers(accessPolicyMembers, request.body)
  const fields = new Fields(request.body)
  const given = readAccessPolicies(fields.object('properties'), plane.tenantId)
  fields.assertSound()
  await plane.resources.get(id)
  const changed = await changeVault(plane, onBehalfOf(request), id, ({ internal }) => ({
    ...internal,
    accessPolicies: mergedPolicies(operation, internal.accessPolicies, given),
  }))
  return ok({
    id: `${changed.id}/accessPolicies/`,
    type: `${vaultType}/accessPolicies`,
    location: changed.location,
    properties: { accessPolicies: changed.internal.accessPolicies },
  })
}
