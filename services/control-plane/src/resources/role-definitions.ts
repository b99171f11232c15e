import type { SettledCode } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { covers, roles, type RoleDefinition } from '../arm/access.ts'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { Fields } from '../arm/fields.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { scopeOf } from './scopes.ts'

const type = 'Microsoft.Authorization/roleDefinitions'
const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** `*`, or a provider's operation with `*` for parts. */
const actionForm = /^(\*|[A-Za-z*][A-Za-z0-9.*]*(\/[A-Za-z0-9.*]+)+)$/
const limit = 200
const written = ['roleName', 'description', 'permissions', 'assignableScopes']
const lists = ['actions', 'notActions', 'dataActions', 'notDataActions']

const isBuiltIn = (role: RoleDefinition): boolean => roles.some(({ id }) => id === role.id)

export const roleId = (plane: Plane, id: string): string =>
  `/subscriptions/${plane.subscriptionId}/providers/${type}/${id}`

/** Built-in and custom roles. */
export function roleDefinitionRoutes(plane: Plane, scope: string): Route[] {
  const base = `${scope}/providers/${type}`
  const one = `${base}/{role}`
  const view = (role: RoleDefinition): Record<string, unknown> => ({
    id: roleId(plane, role.id),
    name: role.id,
    type,
    properties: {
      roleName: role.name,
      type: isBuiltIn(role) ? 'BuiltInRole' : 'CustomRole',
      description: role.description,
      assignableScopes: role.assignableScopes ?? ['/'],
      permissions: [
        {
          actions: role.actions,
          notActions: role.notActions,
          dataActions: role.dataActions ?? [],
          notDataActions: role.notDataActions ?? [],
        },
      ],
    },
  })
  const find = async (request: ArmRequest): Promise<RoleDefinition> => {
    const role = await plane.access.role(param(request, 'role'))
    if (role !== undefined) return role
    throw new ServiceError({
      code: 'RoleDefinitionDoesNotExist',
      status: 404,
      message: `The specified role definition with ID '${param(request, 'role').slice(0, 60)}' does not exist.`,
    })
  }
  const put = async (request: ArmRequest): Promise<ArmReply> => {
    const role = readRole(request)
    const existing = await plane.access.role(role.id)
    if (existing !== undefined && isBuiltIn(existing)) throw builtInFixed(existing)
    if (existing === undefined && (await plane.access.customRoles()).length >= limit) throw tooMany()
    await requireEverywhere(plane, request, `${type}/write`, [existing, role])
    await plane.access.putRole(onBehalfOf(request), role, existing)
    return { status: 201, body: view(role) }
  }
  return [
    route.get(base, `${type}/read`, async (request) => {
      const filter = (request.query['$filter'] ?? '').toLowerCase()
      const name = /rolename eq '([^']*)'/.exec(filter)?.[1]
      const kind = /type eq '([^']*)'/.exec(filter)?.[1]
      const at = keyOf(request.path.slice(0, -`/providers/${type}`.length))
      const custom = (await plane.access.customRoles()).filter((role) =>
        role.assignableScopes!.some((each) => covers(keyOf(each), at) || covers(at, keyOf(each))),
      )
      const found = [...roles, ...custom].filter(
        (role) =>
          (name === undefined || role.name.toLowerCase() === name) &&
          (kind === undefined || kind === (isBuiltIn(role) ? 'builtinrole' : 'customrole')),
      )
      return ok({ value: found.map(view) })
    }),
    route.get(one, `${type}/read`, async (request) => ok(view(await find(request)))),
    route.put(one, `${type}/write`, put),
    route.delete(one, `${type}/delete`, async (request) => {
      const role = await plane.access.role(param(request, 'role'))
      if (role === undefined) return { status: 204 }
      if (isBuiltIn(role)) throw builtInFixed(role)
      await requireEverywhere(plane, request, `${type}/delete`, [role])
      await plane.access.removeRole(role.id)
      return ok(view(role))
    }),
  ]
}

