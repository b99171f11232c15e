import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import type { Json, Resource } from '../store/resources.ts'
import { ok, type ArmReply, type ArmRequest } from './request.ts'
import type { Route } from './router.ts'

/** Lists of a type in a group and in the subscription, and one resource of it: the same for every type that lies in groups. */
export function readRoutes<Internal extends object = Json>(
  plane: Plane,
  type: string,
  view: (resource: Resource<Internal>) => Record<string, unknown>,
): Route[] {
  const base = `${groupPath}/providers/${type}`
  const action = `${type}/read`
  const list =
    (byGroup: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      if (byGroup) await plane.resources.requireGroup(request.path)
      const groupId = byGroup ? { groupId: request.path } : {}
      return ok({ value: (await plane.resources.list<Internal>({ type, ...groupId })).map(view) })
    }
  return [
    { method: 'GET', path: base, action, handle: list(true) },
    { method: 'GET', path: `${subscriptionPath}/providers/${type}`, action, handle: list(false) },
    {
      method: 'GET',
      path: `${base}/{name}`,
      action,
      handle: async (request) => ok(view(await plane.resources.get<Internal>(request.path))),
    },
  ]
}
