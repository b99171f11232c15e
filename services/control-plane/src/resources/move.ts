import { ServiceError } from '@strongroom/platform'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { Fields } from '../arm/fields.ts'
import { keyOf, parseResourceId, withoutFinalSlashes } from '../arm/ids/resource-id.ts'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { groupPath, type Plane } from '../types/plane.ts'
import type { Db, Resource } from '../store/resources.ts'
import { moveRows } from './move-rows.ts'
import { idInGroup, moveProblem } from './move-rules.ts'

const groupAction = 'Microsoft.Resources/subscriptions/resourceGroups'
/** Azure's limit per request. */
const most = 800

/** `az resource move`: from one group of the subscription to another, all or none. */
export function moveRoutes(plane: Plane): Route[] {
  const moveRoute = (verb: 'moveResources' | 'validateMoveResources', does: boolean): Route =>
    route.post(
      `${groupPath}/${verb}`,
      `${groupAction}/${verb}/action`,
      async (request) => await move(plane, request, does),
    )
  return [moveRoute('moveResources', true), moveRoute('validateMoveResources', false)]
}

async function move(plane: Plane, request: ArmRequest, does: boolean): Promise<ArmReply> {
  const sourceId = request.path.split('/').slice(0, 5).join('/')
  await plane.resources.requireGroup(sourceId)
  const { ids, target } = readRequest(request.body, sourceId)
  await requireRights(plane, request, ids, target)
  await plane.resources.requireGroup(target)
  await plane.resources.transaction(async (tx) => {
    // In one order, so that two opposite moves do not deadlock.
    const groups = new Map<string, Resource>()
    for (const id of [sourceId, target].toSorted((a, b) => keyOf(a).localeCompare(keyOf(b))))
      groups.set(keyOf(id), await plane.resources.lockGroup(tx, id))
    const targetId = groups.get(keyOf(target))?.id ?? target
    const moves = new Map<string, string>()
    const problems = []
    for (const id of ids) {
      const resource = await plane.resources.getLocked(tx, id)
      const newId = idInGroup(resource.id, targetId)
      const holder = await holderOf(plane, tx, resource)
      const problem = moveProblem(plane.types, resource, {
        taken: (await plane.resources.find(newId, tx)) !== undefined,
        holder,
        busy: await busyOf(plane, tx, [resource, ...(holder === undefined ? [] : [holder])]),
      })
      if (problem !== undefined) problems.push(problem)
      moves.set(resource.key, newId)
    }
    if (problems.length > 0)
      throw new ServiceError({
        ...problems[0]?.innererror,
        code: 'ResourceMoveProviderValidationFailed',
        message:
          'Resource move validation failed. Please see details. Diagnostic information: request correlation id ' +
          `'${request.correlationId}'.`,
        target: problems[0]?.target ?? sourceId,
        details: problems,
      })
    if (!does) return
    // Without the answer of the notified service nothing has moved. If the process dies after the answer, the row has
    // its old id: the same request moves it.
    for (const resource of await moveRows(plane, tx, moves)) {
      const from = idInGroup(resource.id, sourceId)
      await plane.types.of(resource.type)?.moved?.(plane, onBehalfOf(request), tx, resource, from)
    }
  })
  return { status: 204 }
}

/** The first one with an operation in progress, which would look for the resource under its old id. None begins meanwhile. */
async function busyOf(plane: Plane, tx: Db, resources: Resource[]): Promise<Resource | undefined> {
  for (const each of resources) if ((await plane.runner.holdOff(each.key, tx)).length > 0) return each
  return undefined
}

/** The virtual machine that an interface is attached to: an operation on it may hold the interface's id. */
async function holderOf(plane: Plane, tx: Db, resource: Resource): Promise<Resource | undefined> {
  const id = plane.types.of(resource.type)?.holder?.(resource)
  return id === undefined ? undefined : await plane.resources.lock(tx, id)
}

function readRequest(body: unknown, sourceId: string): { ids: string[]; target: string } {
  const fields = new Fields(body)
  const ids = [...new Map(fields.texts('resources', 800).map((id) => [keyOf(id), id])).values()]
  const target = withoutFinalSlashes(fields.text('targetResourceGroup') ?? '')
  const invalid = (at: string, message: string, expected: string, found: string, remedy: string): void =>
    fields.problem({ code: 'InvalidRequestContent', message, target: at, expected, found, remedy })
  if (ids.length === 0 || ids.length > most)
    invalid(
      'resources',
      'The number of resources to move is out of range.',
      `1 to ${most} ids`,
      `${ids.length}`,
      'Name the resources to move.',
    )
  for (const id of ids) {
    const parts = id.split('/').length
    if (parseResourceId(id) !== undefined && parts === 9 && keyOf(id).startsWith(`${keyOf(sourceId)}/`)) continue
    invalid(
      'resources',
      `'${id.slice(0, 200)}' is not a resource of the source group.`,
      `an id below ${sourceId}, of a top-level resource`,
      id.slice(0, 200),
      'Move the resources of one group at a time; nested resources move along.',
    )
  }
  const own = sourceId.split('/')[2] ?? ''
  const form = /^\/subscriptions\/([^/]+)\/resourceGroups\/[^/]+$/i.exec(target)
  if (form === null || form[1]?.toLowerCase() !== own.toLowerCase())
    invalid(
      'targetResourceGroup',
      'The target is not a resource group of this subscription.',
      `/subscriptions/${own}/resourceGroups/NAME`,
      target.slice(0, 200),
      'An installation has one subscription.',
    )
  else if (keyOf(target) === keyOf(sourceId))
    invalid(
      'targetResourceGroup',
      'The source and the target are the same group.',
      'another group',
      target,
      'Name the group to move to.',
    )
  fields.assertSound()
  return { ids, target }
}

/**
 * Moving writes in the target group and deletes in the source. Azure requires no more; but the group decides who uses a
 * vault by roles, so moving one requires the right to assign roles at it.
 * @throws ServiceError LinkedAuthorizationFailed, ScopeLocked
 */
async function requireRights(plane: Plane, request: ArmRequest, ids: string[], target: string): Promise<void> {
  const links = ids.flatMap((id) => {
    const type = parseResourceId(id)?.type ?? ''
    const rights = [
      { action: `${type}/write`, id },
      { action: `${type}/write`, id: idInGroup(id, target) },
    ]
    const more = plane.types.of(type)?.moveAction
    return more === undefined ? rights : [...rights, { action: more, id }]
  })
  const into = { action: `${groupAction}/write`, id: target }
  await plane.access.requireLinked(request.caller, request.path, [into, ...links])
  // ReadOnly locks forbid it at either end; CanNotDelete does not, as on Azure.
  for (const path of [target, ...ids])
    await plane.locks.require({ method: 'POST', action: `${groupAction}/moveResources/action`, path })
}
