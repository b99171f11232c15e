import { groupRead, subscriptionRead } from '../../arm/access.ts'
import { Fields } from '../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, signedIn, type Route } from '../../arm/router.ts'
import type { Plane } from '../../plane.ts'
import { authorizationRows } from './authorization-rows.ts'
import { runQuery, type Row } from './evaluate.ts'
import { invalidQuery, parseQuery } from './kql.ts'

const mostRows = 1_000

/** Azure Resource Graph: a query over everything the caller may read. */
export function graphRoutes(plane: Plane): Route[] {
  return [
    // A row is shown to callers who may read its resource.
    route.post(
      '/providers/Microsoft.ResourceGraph/resources',
      signedIn,
      async (request) => await answer(plane, request),
    ),
  ]
}

async function answer(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const text = fields.text('query') ?? ''
  const options = fields.object('options')
  const format = options.oneOf('resultFormat', ['objectArray', 'table']) ?? 'objectArray'
  const top = options.integer('$top', 1, mostRows) ?? mostRows
  const token = options.text('$skipToken')
  const skip = token === undefined ? (options.integer('$skip') ?? 0) : Number(/^rows:(\d{1,9})$/.exec(token)?.[1] ?? -1)
  const subscriptions = fields.texts('subscriptions')
  fields.assertSound()
  if (skip < 0) throw invalidQuery('The $skipToken was not issued by this installation.', 'the token from the previous page', token ?? '') // prettier-ignore
  const query = parseQuery(text)
  const here = subscriptions.length === 0 || subscriptions.some((each) => each.toLowerCase() === plane.subscriptionId)
  const rows = runQuery(query, await tableOf(plane, request, query.table, here))
  const page = rows.slice(skip, skip + top)
  const more = skip + page.length < rows.length
  return ok({
    totalRecords: rows.length,
    count: page.length,
    data: format === 'table' ? asTable(page) : page,
    facets: [],
    resultTruncated: 'false',
    ...(more && { $skipToken: `rows:${skip + page.length}` }),
  })
}

async function tableOf(plane: Plane, request: ArmRequest, name: string, here: boolean): Promise<Row[]> {
  const tables: Record<string, () => Promise<Row[]>> = {
    resources: async () => await resourceRows(plane, request),
    resourcecontainers: async () => await containerRows(plane, request),
    authorizationresources: async () => await authorizationRows(plane, reader(plane, request)),
  }
  const table = tables[name.toLowerCase()]
  if (table === undefined) throw invalidQuery(`There is no table '${name.slice(0, 60)}'.`, 'Resources, ResourceContainers, AuthorizationResources', name) // prettier-ignore
  return here ? await table() : []
}

/** Whether the caller may read: by type for the whole subscription, otherwise per resource. */
function reader(plane: Plane, request: ArmRequest): (action: string, id: string) => Promise<boolean> {
  const everywhere = new Map<string, boolean>()
  const subscription = `/subscriptions/${plane.subscriptionId}`
  const { objectId } = request.caller
  return async (action, id) => {
    const known = everywhere.get(action) ?? (await plane.access.allows(objectId, action, subscription))
    everywhere.set(action, known)
    return known || (await plane.access.allows(objectId, action, id))
  }
}

async function resourceRows(plane: Plane, request: ArmRequest): Promise<Row[]> {
  const mayRead = reader(plane, request)
  const rows: Row[] = []
  for (const resource of await plane.resources.list({})) {
    const type = plane.types.of(resource.type)
    if (type === undefined || !(await mayRead(`${type.spelling}/read`, resource.id))) continue
    const { body } = resource
    rows.push({
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
    })
  }
  return rows
}

async function containerRows(plane: Plane, request: ArmRequest): Promise<Row[]> {
  const mayRead = reader(plane, request)
  const id = `/subscriptions/${plane.subscriptionId}`
  const shared = { tenantId: plane.tenantId, subscriptionId: plane.subscriptionId, location: '', resourceGroup: '', tags: {}, properties: {} } // prettier-ignore
  const rows: Row[] = []
  if (await mayRead(subscriptionRead, id))
    rows.push({ ...shared, id, name: 'Strongroom', type: 'microsoft.resources/subscriptions' })
  for (const group of await plane.resources.list({ type: 'Microsoft.Resources/resourceGroups' })) {
    if (!(await mayRead(groupRead, group.id))) continue
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

function asTable(rows: Row[]): { columns: { name: string; type: string }[]; rows: unknown[][] } {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const typeOf = (value: unknown): string =>
    typeof value === 'number' ? 'integer' : typeof value === 'boolean' ? 'boolean' : typeof value === 'object' ? 'object' : 'string' // prettier-ignore
  return {
    columns: names.map((name) => ({ name, type: typeOf(rows[0]?.[name]) })),
    rows: rows.map((row) => names.map((name) => row[name] ?? null)),
  }
}
