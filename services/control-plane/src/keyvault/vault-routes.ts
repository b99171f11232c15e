import { ServiceError } from '@strongroom/platform'
import { askerOf } from '../arm/asker.ts'
import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { listRoutes } from '../arm/read-routes.ts'
import type { Route } from '../arm/router.ts'
import { requireLocation } from '../arm/regions.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import { settingsOf, vaultBody, vaultType, vaultView, type VaultResource, type VaultSettings } from './vault-model.ts'
import { mergedPolicies, readAccessPolicies, readVaultRequest } from './vault-request.ts'
import { changeVault, removeVault, tellVault, vaultConflict } from './vault-sync.ts'

const base = `${groupPath}/providers/${vaultType}`
const one = `${base}/{name}`

/** Vaults as resources. */
export function vaultRoutes(plane: Plane): Route[] {
  const read = `${vaultType}/read`
  const write = `${vaultType}/write`
  return [
    ...listRoutes(plane, vaultType, vaultView),
    {
      method: 'POST',
      path: `${subscriptionPath}/providers/Microsoft.KeyVault/checkNameAvailability`,
      action: 'Microsoft.KeyVault/checkNameAvailability/read',
      handle: async (request) => {
        const fields = new Fields(request.body)
        const name = fields.text('name') ?? ''
        fields.oneOf('type', [vaultType])
        fields.assertSound()
        return ok(await plane.vaults.availability(name))
      },
    },
    {
      method: 'GET',
      path: one,
      action: read,
      handle: async (request) => ok(vaultView(await plane.resources.get(request.path))),
    },
    { method: 'PUT', path: one, action: write, handle: async (request) => await put(plane, request) },
    { method: 'PATCH', path: one, action: write, handle: async (request) => await patch(plane, request) },
    {
      method: 'DELETE',
      path: one,
      action: `${vaultType}/delete`,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const vault = await plane.resources.find(request.path)
        checkPreconditions(request, vault)
        if (vault === undefined) return { status: 204 }
        await removeVault(plane, askerOf(request), vault)
        return { status: 200 }
      },
    },
    {
      method: 'PUT',
      path: `${one}/accessPolicies/{operation}`,
      action: `${vaultType}/accessPolicies/write`,
      handle: async (request) => await putPolicies(plane, request),
    },
  ]
}

async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const name = param(request, 'name')
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const properties = fields.object('properties')
  const mode = properties.oneOf('createMode', ['default', 'recover'])
  const existing = await plane.resources.find<VaultSettings>(request.path)
  checkPreconditions(request, existing)
  if (mode === 'recover' && existing === undefined) {
    fields.assertSound()
    return await recover(plane, request, name)
  }
  if (existing !== undefined) {
    if (existing.location !== location) throw locationConflict(name, existing.location, location)
    return ok(vaultView(await change(plane, request, existing.id, false)))
  }
  const settings = readVaultRequest(fields, { tenantId: plane.tenantId, patch: false })
  fields.assertSound()
  const made = await insert(plane, request, name, location, settings)
  return { status: 201, body: vaultView(made) }
}

async function insert(
  plane: Plane,
  request: ArmRequest,
  name: string,
  location: string,
  settings: VaultSettings,
): Promise<VaultResource> {
  const id = request.path
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, id)
    const raced = await plane.resources.find<VaultSettings>(id, tx)
    if (raced !== undefined) {
      throw vaultConflict('Conflict', `The vault '${name}' is being made by another request.`, 'Repeat the request.')
    }
    const body = vaultBody(name, settings)
    const made = await plane.resources.insert(tx, { id, location, body, internal: settings })
    await tellVault(plane, askerOf(request), tx, made, settings)
    return made
  })
}

/** The vault as it was when it was deleted; what the request says beside its name and place does not count, as on Azure. */
async function recover(plane: Plane, request: ArmRequest, name: string): Promise<ArmReply> {
  const deleted = await plane.vaults.findDeleted(name)
  if (deleted?.resourceId.toLowerCase() !== request.path.toLowerCase()) {
    throw new ServiceError({
      code: 'DeletedVaultNotFound',
      status: 404,
      message: `The specified deleted vault '${name}' does not exist.`,
      expected: `a deleted vault with the id ${request.path}`,
      found: deleted?.resourceId ?? 'none',
      remedy: 'List the deleted vaults, and recover into the resource group that the vault was in.',
    })
  }
  const { name: _name, createdAt: _at, deletionDate: _deleted, scheduledPurgeDate: _purge, ...definition } = deleted
  await plane.vaults.recover(askerOf(request), name)
  const made = await insert(plane, request, name, deleted.location, settingsOf(definition))
  return ok(vaultView(made))
}

async function patch(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const existing = await plane.resources.get<VaultSettings>(request.path)
  checkPreconditions(request, existing)
  return ok(vaultView(await change(plane, request, existing.id, true)))
}

const modelAction = 'Microsoft.Authorization/roleAssignments/write'

/**
 * Who may write a vault may write access policies, so changing to them from roles would hand out its keys: as on Azure that
 * takes the right to give roles (attack W2), whichever way the model changes.
 */
async function change(plane: Plane, request: ArmRequest, id: string, patch: boolean): Promise<VaultResource> {
  const mayChooseModel = await plane.access.allows(request.caller.objectId, modelAction, id)
  return await changeVault(plane, askerOf(request), id, ({ internal }) => {
    const fields = new Fields(request.body)
    const settings = readVaultRequest(fields, { tenantId: plane.tenantId, existing: internal, patch })
    fields.assertSound()
    if (settings.enableRbacAuthorization === internal.enableRbacAuthorization || mayChooseModel) return settings
    throw new ServiceError({
      code: 'InsufficientPermissions',
      status: 403,
      message: `Caller is not allowed to change permission model. Details: oid=${request.caller.objectId}; action=${modelAction}; resource=${id}; decision=NotAllowed`,
      target: 'properties.enableRbacAuthorization',
      expected: String(internal.enableRbacAuthorization),
      found: String(settings.enableRbacAuthorization),
      remedy: 'Ask an owner of the vault to change it, or leave enableRbacAuthorization as it is.',
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
      status: 400,
      message: 'The operation on access policies is not known.',
      target: 'operation',
      expected: 'add, replace or remove',
      found: param(request, 'operation').slice(0, 40),
    })
  }
  const fields = new Fields(request.body)
  const given = readAccessPolicies(fields.object('properties'), plane.tenantId)
  fields.assertSound()
  await plane.resources.get(id)
  const changed = await changeVault(plane, askerOf(request), id, ({ internal }) => ({
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

function locationConflict(name: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'InvalidResourceLocation',
    status: 409,
    message: `The resource '${name}' already exists in location '${expected}' in this resource group. A resource with the same name cannot be created in location '${found}'.`,
    target: 'location',
    expected,
    found,
    remedy: 'Leave the location as it is.',
  })
}
