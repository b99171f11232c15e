import { ServiceError } from '@strongroom/platform'
import { covers, type Assignment } from '../arm/access.ts'
import { conditionVersion } from '../arm/roles/condition/condition.ts'
import { isConditional } from '../arm/roles/grant.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { ok, param, type ArmReply } from '../arm/request.ts'
import { signedIn, type Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { requireScope, scopeOf, scopePaths } from './scopes.ts'

const authorization = 'Microsoft.Authorization'

async function permissionsOf(plane: Plane, held: Assignment): Promise<object[]> {
  const role = await plane.access.role(held.role_id)
  if (role === undefined) return []
  const { actions, notActions, dataActions = [], notDataActions = [] } = role
  const { condition } = held
  const limited = isConditional(held) && { condition, conditionVersion }
  return [{ actions, notActions, dataActions, notDataActions, ...limited }]
}

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
        const value = await Promise.all(held.map(async (each) => await permissionsOf(plane, each)))
        return ok({ value: value.flat() })
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
