import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { listPage } from '../arm/list-page.ts'
import { accepted } from '../arm/operations.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import { resourceView } from '../arm/resource-view.ts'
import { route, type Route } from '../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from './plane.ts'
import type { Resource } from '../store/resources.ts'
import { assertMembers } from './members.ts'
import { assertName } from './name-form.ts'
import { removeResource } from './removal.ts'
import type { AtResource, ResourceType } from './resource-type.ts'

/** Every route of a type: lists, the resource itself, and what its description adds. */
export function resourceRoutes(plane: Plane, type: ResourceType): Route[] {
  const more = type.routes?.(plane) ?? []
  if (type.inParent === true) return more
  const { list, one } = pathsOf(type.spelling)
  const read = `${type.spelling}/read`
  const writes = type.create === undefined ? [] : writeRoutes(plane, type, one)
  return [
    route.get(list, read, async (request) => await listIn(plane, type, request)),
    ...(isNested(type) ? [] : [subscriptionList(plane, type)]),
    route.get(one, read, async (request) => {
      const resource = await plane.resources.get<unknown>(request.path)
      const body = await viewOf(plane, type, resource, request, false)
      return { status: 200, body, headers: { etag: `W/"${resource.etag}"` } }
    }),
    ...writes,
    ...Object.entries(type.actions ?? {}).map(([name, answer]) =>
      route.post(`${one}/${name}`, `${type.spelling}/${name}/action`, atResource(plane, answer)),
    ),
    ...Object.entries(type.reads ?? {}).map(([name, answer]) =>
      route.get(`${one}/${name}`, `${type.spelling}/${name}/read`, atResource(plane, answer)),
    ),
    ...more,
  ]
}

/** At the resource that a path names before its last part. @throws ServiceError ResourceNotFound */
const atResource =
  <Internal>(plane: Plane, answer: AtResource<Internal>): Route['handle'] =>
  async (request) => {
    const id = request.path.slice(0, request.path.lastIndexOf('/'))
    return await answer(plane, request, await plane.resources.get<Internal>(id))
  }

/**
 * PUT, PATCH and DELETE, with ETags for all three; a missing resource is created, not found, or already gone,
 * respectively. PUT on an existing one changes it like PATCH.
 */
function writeRoutes(plane: Plane, type: ResourceType, path: string): Route[] {
  const { spelling } = type
  const change = async (request: ArmRequest, existing: Resource<unknown>): Promise<ArmReply> => {
    if (type.change === undefined) throw new TypeError(`${spelling} cannot be changed`)
    await assertMembers(type.members ?? {}, request.body, {
      shown: async () => await viewOf(plane, type, existing, request, false),
      ...(request.method === 'PATCH' && { changeable: type.patched }),
    })
    return await type.change(plane, request, existing)
  }
  const put = async (request: ArmRequest): Promise<ArmReply> => {
    type.check?.(request)
    const parent = await parentOf(plane, type, request.path.split('/').slice(0, -2).join('/'))
    const existing = await plane.resources.find<unknown>(request.path)
    checkPreconditions(request, existing)
    if (existing !== undefined) return await change(request, existing)
    if (type.create === undefined) throw new TypeError(`${spelling} cannot be created`)
    if (type.name !== undefined) assertName(type.name, request.params['name'] ?? '')
    await assertMembers(type.members ?? {}, request.body)
    return await type.create(plane, request, parent)
  }
  const patch = async (request: ArmRequest): Promise<ArmReply> => {
    const existing = await plane.resources.get<unknown>(request.path)
    checkPreconditions(request, existing)
    return await change(request, existing)
  }
  const remove = async (request: ArmRequest): Promise<ArmReply> => {
    await plane.resources.requireGroup(request.path)
    const expected = (found: Resource<unknown> | undefined): void => checkPreconditions(request, found)
    const { found, operation } = await removeResource(plane, onBehalfOf(request), request.path, { expected })
    if (found === undefined) return { status: 204 }
    return operation === undefined ? { status: 200 } : accepted(plane, request, found, operation)
  }
  return [
    route.put(path, `${spelling}/write`, put),
    route.patch(path, `${spelling}/write`, patch),
    route.delete(path, `${spelling}/delete`, remove),
  ]
}

const isNested = ({ spelling }: ResourceType): boolean => spelling.split('/').length > 2

/** Paths of a type's routes. The last name is {name}; earlier ones are named after their type. */
function pathsOf(spelling: string): { list: string; one: string } {
  const [namespace = '', ...kinds] = spelling.split('/')
  const above = kinds.slice(0, -1).map((kind) => `${kind}/{${kind}}`)
  const list = [groupPath, 'providers', namespace, ...above, kinds.at(-1)].join('/')
  return { list, one: `${list}/{name}` }
}

/** The group, or the resource that one of the type is nested in. @throws ServiceError if there is none */
const parentOf = async (plane: Plane, type: ResourceType, path: string): Promise<Resource> =>
  isNested(type) ? await plane.resources.get(path) : await plane.resources.requireGroup(path)

async function listIn(plane: Plane, type: ResourceType, request: ArmRequest): Promise<ArmReply> {
  const parent = await parentOf(plane, type, request.path.split('/').slice(0, -1).join('/'))
  const filtered = type.listed !== undefined && request.query['$filter'] !== undefined
  const nested = isNested(type)
  const within = ({ key }: Resource<unknown>): boolean => !nested || key.startsWith(`${parent.key}/`)
  return await listPage<unknown>(plane, request, {
    type: type.spelling,
    groupId: request.path,
    ...((nested || filtered) && {
      keep: (each: Resource<unknown>) => within(each) && (!filtered || type.listed?.(request, each) !== false),
    }),
    view: async (resource) => await viewOf(plane, type, resource, request, true),
  })
}

const subscriptionList = (plane: Plane, type: ResourceType): Route =>
  route.get(
    `${subscriptionPath}/providers/${type.spelling}`,
    `${type.spelling}/read`,
    async (request) =>
      await listPage<unknown>(plane, request, {
        type: type.spelling,
        view: async (resource) => await viewOf(plane, type, resource, request, true),
      }),
  )

const viewOf = async (
  plane: Plane,
  type: ResourceType,
  resource: Resource<unknown>,
  request: ArmRequest,
  listed: boolean,
): Promise<Record<string, unknown>> =>
  (await type.view?.(plane, resource, request, listed)) ?? resourceView(resource, type.spelling)