/**
 * A caller who may write a role at one scope must not affect others (attack W1): neither where it is assignable before
 * or after the write, nor where it is still assigned although no longer assignable there.
 */
async function requireEverywhere(
  plane: Plane,
  request: ArmRequest,
  action: string,
  roles: (RoleDefinition | undefined)[],
): Promise<void> {
  const ids = roles.map((role) => role?.id)
  const held = (await plane.access.list()).filter((row) => ids.includes(row.role_id)).map((row) => row.scope)
  const scopes = [...roles.flatMap((role) => role?.assignableScopes ?? []), ...held]
  for (const scope of new Set(scopes.map(keyOf))) await plane.access.require(request.caller, action, scope)
}

/** As many as the vaults take. */
const mostActions = 256

function readRole(request: ArmRequest): RoleDefinition {
  const id = param(request, 'role').toLowerCase()
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const permissions = properties.list('permissions', 100)
  fields.only('id', 'name', 'type', 'properties', 'systemData')
  properties.only(...written, 'type', 'createdOn', 'createdBy', 'updatedOn', 'updatedBy')
  // Azure has conditions in permissions of its own roles alone.
  for (const each of permissions) each.only(...lists)
  properties.oneOf('type', ['CustomRole'])
  const texts = (name: string): string[] => permissions.flatMap((each) => each.texts(name, 1_000))
  const name = properties.text('roleName') ?? ''
  const given = properties.texts('assignableScopes', 2_000)
  const invalid = (code: SettledCode, target: string, expected: string, found: string): void =>
    fields.problem({
      code,
      message: `The role definition's '${target}' is not valid.`,
      target,
      expected,
      found: found.slice(0, 80),
    })
  if (!guid.test(id)) invalid('InvalidRoleDefinitionId', 'name', 'a GUID', id)
  if (name === '' || name.length > 512)
    invalid('RoleDefinitionNameInvalid', 'properties.roleName', '1 to 512 characters', name)
  const scopes = given.length > 0 ? given : [scopeOf(request.path, 'Microsoft.Authorization')]
  const wrongScope = scopes.find((each) => !/^\/subscriptions\/[^/]+(\/resourceGroups\/[^/]+)?$/i.test(each))
  if (wrongScope !== undefined)
    invalid(
      'InvalidAssignableScope',
      'properties.assignableScopes',
      'ids of subscriptions and resource groups',
      wrongScope,
    )
  const rights = {
    actions: texts('actions'),
    notActions: texts('notActions'),
    dataActions: texts('dataActions'),
    notDataActions: texts('notDataActions'),
  }
  // Every request of whoever holds the role is compared with its actions (attack W22).
  for (const [list, { length }] of Object.entries(rights))
    if (length > mostActions)
      invalid('InvalidActionOrNotAction', `properties.permissions.${list}`, `at most ${mostActions}`, String(length))
  const wrong = Object.values(rights)
    .flat()
    .find((each) => each.length > 200 || !actionForm.test(each))
  if (wrong !== undefined)
    invalid('InvalidActionOrNotAction', 'properties.permissions', 'for example Microsoft.Compute/*/read', wrong)
  if (permissions.length === 0)
    invalid('RoleDefinitionPermissionsMissing', 'properties.permissions', 'a list of permissions', 'none')
  fields.assertSound()
  return { id, name, description: properties.text('description') ?? '', ...rights, assignableScopes: scopes }
}

const builtInFixed = (role: RoleDefinition): ServiceError =>
  new ServiceError({
    code: 'CannotModifyBuiltInRole',
    message: `The built-in role '${role.name}' cannot be changed or deleted.`,
    found: role.name,
    remedy: 'Create a custom role.',
  })

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'RoleDefinitionLimitExceeded',
    status: 400,
    message: `Role definition limit exceeded. No more role definitions can be created: the limit is ${limit}.`,
    remedy: 'Delete unused roles.',
  })
