import { ServiceError } from '@strongroom/platform'
import { roles } from '../arm/access.ts'
import type { Method } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { authorizationRoutes } from '../resources/authorization.ts'
import { ownerId, subscriptionId, tenantId, type Loose } from './ids.ts'
import { openRights, type RightsPlane } from './rights-plane.ts'

export const subscription: string = `/subscriptions/${subscriptionId}`
export const group: string = `${subscription}/resourceGroups/rg1`
export const other: string = `${subscription}/resourceGroups/other`
export const managementGroup: string = `/providers/Microsoft.Management/managementGroups/${tenantId}`
export const alice = '0f2a9f3e-0000-4000-8000-0000000a11ce'
export const bob = '0f2a9f3e-0000-4000-8000-000000000b0b'
export const authorization = 'providers/Microsoft.Authorization'

export const id = (n: number): string => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`
const named = (n: number | string): string => (typeof n === 'number' ? id(n) : n)
export const roleAt = (scope: string, n: number | string): string =>
  `${scope}/${authorization}/roleDefinitions/${named(n)}`
export const assignmentAt = (scope: string, n: number | string): string =>
  `${scope}/${authorization}/roleAssignments/${named(n)}`
export const builtIn = (name: string): string => roles.find((role) => role.name === name)!.id

/**
 * Role routes over a subscription with two groups and one owner, assigned as `id(0)`.
 * @param routes besides those of roles
 * @param more what these need of a plane
 */
export async function openRoles(
  routes: (plane: Plane) => Route[] = () => [],
  more: Partial<Plane> = {},
): Promise<RightsPlane> {
  const rights = await openRights((plane) => [...authorizationRoutes(plane), ...routes(plane)], more)
  const owner = { scope: subscription, name: id(0), principalId: ownerId, principalType: 'User', by: ownerId }
  await rights.access.assign({ ...owner, roleId: builtIn('Owner'), asker: undefined })
  for (const path of [group, other])
    await rights.resources.transaction(
      async (tx) =>
        await rights.resources.insert(tx, { id: path, location: 'westeurope', body: { properties: {} }, internal: {} }),
    )
  return rights
}

type Send = (method: Method, path: string, body?: unknown, as?: string, filter?: string) => Promise<Loose>

/** Sends to the plane that a test has opened. Returns the answer, or the status, code and error of a refusal. */
export function senderTo(rights: () => RightsPlane): Send {
  return async (method, path, body, as, filter) => {
    const query = { 'api-version': '2022-04-01', ...(filter !== undefined && { $filter: filter }) }
    try {
      return await rights().ask(method, path, { body, query, ...(as !== undefined && { as }) })
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      return { status: error.status, code: error.code, error }
    }
  }
}

export const definition = (o: object = {}): object => ({
  properties: {
    roleName: 'Mine',
    description: 'd',
    permissions: [
      { actions: ['*/read'], notActions: ['a/read'], dataActions: ['b/read'], notDataActions: ['c/read'] },
      { actions: ['d/write'] },
    ],
    assignableScopes: [group],
    ...o,
  },
})

export const giving = (role: string, principalId: string = alice, o: object = {}): object => ({
  properties: { roleDefinitionId: roleAt(subscription, role), principalId, ...o },
})

/** Faults in a request: status, code and target of each problem. */
export const problemsOf = (reply: Loose): unknown[] =>
  reply.error.details === undefined
    ? [[reply.status, reply.code, reply.error.target]]
    : reply.error.details.map(({ code, target }: Loose) => [reply.status, code, target])
