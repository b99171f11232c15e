import type { DeletedManagedHsmRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { onBehalfOf, type OnBehalfOf } from '../../arm/on-behalf-of.ts'
import { Fields } from '../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { requireLocation } from '../../arm/regions.ts'
import { type Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import { assertSameLocation } from '../../types/conflicts.ts'
import { makeResource } from '../../types/creation.ts'
import { meterOf } from '../../types/meter.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { deletedRoutes, purgeDeleted, type DeletedKind } from './deleted-routes.ts'
import {
  managedHsmBody,
  managedHsmType,
  managedHsmView,
  type ManagedHsmResource,
  type ManagedHsmSettings,
} from './managed-hsm-model.ts'
import { hsmMembers } from './vault-members.ts'
import { invalid, refuseRecovery } from './vault-request.ts'

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const deletedHsms: DeletedKind<DeletedManagedHsmRecord> = {
  spelling: 'deletedManagedHSMs',
  action: 'deletedManagedHsms',
  nameCheck: { spelling: 'checkMhsmNameAvailability' },
  store: ({ vaults }) => vaults.hsms,
  view: (hsm) => ({
    mhsmId: hsm.resourceId,
    location: hsm.location,
    deletionDate: hsm.deletionDate,
    scheduledPurgeDate: hsm.scheduledPurgeDate,
    purgeProtectionEnabled: hsm.enablePurgeProtection,
    tags: hsm.tags,
  }),
  notFound: (name, found) => deletedNotFound(name, found?.location),
  // Complete, but clients accept no other status.
  purged: 202,
}

/** Managed HSMs as resources. Their contents, and access to them, belong to the key service. */
export const managedHsms: ResourceType<ManagedHsmSettings> = {
  spelling: managedHsmType,
  members: hsmMembers,
  patched: ['tags', 'properties'],
  refersTo: ['Microsoft.ManagedIdentity/userAssignedIdentities'],
  view: async (plane, hsm, _request, listed) =>
    managedHsmView(hsm, listed ? undefined : (await plane.vaults.hsms.get(hsm.name)).activated),
  create,
  change: update,
  routes: (plane) => deletedRoutes(plane, deletedHsms),
  meters: (row) => [meterOf(row, 'managed-hsm')],
  // Soft delete: the name stays reserved, and its keys can be recovered.
  forget: async (plane, asker, { name }) => await plane.vaults.hsms.delete(asker, name),
  purge: async (plane) => await purgeDeleted(plane, deletedHsms),
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const name = param(request, 'name')
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  if (fields.object('properties').oneOf('createMode', ['default', 'recover']) === 'recover') {
    fields.assertSound()
    return await recover(plane, request, name)
  }
  const settings = readSettings(fields, plane.tenantId, undefined)
  fields.assertSound()
  return ok(managedHsmView(await insert(plane, request, name, location, settings)))
}

async function update(plane: Plane, request: ArmRequest, existing: ManagedHsmResource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const given = fields.text('location')
  const location = request.method === 'PUT' && given !== undefined ? requireLocation(fields, given) : existing.location
  refuseRecovery(fields.object('properties'))
  const settings = readSettings(fields, plane.tenantId, existing.internal)
  fields.assertSound()
  assertSameLocation(existing, location)
  return ok(managedHsmView(await change(plane, onBehalfOf(request), existing, settings)))
}

async function insert(
  plane: Plane,
  request: ArmRequest,
  name: string,
  location: string,
  settings: ManagedHsmSettings,
): Promise<ManagedHsmResource> {
  const id = request.path
  return await makeResource(plane, request, 'managed HSM', async (tx) => {
    const made = await plane.resources.insert(tx, {
      id,
      location,
      body: managedHsmBody(name, settings),
      internal: settings,
    })
    await plane.vaults.hsms.put(onBehalfOf(request), name, { ...settings, resourceId: made.id, location })
    return made
  })
}

async function change(
  plane: Plane,
  asker: OnBehalfOf,
  existing: ManagedHsmResource,
  settings: ManagedHsmSettings,
): Promise<ManagedHsmResource> {
  return await plane.resources.transaction(async (tx) => {
    const changed = await plane.resources.change<ManagedHsmSettings>(tx, existing.id, (resource) => {
      resource.internal = settings
      resource.body = managedHsmBody(resource.name, settings)
    })
    await plane.vaults.hsms.put(asker, existing.name, {
      ...settings,
      resourceId: existing.id,
      location: existing.location,
    })
    return changed ?? (await plane.resources.get<ManagedHsmSettings>(existing.id, tx))
  })
}

/** As it was when it was deleted. */
async function recover(plane: Plane, request: ArmRequest, name: string): Promise<ArmReply> {
  const found = await plane.vaults.hsms.findDeleted(name)
  if (found?.resourceId.toLowerCase() !== request.path.toLowerCase()) throw deletedNotFound(name, found?.resourceId)
  const { tenantId, initialAdminObjectIds, softDeleteRetentionInDays, enablePurgeProtection, tags, location } = found
  await plane.vaults.hsms.recover(onBehalfOf(request), name)
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
    ? properties.texts('initialAdminObjectIds', 100).map((id) => id.toLowerCase())
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
      `${existing.softDeleteRetentionInDays}: it cannot be changed`,
      String(retention),
    )
  }
  const protection = properties.flag('enablePurgeProtection')
  if (existing?.enablePurgeProtection === true && protection === false) {
    invalid(fields, properties.at('enablePurgeProtection'), 'true: enabling it is irreversible', 'false')
  }
  return {
    tenantId,
    // An existing HSM's administrators are managed by its local roles.
    initialAdminObjectIds: existing?.initialAdminObjectIds ?? admins,
    softDeleteRetentionInDays: existing?.softDeleteRetentionInDays ?? retention ?? 90,
    enablePurgeProtection: existing?.enablePurgeProtection === true || (protection ?? false),
    tags: fields.textMap('tags') ?? existing?.tags ?? {},
  }
}

function deletedNotFound(name: string, found: string | undefined): ServiceError {
  return new ServiceError({
    code: 'DeletedManagedHsmNotFound',
    message: `The specified deleted managed HSM '${name.slice(0, 60)}' does not exist.`,
    target: name.slice(0, 60),
    expected: 'a deleted managed HSM of this location',
    found: found ?? 'none',
    remedy: 'List the deleted managed HSMs.',
  })
}
