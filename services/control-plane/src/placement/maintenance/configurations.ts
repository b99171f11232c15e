import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { requireLocation } from '../../arm/regions.ts'
import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import { resourceView } from '../../arm/resource-view.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db, Json, Resource } from '../../store/resources.ts'
import { assertSameLocation } from '../../types/conflicts.ts'
import { insertResource, readPut } from '../../types/creation.ts'
import { computeName } from '../../types/name-form.ts'
import { members } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { vmType, type VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { assignmentRoutes } from './assignments.ts'
import { configurationType } from './configuration-model.ts'
import { readWindow, type MaintenanceWindow } from './window.ts'

/** Owners' windows for maintenance of the hosts below their VMs. */
export const maintenanceConfigurations: ResourceType = {
  spelling: configurationType,
  members: members(
    { location: 'honoured' },
    {
      maintenanceScope: 'honoured',
      visibility: 'honoured',
      namespace: 'kept',
      maintenanceWindow: {
        startDateTime: 'honoured',
        expirationDateTime: 'honoured',
        duration: 'honoured',
        timeZone: 'honoured',
        recurEvery: 'honoured',
      },
    },
  ),
  name: computeName,
  create,
  change,
  routes: assignmentRoutes,
  assertUnused,
}

interface Wanted {
  window: MaintenanceWindow | undefined
  namespace: string | undefined
}

function readConfiguration(properties: Fields): Wanted {
  const scope = properties.text('maintenanceScope')
  if (scope !== undefined && scope.toLowerCase() !== 'host')
    properties.unsupported(properties.at('maintenanceScope'), 'Only maintenance of hosts is planned here.', {
      expected: 'Host',
      found: scope.slice(0, 60),
      remedy: 'Update guests from inside, for example with unattended-upgrades.',
    })
  properties.oneOf('visibility', ['Custom'])
  return { window: readWindow(properties), namespace: properties.text('namespace') }
}

const bodyOf = ({ window, namespace }: Wanted): Json => ({
  maintenanceScope: 'Host',
  visibility: 'Custom',
  extensionProperties: {},
  ...(namespace !== undefined && { namespace }),
  ...(window !== undefined && { maintenanceWindow: { ...window } }),
})

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const { fields, properties, location, tags } = readPut(request, group.location)
  const wanted = readConfiguration(properties)
  if (!properties.has('maintenanceScope'))
    fields.missing('maintenanceScope', properties.at('maintenanceScope'), { expected: 'Host' })
  fields.assertSound()
  const body = { properties: bodyOf(wanted), ...(tags !== undefined && { tags }) }
  const made = await insertResource(plane, request, 'maintenance configuration', { location, body })
  return { status: 201, body: resourceView(made, configurationType) }
}

/** A PUT replaces the window, a PATCH without one leaves it. */
async function change(plane: Plane, request: ArmRequest, existing: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const location = fields.text('location')
  if (location !== undefined) assertSameLocation(existing, requireLocation(fields, location))
  const tags = fields.textMap('tags')
  const wanted = readConfiguration(fields.object('properties'))
  fields.assertSound()
  const changed = await plane.resources.update(existing.id, ({ body }) => {
    if (tags !== undefined) body.tags = tags
    const { maintenanceWindow: before } = body.properties
    body.properties = { ...body.properties, ...bodyOf(wanted) }
    if (wanted.window === undefined && request.method === 'PUT') delete body.properties['maintenanceWindow']
    else if (wanted.window === undefined && before !== undefined) body.properties['maintenanceWindow'] = before
  })
  return ok(resourceView(changed ?? existing, configurationType))
}

/** VMs are assigned in the transaction that locks the configuration, as its deletion does. */
async function assertUnused(plane: Plane, tx: Db, configuration: Resource): Promise<void> {
  const vms = await plane.resources.list<VmInternal>({ type: vmType }, tx)
  const users = vms.filter(({ internal }) => keyOf(internal.maintenance?.configurationId ?? '') === configuration.key)
  if (users.length === 0) return
  throw new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message: `Maintenance configuration '${configuration.name}' cannot be deleted while it is assigned to virtual machines.`,
    target: configuration.id,
    expected: 'a configuration without assignments',
    found: users
      .map(({ name }) => name)
      .join(', ')
      .slice(0, 400),
    remedy: 'Delete its assignments first: az maintenance assignment delete.',
  })
}
