import type { AskedBy, ErrorDetail } from '@strongroom/contract'
import { ServiceError, type SagaDefinition } from '@strongroom/platform'
import { groupRead } from '../arm/access.ts'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { Fields } from '../arm/fields.ts'
import { listPage } from '../arm/list-page.ts'
import { begin, accepted } from '../arm/operations.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { requireLocation } from '../arm/regions.ts'
import { ScopeSet } from '../arm/roles/scope-set.ts'
import { groupPath, subscriptionPath, type Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { removeAllIn, requireAlongGroup } from '../types/removal.ts'
import { parseFilter } from './inventory.ts'

const type = 'Microsoft.Resources/resourceGroups'
const list = `${subscriptionPath}/resourceGroups`

function view(group: Resource): Record<string, unknown> {
  return {
    id: group.id,
    name: group.name,
    type,
    location: group.location,
    ...(group.body.tags !== undefined && { tags: group.body.tags }),
    properties: { provisioningState: group.body.properties['provisioningState'] },
  }
}

export function groupRoutes(plane: Plane): Route[] {
  const action = 'Microsoft.Resources/subscriptions/resourceGroups'
  return [
    route.get(list, groupRead, async (request) => {
      const matches = parseFilter(request.query['$filter'], ['tagName', 'tagValue'])
      const readable = new ScopeSet(await plane.access.scopesAllowing(request.caller.objectId, groupRead))
      return await listPage(plane, request, {
        type,
        keep: (group) => readable.covers(group.key) && matches(group),
        view,
      })
    }),
    route.get(groupPath, groupRead, async (request) => ok(view(await plane.resources.requireGroup(request.path)))),
    route.head(groupPath, groupRead, async (request) => ({
      status: (await plane.resources.find(request.path)) === undefined ? 404 : 204,
    })),
    route.put(groupPath, `${action}/write`, async (request) => await put(plane, request)),
    route.patch(groupPath, `${action}/write`, async (request) => {
      const fields = new Fields(request.body)
      const tags = fields.textMap('tags')
      fields.assertSound()
      await plane.resources.requireGroup(request.path)
      const changed = await plane.resources.update(
        request.path,
        (group) => void (tags !== undefined && (group.body.tags = tags)),
      )
      return ok(view(changed ?? (await plane.resources.requireGroup(request.path))))
    }),
    route.delete(groupPath, `${action}/delete`, async (request) => {
      const group = await plane.resources.requireGroup(request.path)
      await requireAlongGroup(plane, onBehalfOf(request), group.id)
      const operation = await plane.resources.transaction(async (tx) => {
        await plane.resources.change(
          tx,
          group.id,
          (current) => void (current.body.properties['provisioningState'] = 'Deleting'),
        )
        return await begin(
          plane.outer,
          tx,
          'group.delete',
          { resource: group, asker: request.caller },
          {
            id: group.id,
            asker: onBehalfOf(request),
          },
        )
      })
      return accepted(plane, request, group, operation)
    }),
  ]
}

async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const name = request.params['group'] ?? ''
  if (!/^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$/u.test(name)) {
    throw new ServiceError({
      code: 'ResourceGroupNameInvalid',
      message:
        `The resource group name '${name.slice(0, 100)}' is invalid: 1 to 90 letters, digits, '_', '-', '.', '(' ` +
        "and ')', not ending with '.'.",
      target: 'name',
      found: name.slice(0, 100),
    })
  }
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? '')
  const tags = fields.textMap('tags')
  fields.assertSound()
  const existing = await plane.resources.find(request.path)
  checkPreconditions(request, existing)
  if (existing === undefined) {
    const body = { properties: { provisioningState: 'Succeeded' }, ...(tags !== undefined && { tags }) }
    const made = await plane.resources.insertNew({ id: request.path, location, body })
    if (made !== undefined) return { status: 201, body: view(made) }
  }
  const group = await plane.resources.requireGroup(request.path)
  // Another request may have been quicker.
  checkPreconditions(request, group)
  if (group.location !== location) {
    throw new ServiceError({
      code: 'InvalidResourceGroupLocation',
      message: `Invalid resource group location '${location}'. The Resource group already exists in location '${group.location}'.`,
      target: 'location',
      expected: group.location,
      found: location,
    })
  }
  const changed = await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, group.id)
    return await plane.resources.change(
      tx,
      group.id,
      (current) => void (tags !== undefined && (current.body.tags = tags)),
    )
  })
  return ok(view(changed ?? group))
}

function deletionBlocked(groupId: string, details: ErrorDetail[]): ServiceError {
  const ids = details.map(({ target }) => `'${target}'`).join(', ')
  return new ServiceError({
    code: 'ResourceGroupDeletionBlocked',
    message:
      `Deletion of resource group '${groupId.split('/')[4]}' failed as resources with identifiers ${ids} could not ` +
      'be deleted. The provisioning state of the resource group will be rolled back.',
    target: groupId,
    remedy: 'Delete what uses them in other groups first, then delete the group again.',
    details,
  })
}

export function groupSaga(plane: Plane): SagaDefinition<{ id: string; asker?: AskedBy }> {
  return {
    kind: 'group.delete',
    steps: [
      {
        name: 'delete resources',
        do: async ({ params: { id, asker } }) => {
          const blocked = await removeAllIn(plane, asker, id)
          if (blocked.length > 0) throw deletionBlocked(id, blocked)
        },
      },
      {
        name: 'delete the group',
        do: async (c) => {
          await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, c.params.id))
        },
      },
    ],
    onFinished: async (c) => {
      if (c.status === 'Succeeded') return
      await plane.resources.update(
        c.params.id,
        (group) => void (group.body.properties['provisioningState'] = 'Succeeded'),
      )
    },
  }
}
