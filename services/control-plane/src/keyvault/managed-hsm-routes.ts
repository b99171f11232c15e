import type { DeletedManagedHsmRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { askerOf, type Asker } from '../arm/asker.ts'
import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { listRoutes } from '../arm/read-routes.ts'
import type { Route } from '../arm/router.ts'
import { locationKey, requireLocation } from '../arm/regions.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import {
  managedHsmBody,
  managedHsmType,
  managedHsmView,
  type ManagedHsmResource,
  type ManagedHsmSettings,
} from './managed-hsm-model.ts'
import { invalid } from './vault-request.ts'

const base = `${groupPath}/providers/${managedHsmType}`
const one = `${base}/{name}`
const provider = `${subscriptionPath}/providers/Microsoft.KeyVault`
const deleted = `${provider}/locations/{location}/deletedManagedHSMs/{name}`
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Managed HSMs as resources. What is in them, and who may use it, is the key service's alone. */
export function managedHsmRoutes(plane: Plane): Route[] {
  const read = `${managedHsmType}/read`
  return [
    ...listRoutes(plane, managedHsmType, (hsm) => managedHsmView(hsm)),
    {
      method: 'POST',
      path: `${provider}/checkMhsmNameAvailability`,
      action: 'Microsoft.KeyVault/checkMhsmNameAvailability/read',
      handle: async (request) => {
        const fields = new Fields(request.body)
        const name = fields.text('name') ?? ''
        fields.assertSound()
        return ok(await plane.vaults.hsmAvailability(name))
      },
    },
    {
      method: 'GET',
      path: one,
      action: read,
      handle: async (request) => {
        const found = await plane.resources.get(request.path)
        const { activated } = await plane.vaults.getHsm(found.name)
        return ok(managedHsmView(found, activated))
      },
    },
    {
      method: 'PUT',
      path: one,
      action: `${managedHsmType}/write`,
      handle: async (request) => await put(plane, request),
    },
    {
      method: 'PATCH',
      path: one,
      action: `${managedHsmType}/write`,
      handle: async (request) => {
        const existing = await plane.resources.get<ManagedHsmSettings>(request.path)
        checkPreconditions(request, existing)
        const fields = new Fields(request.body)
        const settings = readSettings(fields, plane.tenantId, existing.internal)
        fields.assertSound()
        return ok(managedHsmView(await change(plane, askerOf(request), existing, settings)))
      },
    },
    {
      method: 'DELETE',
      path: one,
      action: `${managedHsmType}/delete`,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const hsm = await plane.resources.find(request.path)
        checkPreconditions(request, hsm)
        if (hsm === undefined) return { status: 204 }
        await removeManagedHsm(plane, askerOf(request), hsm)
        return { status: 200 }
      },
    },
    {
      method: 'GET',
      path: `${provider}/deletedManagedHSMs`,
      action: 'Microsoft.KeyVault/deletedManagedHsms/read',
      handle: async () => ok({ value: (await plane.vaults.listDeletedHsms()).map((hsm) => deletedView(plane, hsm)) }),
    },
    {
      method: 'GET',
      path: deleted,
      action: 'Microsoft.KeyVault/locations/deletedManagedHsms/read',
      handle: async (request) => ok(deletedView(plane, await findDeleted(plane, request))),
    },
    {
      method: 'POST',
      path: `${deleted}/purge`,
      action: 'Microsoft.KeyVault/locations/deletedManagedHsms/purge/action',
      handle: async (request) => {
        await plane.vaults.purgeHsm(askerOf(request), (await findDeleted(plane, request)).name)
        // Done, but clients take nothing else for an answer.
        return { status: 202 }
      },
    },
  ]
}

/** Soft delete: the name stays taken, and its keys can be recovered. */
export async function removeManagedHsm(
  plane: Plane,
  asker: Asker,
  hsm: Pick<ManagedHsmResource, 'id' | 'name'>,
): Promise<void> {
  await plane.vaults.deleteHsm(asker, hsm.name)
  await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, hsm.id))
}

async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const name = param(request, 'name')
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const mode = fields.object('properties').oneOf('createMode', ['default', 'recover'])
  const existing = await plane.resources.find<ManagedHsmSettings>(request.path)
  checkPreconditions(request, existing)
  if (mode === 'recover' && existing === undefined) {
    fields.assertSound()
    return await recover(plane, request, name)
  }
  const settings = readSettings(fields, plane.tenantId, existing?.internal)
  fields.assertSound()
  if (existing === undefined) return ok(managedHsmView(await insert(plane, request, name, location, settings)))
  if (existing.location !== location) {
    throw new ServiceError({
      code: 'InvalidResourceLocation',
      status: 409,
      message: `The resource '${name}' already exists in location '${existing.location}'.`,
      target: 'location',
      expected: existing.location,
      found: location,
      remedy: 'Leave the location as it is.',
    })
  }
  return ok(managedHsmView(await change(plane, askerOf(request), existing, settings)))
}

