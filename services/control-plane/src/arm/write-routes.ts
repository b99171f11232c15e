import type { Plane } from '../plane.ts'
import type { Json, Resource } from '../store/resources.ts'
import { checkPreconditions } from './preconditions.ts'
import type { ArmReply, ArmRequest } from './request.ts'
import type { Route } from './router.ts'

/** What a type does with a request, once it is known what there is. */
export interface WriteHandlers<Internal extends object> {
  /** What the resource is made in, and takes its place from. Left out: its group. @throws ServiceError where there is none */
  parent?(request: ArmRequest): Promise<Resource>
  create(request: ArmRequest, parent: Resource): Promise<ArmReply>
  change(request: ArmRequest, existing: Resource<Internal>): Promise<ArmReply>
  remove(request: ArmRequest, existing: Resource<Internal>): Promise<ArmReply>
}

/**
 * PUT, PATCH and DELETE of a type whose PUT of what is there changes it as PATCH does. ETags count for all three; what is not
 * there is made, is not found, and is gone already.
 */
export function writeRoutes<Internal extends object = Json>(
  plane: Plane,
  path: string,
  type: string,
  handlers: WriteHandlers<Internal>,
): Route[] {
  const found = async (request: ArmRequest): Promise<Resource<Internal> | undefined> => {
    const existing = await plane.resources.find<Internal>(request.path)
    checkPreconditions(request, existing)
    return existing
  }
  return [
    {
      method: 'PUT',
      path,
      action: `${type}/write`,
      handle: async (request) => {
        const parent = await (handlers.parent?.(request) ?? plane.resources.requireGroup(request.path))
        const existing = await found(request)
        return existing === undefined
          ? await handlers.create(request, parent)
          : await handlers.change(request, existing)
      },
    },
    {
      method: 'PATCH',
      path,
      action: `${type}/write`,
      handle: async (request) => {
        const existing = await plane.resources.get<Internal>(request.path)
        checkPreconditions(request, existing)
        return await handlers.change(request, existing)
      },
    },
    {
      method: 'DELETE',
      path,
      action: `${type}/delete`,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const existing = await found(request)
        return existing === undefined ? { status: 204 } : await handlers.remove(request, existing)
      },
    },
  ]
}
