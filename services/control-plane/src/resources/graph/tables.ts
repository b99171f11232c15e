import { setImmediate as nextTurn } from 'node:timers/promises'
import { groupRead, subscriptionRead } from '../../arm/access.ts'
import type { ArmRequest } from '../../arm/request.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import { ScopeSet } from '../../arm/roles/scope-set.ts'
import type { Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import { assignmentView } from '../authorization.ts'
import { invalidQuery } from './kql.ts'
import type { Row } from './values.ts'

type Table = (plane: Plane, objectId: string) => Promise<Row[]>

/** The rows of a table that the caller may read. @throws ServiceError InvalidQuery if there is no such table */
export async function tableOf(plane: Plane, request: ArmRequest, name: string): Promise<Row[]> {
  const table = tables.get(name.toLowerCase())
  if (table !== undefined) return await table(plane, request.caller.objectId)
  const known = 'Resources, ResourceContainers, AuthorizationResources'
  throw invalidQuery(`There is no table '${name.slice(0, 60)}'.`, known, name)
}

/** Rows between two turns of other work. */
const rowsPerTurn = 1_000

async function scopesOf(plane: Plane, objectId: string, action: string): Promise<ScopeSet> {
  return new ScopeSet(await plane.access.scopesAllowing(objectId, action))
}

const resourceRows: Table = async (plane, objectId) => {
  const scopes = new Map<string, ScopeSet>()
  const rows: Row[] = []
  for (const [index, resource] of (await plane.resources.list({})).entries()) {
    if (index % rowsPerTurn === 0) await nextTurn()
    const type = plane.types.of(resource.type)
    if (type === undefined) continue
    const readable = scopes.get(resource.type) ?? (await scopesOf(plane, objectId, `${type.spelling}/read`))
    scopes.set(resource.type, readable)
    if (readable.covers(resource.key)) rows.push(resourceRow(plane, resource))
  }
  return rows
}

function resourceRow(plane: Plane, resource: Resource): Row {
  const { body } = resource
  return {
    id: resource.id,
    name: resource.name,
    type: resource.type,
    tenantId: plane.tenantId,
    kind: '',
    location: resource.location,
    resourceGroup: resource.resourceGroup,
    subscriptionId: plane.subscriptionId,
    managedBy: '',
    sku: body.sku ?? null,
    plan: null,
    properties: body.properties,
    tags: body.tags ?? {},
    identity: body.identity ?? null,
    zones: body.zones ?? null,
  }
}

const containerRows: Table = async (plane, objectId) => {
  const id = `/subscriptions/${plane.subscriptionId}`
  const shared = { tenantId: plane.tenantId, subscriptionId: plane.subscriptionId }
  const rows: Row[] = []
  if (await plane.access.allows(objectId, subscriptionRead, id)) {
    const type = 'microsoft.resources/subscriptions'
    rows.push({ ...shared, id, name: 'Strongroom', type, location: '', resourceGroup: '', tags: {}, properties: {} })
  }
  const readable = await scopesOf(plane, objectId, groupRead)
  for (const group of await plane.resources.list({ type: 'Microsoft.Resources/resourceGroups' })) {
    if (!readable.covers(group.key)) continue
    rows.push({
      ...shared,
      id: group.id,
      name: group.name,
      type: 'microsoft.resources/subscriptions/resourcegroups',
      location: group.location,
      resourceGroup: group.resourceGroup,
      tags: group.body.tags ?? {},
      properties: group.body.properties,
    })
  }
  return rows
}

/**
 * Role assignments, as `az role assignment list` shows them per scope: those above the subscription to readers of
 * assignments there, others to readers at their scope.
 */
const authorizationRows: Table = async (plane, objectId) => {
  const subscription = keyOf(`/subscriptions/${plane.subscriptionId}`)
  const readable = await scopesOf(plane, objectId, 'Microsoft.Authorization/roleAssignments/read')
  const shown = (await plane.access.list()).filter(({ scope }) =>
    readable.covers(scope.startsWith(`${subscription}/`) ? scope : subscription),
  )
  return shown.map((assignment) => ({
    ...assignmentView(plane, assignment),
    type: 'microsoft.authorization/roleassignments',
    tenantId: plane.tenantId,
    kind: '',
    location: '',
    resourceGroup: /^\/subscriptions\/[^/]+\/resourcegroups\/([^/]+)/.exec(assignment.scope)?.[1] ?? '',
    subscriptionId: plane.subscriptionId,
  }))
}

const tables: ReadonlyMap<string, Table> = new Map([
  ['resources', resourceRows],
  ['resourcecontainers', containerRows],
  ['authorizationresources', authorizationRows],
])
