import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import type { Json, Resource } from '../store/resources.ts'
import { listPage, type Listing } from './list-page.ts'
import { ok } from './request.ts'
import type { Route } from './router.ts'

/** Lists of a type in a group and in the subscription: the same for every type that lies in groups. */
export function listRoutes<Internal extends object = Json>(
  plane: Plane,
  type: string,
  view: Listing<Internal>['view'],
): Route[] {
  const action = `${type}/read`
  return [
    {
      method: 'GET',
      path: `${groupPath}/providers/${type}`,
      action,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        return await listPage<Internal>(plane, request, { type, groupId: request.path, view })
      },
    },
    {
      method: 'GET',
      path: `${subscriptionPath}/providers/${type}`,
      action,
      handle: async (request) => await listPage<Internal>(plane, request, { type, view }),
    },
  ]
}

/** Both lists, and one resource of the type. */
export function readRoutes<Internal extends object = Json>(
  plane: Plane,
  type: string,
  view: (resource: Resource<Internal>) => Record<string, unknown>,
): Route[] {
  return [
    ...listRoutes(plane, type, view),
    {
      method: 'GET',
      path: `${groupPath}/providers/${type}/{name}`,
      action: `${type}/read`,
      handle: async (request) => ok(view(await plane.resources.get<Internal>(request.path))),
    },
  ]
}
