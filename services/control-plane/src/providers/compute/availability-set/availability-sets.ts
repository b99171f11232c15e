import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../../arm/fields.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import { assertSameLocation } from '../../../types/conflicts.ts'
import { insertResource } from '../../../types/creation.ts'
import { members } from '../../../types/members.ts'
import { computeName } from '../../../types/name-form.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { sizeView } from '../catalog/catalog.ts'
import { allSizes, isOffered } from '../size/sizes.ts'
import { availabilitySetType, membersOf } from './set-model.ts'

/** VMs meant to replace each other. */
export const availabilitySets: ResourceType = {
  spelling: availabilitySetType,
  members: members(
    { location: 'honoured', sku: { name: 'honoured' } },
    {
      platformFaultDomainCount: 'honoured',
      platformUpdateDomainCount: 'honoured',
      proximityPlacementGroup: 'honoured',
      // The sets that VMs name.
      virtualMachines: 'shown',
      statuses: 'shown',
    },
  ),
  name: computeName,
  view,
  create,
  change,
  reads: {
    vmSizes: async (_plane, _request, { location }) =>
      ok({
        value: allSizes()
          .filter((size) => isOffered(size, location))
          .map(sizeView),
      }),
  },
  assertUnused,
}

async function view(plane: Plane, set: Resource): Promise<Record<string, unknown>> {
  const virtualMachines = (await membersOf(plane, set)).map(({ id }) => ({ id }))
  return resourceView(
    { ...set, body: { ...set.body, properties: { ...set.body.properties, virtualMachines } } },
    availabilitySetType,
  )
}

interface SetRequest {
  sku: 'Aligned' | 'Classic' | undefined
  platformFaultDomainCount: number | undefined
  platformUpdateDomainCount: number | undefined
  tags: Record<string, string> | undefined
}

function readSet(fields: Fields): SetRequest {
  const properties = fields.object('properties')
  if (properties.has('proximityPlacementGroup'))
    fields.unsupported(properties.at('proximityPlacementGroup'), 'Proximity placement groups are not offered.', {
      expected: 'no proximityPlacementGroup',
      found: 'one',
      remedy: 'Omit it: an installation is in one place.',
    })
  return {
    sku: fields.object('sku').oneOf('name', ['Aligned', 'Classic']),
    platformFaultDomainCount: properties.integer('platformFaultDomainCount', 1, 3),
    platformUpdateDomainCount: properties.integer('platformUpdateDomainCount', 1, 20),
    tags: fields.textMap('tags'),
  }
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const wanted = readSet(fields)
  fields.assertSound()
  const body = {
    sku: { name: wanted.sku ?? 'Classic' },
    properties: {
      platformFaultDomainCount: wanted.platformFaultDomainCount ?? 2,
      platformUpdateDomainCount: wanted.platformUpdateDomainCount ?? 5,
    },
    ...(wanted.tags !== undefined && { tags: wanted.tags }),
  }
  const made = await insertResource(plane, request, 'availability set', { location, body })
  return { status: 201, body: await view(plane, made) }
}

/** Tags change, and a Classic set becomes Aligned (`az vm availability-set convert`); domains are fixed. */
async function change(plane: Plane, request: ArmRequest, existing: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const location = fields.text('location')
  if (location !== undefined) assertSameLocation(existing, requireLocation(fields, location))
  const wanted = readSet(fields)
  for (const name of ['platformFaultDomainCount', 'platformUpdateDomainCount'] as const)
    fixed(fields, `properties.${name}`, existing.body.properties[name], wanted[name])
  if (existing.body.sku?.['name'] === 'Aligned') fixed(fields, 'sku.name', 'Aligned', wanted.sku)
  fields.assertSound()
  const changed = await plane.resources.update(existing.id, ({ body }) => {
    if (wanted.tags !== undefined) body.tags = wanted.tags
    if (wanted.sku !== undefined) body.sku = { name: wanted.sku }
  })
  return ok(await view(plane, changed ?? existing))
}

function fixed(fields: Fields, path: string, old: unknown, wanted: string | number | undefined): void {
  if (wanted === undefined || wanted === old) return
  fields.unchangeable(path.replace('properties.', ''), {
    target: path,
    expected: String(old),
    found: String(wanted),
    remedy: 'Create a new availability set.',
  })
}

/** VMs are created under the group's lock, which every deletion takes: none is created in between. */
async function assertUnused(plane: Plane, tx: Db, set: Resource): Promise<void> {
  const members = await membersOf(plane, set, tx)
  if (members.length === 0) return
  throw new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message:
      `Availability Set '${set.name}' cannot be deleted. Before deleting an Availability Set please ensure that it ` +
      'does not contain any VM.',
    target: set.id,
    expected: 'a set without VMs',
    found: members
      .map(({ name }) => name)
      .join(', ')
      .slice(0, 400),
    remedy: 'Delete its VMs first.',
  })
}
