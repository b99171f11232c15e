import { ServiceError } from '@strongroom/platform'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { isConditional } from '../arm/roles/grant.ts'
import { roles } from '../arm/roles/built-in-roles.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, signedIn, type Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'

const type = 'Microsoft.Management/managementGroups'
const base = `/providers/${type}`

/** The tenant's root group, the only one in an installation, and the owner's way to rights above the subscription. */
export function managementGroupRoutes(plane: Plane): Route[] {
  const view = (): Record<string, unknown> => ({
    id: `${base}/${plane.tenantId}`,
    type,
    name: plane.tenantId,
    properties: { tenantId: plane.tenantId, displayName: 'Tenant Root Group' },
  })
  return [
    route.get(base, signedIn, async () => ok({ value: [view()] })),
    route.get(`${base}/{managementGroup}`, `${type}/read`, async (request) => {
      requireManagementGroup(plane, param(request, 'managementGroup'))
      return ok(view())
    }),
    route.post(
      '/providers/Microsoft.Authorization/elevateAccess',
      signedIn,
      async (request) => await elevate(plane, request),
    ),
  ]
}

/** @throws ServiceError 404 if it is not the root of the tenant */
export function requireManagementGroup(plane: Plane, name: string): void {
  if (name.toLowerCase() === plane.tenantId.toLowerCase()) return
  throw new ServiceError({
    code: 'ManagementGroupNotFound',
    message: `The management group '${name.slice(0, 90)}' could not be found.`,
    expected: plane.tenantId,
    found: name.slice(0, 90),
    remedy: "Use the tenant's root group: its name is the tenant's id.",
  })
}

/**
 * As Azure lets a global administrator: the installation's owner becomes User Access Administrator of the tenant, and
 * nothing more, in a recorded step.
 */
async function elevate(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const { caller, correlationId, path } = request
  const action = 'Microsoft.Authorization/elevateAccess/action'
  const mayElevate = caller.objectId.toLowerCase() === plane.ownerObjectId.toLowerCase()
  const role = roles.find(({ name }) => name === 'User Access Administrator')
  if (role === undefined) throw new TypeError('there is no such role')
  const record = async (status: number): Promise<void> =>
    await plane.activity.write({ caller: caller.objectId, action, resourceId: path, status, correlationId })
  if (!mayElevate) {
    await record(403)
    throw new ServiceError({
      code: 'AuthorizationFailed',
      message:
        `The client '${caller.appId}' with object id '${caller.objectId}' does not have authorization to perform ` +
        `action '${action}' over scope '/'.`,
      expected: 'the owner of the installation',
      found: caller.objectId,
      remedy: 'Ask the owner of the installation for a role.',
    })
  }
  const held = (await plane.access.heldBy(caller.objectId)).filter(
    (each) => each.scope === '/' && each.role_id === role.id,
  )
  if (held.every(isConditional))
    await plane.access.assign({
      scope: '/',
      // The same role is assigned once: without its condition from now on.
      name: held.find((each) => each.principal_id === caller.objectId.toLowerCase())?.name ?? plane.newId(),
      principalId: caller.objectId,
      principalType: 'ServicePrincipal',
      roleId: role.id,
      by: caller.objectId,
      asker: onBehalfOf({ caller }),
    })
  await record(200)
  return { status: 200 }
}
