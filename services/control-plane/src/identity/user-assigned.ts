import { ServiceError } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { resourceView } from '../arm/resource-view.ts'
import { listRoutes } from '../arm/read-routes.ts'
import type { Route } from '../arm/router.ts'
import { requireLocation } from '../arm/regions.ts'
import { groupPath, type Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'

export const userIdentityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

/** A user-assigned identity as another resource refers to it. */
export interface UserIdentity {
  id: string
  principalId: string
  clientId: string
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$/

const view = (identity: Resource): Record<string, unknown> => resourceView(identity, userIdentityType)

/** Identities that are resources of their own: their principal lives in the directory as long as they do. */
export function userIdentityRoutes(plane: Plane): Route[] {
  const base = `${groupPath}/providers/${userIdentityType}`
  const one = `${base}/{name}`
  const action = (verb: string): string => `${userIdentityType}/${verb}`
  return [
    ...listRoutes(plane, userIdentityType, view),
    {
      method: 'GET',
      path: one,
      action: action('read'),
      handle: async (request) => ok(view(await plane.resources.get(request.path))),
    },
    { method: 'PUT', path: one, action: action('write'), handle: async (request) => await put(plane, request) },
    {
      method: 'PATCH',
      path: one,
      action: action('write'),
      handle: async (request) => {
        const existing = await plane.resources.get(request.path)
        checkPreconditions(request, existing)
        return ok(view(await retag(plane, request, existing)))
      },
    },
    {
      method: 'DELETE',
      path: one,
      action: action('delete'),
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const existing = await plane.resources.find(request.path)
        checkPreconditions(request, existing)
        if (existing === undefined) return { status: 204 }
        await removeUserIdentity(plane, existing.id)
        return { status: 200 }
      },
    },
  ]
}

/** The principal is gone before the resource: roles that it had are nobody's. */
export async function removeUserIdentity(plane: Plane, id: string): Promise<void> {
  await plane.identities.remove(id)
  await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, id))
}

/** The identity that a request refers to; undefined where there is none of this id. */
export async function findUserIdentity(plane: Plane, id: string): Promise<UserIdentity | undefined> {
  const found = await plane.resources.find(id)
  const { principalId, clientId } = found?.body.properties ?? {}
  if (found?.type !== userIdentityType.toLowerCase()) return undefined
  if (typeof principalId !== 'string' || typeof clientId !== 'string') return undefined
  return { id: found.id, principalId, clientId }
}

async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const existing = await plane.resources.find(request.path)
  checkPreconditions(request, existing)
  if (existing !== undefined) return ok(view(await retag(plane, request, existing)))
  const name = request.params['name'] ?? ''
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const tags = fields.textMap('tags')
  if (!nameForm.test(name))
    fields.problem({
      code: 'InvalidResourceName',
      status: 400,
      message: `The resource name '${name.slice(0, 130)}' is invalid.`,
      target: 'name',
      expected: '3 to 128 letters, digits, _ and -, beginning with a letter or digit',
      found: name.slice(0, 130),
    })
  fields.assertSound()
  const made = await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    if ((await plane.resources.find(request.path, tx)) !== undefined) throw raced(name)
    // What an identity of this name once had is not this one's.
    await plane.identities.remove(request.path)
    const principal = await plane.identities.ensure({ resourceId: request.path, displayName: name })
    const properties = { tenantId: plane.tenantId, principalId: principal.principalId, clientId: principal.clientId }
    const body = { properties, ...(tags !== undefined && { tags }) }
    return await plane.resources.insert(tx, { id: request.path, location, body })
  })
  return { status: 201, body: view(made) }
}

async function retag(plane: Plane, request: ArmRequest, existing: Resource): Promise<Resource> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  fields.assertSound()
  if (tags === undefined) return existing
  const changed = await plane.resources.transaction(
    async (tx) => await plane.resources.change(tx, existing.id, (current) => void (current.body.tags = tags)),
  )
  return changed ?? existing
}

const raced = (name: string): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    status: 409,
    message: `The identity '${name}' is being made by another request.`,
    remedy: 'Repeat the request.',
  })