async function insert(
  plane: Plane,
  request: ArmRequest,
  name: string,
  location: string,
  settings: ManagedHsmSettings,
): Promise<ManagedHsmResource> {
  const id = request.path
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, id)
    if ((await plane.resources.find(id, tx)) !== undefined) {
      throw new ServiceError({
        code: 'Conflict',
        status: 409,
        message: `The managed HSM '${name}' is being made by another request.`,
        remedy: 'Repeat the request.',
      })
    }
    const made = await plane.resources.insert(tx, {
      id,
      location,
      body: managedHsmBody(name, settings),
      internal: settings,
    })
    await plane.vaults.putHsm(askerOf(request), name, { ...settings, resourceId: made.id, location })
    return made
  })
}

async function change(
  plane: Plane,
  asker: Asker,
  existing: ManagedHsmResource,
  settings: ManagedHsmSettings,
): Promise<ManagedHsmResource> {
  return await plane.resources.transaction(async (tx) => {
    const changed = await plane.resources.change<ManagedHsmSettings>(tx, existing.id, (resource) => {
      resource.internal = settings
      resource.body = managedHsmBody(resource.name, settings)
    })
    await plane.vaults.putHsm(asker, existing.name, {
      ...settings,
      resourceId: existing.id,
      location: existing.location,
    })
    return changed ?? (await plane.resources.get<ManagedHsmSettings>(existing.id, tx))
  })
}

/** As it was when it was deleted. */
async function recover(plane: Plane, request: ArmRequest, name: string): Promise<ArmReply> {
  const found = await plane.vaults.findDeletedHsm(name)
  if (found?.resourceId.toLowerCase() !== request.path.toLowerCase()) throw deletedNotFound(name, found?.resourceId)
  const { tenantId, initialAdminObjectIds, softDeleteRetentionInDays, enablePurgeProtection, tags, location } = found
  await plane.vaults.recoverHsm(askerOf(request), name)
  const settings = { tenantId, initialAdminObjectIds, softDeleteRetentionInDays, enablePurgeProtection, tags }
  return ok(managedHsmView(await insert(plane, request, name, location, settings)))
}

function readSettings(fields: Fields, tenantId: string, existing: ManagedHsmSettings | undefined): ManagedHsmSettings {
  const properties = fields.object('properties')
  const tenant = properties.text('tenantId') ?? existing?.tenantId ?? ''
  if (tenant.toLowerCase() !== tenantId.toLowerCase()) {
    invalid(fields, properties.at('tenantId'), `the tenant of this installation, ${tenantId}`, tenant || 'none')
  }
  const admins = properties.has('initialAdminObjectIds')
    ? properties.texts('initialAdminObjectIds').map((id) => id.toLowerCase())
    : (existing?.initialAdminObjectIds ?? [])
  if (admins.length === 0 || !admins.every((id) => guid.test(id))) {
    invalid(
      fields,
      properties.at('initialAdminObjectIds'),
      'the object ids of its administrators',
      admins.join(', ') || 'none',
    )
  }
  const retention = properties.integer('softDeleteRetentionInDays', 7, 90)
  if (existing && retention !== undefined && retention !== existing.softDeleteRetentionInDays) {
    invalid(
      fields,
      properties.at('softDeleteRetentionInDays'),
      `${existing.softDeleteRetentionInDays}: it stays`,
      String(retention),
    )
  }
  const protection = properties.flag('enablePurgeProtection')
  if (existing?.enablePurgeProtection === true && protection === false) {
    invalid(fields, properties.at('enablePurgeProtection'), 'true: enabling it is irreversible', 'false')
  }
  return {
    tenantId,
    // Who administers an HSM that exists is for its local roles to say.
    initialAdminObjectIds: existing?.initialAdminObjectIds ?? admins,
    softDeleteRetentionInDays: existing?.softDeleteRetentionInDays ?? retention ?? 90,
    enablePurgeProtection: existing?.enablePurgeProtection === true || (protection ?? false),
    tags: fields.textMap('tags') ?? existing?.tags ?? {},
  }
}

async function findDeleted(plane: Plane, request: ArmRequest): Promise<DeletedManagedHsmRecord> {
  const name = param(request, 'name')
  const found = await plane.vaults.findDeletedHsm(name)
  if (found !== undefined && found.location === locationKey(param(request, 'location'))) return found
  throw deletedNotFound(name, found?.location)
}

function deletedNotFound(name: string, found: string | undefined): ServiceError {
  return new ServiceError({
    code: 'DeletedManagedHsmNotFound',
    status: 404,
    message: `The specified deleted managed HSM '${name.slice(0, 60)}' does not exist.`,
    target: name.slice(0, 60),
    expected: 'a deleted managed HSM of this place',
    found: found ?? 'none',
    remedy: 'List the deleted managed HSMs.',
  })
}

function deletedView(plane: Plane, hsm: DeletedManagedHsmRecord): Record<string, unknown> {
  return {
    id: `/subscriptions/${plane.subscriptionId}/providers/Microsoft.KeyVault/locations/${hsm.location}/deletedManagedHSMs/${hsm.name}`,
    name: hsm.name,
    type: 'Microsoft.KeyVault/deletedManagedHSMs',
    properties: {
      mhsmId: hsm.resourceId,
      location: hsm.location,
      deletionDate: hsm.deletionDate,
      scheduledPurgeDate: hsm.scheduledPurgeDate,
      purgeProtectionEnabled: hsm.enablePurgeProtection,
      tags: hsm.tags,
    },
  }
}
