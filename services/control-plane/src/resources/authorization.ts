import { ServiceError } from '@strongroom/platform'
import { covers, roles, type Assignment, type RoleDefinition } from '../arm/access.ts'
import { conditionVersion } from '../arm/roles/condition/condition.ts'
import { isConditional } from '../arm/roles/grant.ts'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { attributesOfDeletion, attributesOfWrite, readAssignment } from './assignment-request.ts'
import { roleDefinitionRoutes, roleId } from './role-definitions.ts'
import { managementGroupPath, requireScope, scopeOf as scopeBefore, scopePaths } from './scopes.ts'

const scopeOf = (path: string): string => scopeBefore(path, 'Microsoft.Authorization')

/** Tenant scope first: assignments there apply everywhere. */
const scopes = ['', managementGroupPath, ...scopePaths]

/** Role definitions and assignments at the tenant, a subscription, a group or a resource. */
export function authorizationRoutes(plane: Plane): Route[] {
  return scopes.flatMap((scope) => [...roleDefinitionRoutes(plane, scope), ...assignmentRoutes(plane, scope)])
}

const assignments = 'Microsoft.Authorization/roleAssignments'

/** As clients see it. */
export const assignmentView = (plane: Plane, row: Assignment): Record<string, unknown> => ({
  id: `${row.display_scope.replace(/\/$/, '')}/providers/${assignments}/${row.name}`,
  name: row.name,
  type: assignments,
  properties: {
    roleDefinitionId: roleId(plane, row.role_id),
    principalId: row.principal_id,
    principalType: row.principal_type,
    // The tenant's own scope has two spellings.
    scope: row.display_scope || '/',
    createdOn: row.created_at,
    createdBy: row.created_by,
    ...(isConditional(row) && { condition: row.condition, conditionVersion }),
    ...(typeof row.description === 'string' && { description: row.description }),
  },
})

function assignmentRoutes(plane: Plane, scope: string): Route[] {
  const base = `${scope}/providers/${assignments}`
  const one = `${base}/{assignment}`
  const view = (row: Assignment): Record<string, unknown> => assignmentView(plane, row)
  return [
    route.get(base, `${assignments}/read`, async (request) => {
      const at = keyOf(scopeOf(request.path))
      const filter = (request.query['$filter'] ?? '').toLowerCase()
      const principal = /principalid eq\s*'([^']*)'/.exec(filter)?.[1]
      // Rights through a group count as assigned.
      const assignee = /assignedto\(\s*'([^']*)'/.exec(filter)?.[1]
      const principals = assignee === undefined ? principal && [principal] : await plane.access.identitiesOf(assignee)
      const exact = /atscope\(\)/.test(filter)
      const found = (await plane.access.list()).filter(
        (row) =>
          (covers(row.scope, at) || (!exact && covers(at, row.scope))) &&
          (principals === undefined || principals.includes(row.principal_id)),
      )
      return ok({ value: found.map(view) })
    }),
    route.get(one, `${assignments}/read`, async (request) => {
      const found = await plane.access.find(scopeOf(request.path), param(request, 'assignment'))
      if (found !== undefined) return ok(view(found))
      throw new ServiceError({
        code: 'RoleAssignmentNotFound',
        message: `The role assignment '${param(request, 'assignment').slice(0, 60)}' is not found.`,
      })
    }),
    route.put(one, `${assignments}/write`, async (request) => await assign(plane, request, view), {
      attributes: async (request) => await attributesOfWrite(plane, request),
    }),
    route.delete(one, `${assignments}/delete`, async (request) => await remove(plane, request, view), {
      attributes: async (request) => await attributesOfDeletion(plane, request),
    }),
  ]
}

async function assign(plane: Plane, request: ArmRequest, view: (row: Assignment) => unknown): Promise<ArmReply> {
  const asked = await readAssignment(plane, request)
  const { role, principalId, condition, description } = asked
  const scope = scopeOf(request.path)
  const name = param(request, 'assignment')
  assertAssignable(role, scope)
  await requireScope(plane, scope)
  const principalType = await typeOfPrincipal(plane, principalId, asked.principalType)
  const before = await plane.access.find(scope, name)
  if (before !== undefined && condition !== undefined) await assertOwnerLeft(plane, before)
  const { assignment, created } = await plane.access.assign({
    scope,
    name,
    principalId,
    principalType,
    roleId: role.id,
    condition,
    description,
    by: request.caller.objectId,
    asker: onBehalfOf(request),
  })
  return { status: created ? 201 : 200, body: view(assignment) }
}

async function remove(plane: Plane, request: ArmRequest, view: (row: Assignment) => unknown): Promise<ArmReply> {
  const found = await plane.access.find(scopeOf(request.path), param(request, 'assignment'))
  if (found === undefined) return { status: 204 }
  await assertOwnerLeft(plane, found)
  await plane.access.remove(onBehalfOf(request), found.scope, found.name)
  return ok(view(found))
}

/** From the directory. For a principal that is not there (yet), the client's value is used: a role without its principal grants nothing. */
async function typeOfPrincipal(plane: Plane, principalId: string, given: string | undefined): Promise<string> {
  const { principalType: found } = await plane.identities.lookUp(principalId)
  if (found === undefined || given === undefined || found === given) return found ?? given ?? 'ServicePrincipal'
  throw new ServiceError({
    code: 'UnmatchedPrincipalType',
    message: `The PrincipalId '${principalId}' has type '${found}', which is different from specified PrincipalType '${given}'.`,
    target: 'properties.principalType',
    expected: found,
    found: given,
    remedy: 'Omit principalType, or send the principal’s type.',
  })
}

/** A custom role can be assigned only where its definition allows. */
function assertAssignable(role: RoleDefinition, scope: string): void {
  const { assignableScopes } = role
  if (assignableScopes === undefined || assignableScopes.some((each) => covers(keyOf(each), keyOf(scope)))) return
  throw new ServiceError({
    code: 'RoleDefinitionNotAssignableAtScope',
    message: `The role '${role.name}' cannot be assigned at the scope '${scope}'.`,
    expected: assignableScopes.join(', '),
    found: scope,
    remedy: 'Add the scope to the assignableScopes of the role.',
  })
}

/** A subscription without an owner could never be repaired through this wire. One with a condition is none. */
async function assertOwnerLeft(plane: Plane, gone: Assignment): Promise<void> {
  const key = keyOf(`/subscriptions/${plane.subscriptionId}`)
  const owner = roles[0]!.id
  const isOwner = (row: Assignment): boolean => row.role_id === owner && row.scope === key && !isConditional(row)
  if (!isOwner(gone)) return
  const others = (await plane.access.list()).filter((row) => isOwner(row) && row.name !== gone.name)
  if (others.length > 0) return
  throw new ServiceError({
    code: 'LastOwnerCannotBeRemoved',
    message: 'This is the last owner of the subscription.',
    remedy: 'Make another principal an owner first.',
  })
}
