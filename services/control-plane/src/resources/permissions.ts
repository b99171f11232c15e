import { ServiceError } from '@strongroom/platform'
import { covers } from '../arm/access.ts'
import { keyOf } from '../arm/resource-id.ts'
import { ok, param, type ArmReply } from '../arm/request.ts'
import { signedIn, type Route } from '../arm/router.ts'
import type { Plane } from '../plane.ts'
import { requireScope, scopeOf, scopePaths } from './scopes.ts'

const authorization = 'Microsoft.Authorization'

/** The caller's rights at a scope, and the deny assignments there: none, because only Azure creates them. */
export function permissionRoutes(plane: Plane): Route[] {
  return scopePaths.flatMap((scope) => [
    {
      method: 'GET' as const,
      path: `${scope}/providers/${authorization}/permissions`,
      // Everybody may see their own rights.
      action: signedIn,
      handle: async (request): Promise<ArmReply> => {
        const at = scopeOf(request.path, authorization)
        const held = (await plane.access.heldBy(request.caller.objectId)).filter((each) =>
          covers(each.scope, keyOf(at)),
        )
        // Without a role there, the existence of the scope is not revealed.
        if (held.length > 0) await requireScope(plane, at)
        const roles = await Promise.all(held.map(async ({ role_id: id }) => await plane.access.role(id)))
        const value = roles.flatMap((role) =>
          role === undefined
            ? []
            : [
                {
                  actions: role.actions,
                  notActions: role.notActions,
                  dataActions: role.dataActions ?? [],
                  notDataActions: role.notDataActions ?? [],
                },
              ],
        )
        return ok({ value })
      },
    } satisfies Route,
    {
      method: 'GET' as const,
      path: `${scope}/providers/${authorization}/denyAssignments`,
      action: `${authorization}/denyAssignments/read`,
      handle: async (request): Promise<ArmReply> => {
        await requireScope(plane, scopeOf(request.path, authorization))
        return ok({ value: [] })
      },
    } satisfies Route,
    {
      method: 'GET' as const,
      path: `${scope}/providers/${authorization}/denyAssignments/{assignment}`,
      action: `${authorization}/denyAssignments/read`,
      handle: async (request): Promise<ArmReply> => {
        throw new ServiceError({
          code: 'DenyAssignmentNotFound',
          message: `The deny assignment '${param(request, 'assignment').slice(0, 80)}' is not found.`,
          remedy: 'Only Azure creates deny assignments; use a lock instead.',
        })
      },
    } satisfies Route,
  ])
}
