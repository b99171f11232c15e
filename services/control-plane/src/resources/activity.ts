import type { ActivityPlace, ActivityRow } from '../arm/activity-log.ts'
import { invalidQuery, pageOf, replyWith } from '../arm/paging.ts'
import { route, type Route } from '../arm/router.ts'
import { subscriptionPath, type Plane } from '../types/plane.ts'

const outcome = (status: number): string =>
  status < 400 ? (status === 202 || status === 201 ? 'Accepted' : 'Succeeded') : 'Failed'

/** Azure's. */
const pageSize = 200

/** From the token in a nextLink. @throws ServiceError InvalidQueryParameterValue */
function placeOf(token: string): ActivityPlace {
  const [, at, id] = /^\/([0-9T:.Z-]{20,30})\/([0-9a-f-]{36})$/.exec(token) ?? []
  if (at !== undefined && id !== undefined) return { at, id }
  throw invalidQuery('$skiptoken', 'a value from a nextLink', token)
}

const leftOut = (count: number): string =>
  `${count} later requests of this caller failed in the same hour; the log has no entries for them.`

/** The activity log, newest first, as Azure Monitor events. */
export function activityRoutes(plane: Plane): Route[] {
  const view = (row: ActivityRow): Record<string, unknown> => ({
    eventDataId: row.id,
    eventTimestamp: row.at,
    correlationId: row.correlation_id,
    ...(row.operation_id !== '' && { operationId: row.operation_id }),
    caller: row.caller,
    category: { value: 'Administrative', localizedValue: 'Administrative' },
    description: row.left_out === 0 ? '' : leftOut(row.left_out),
    operationName: { value: row.action, localizedValue: row.action },
    resourceId: row.resource_id,
    status: { value: outcome(row.status), localizedValue: outcome(row.status) },
    subStatus: { value: String(row.status), localizedValue: String(row.status) },
    level: row.status < 400 ? 'Informational' : 'Error',
    subscriptionId: plane.subscriptionId,
    properties: {
      entity: row.resource_id,
      message: row.action,
      eventCategory: 'Administrative',
      statusCode: String(row.status),
      ...(row.left_out > 0 && { leftOut: String(row.left_out) }),
    },
  })
  return [
    route.get(
      `${subscriptionPath}/providers/Microsoft.Insights/eventtypes/management/values`,
      'Microsoft.Insights/eventtypes/values/read',
      async (request) => {
        const filter = request.query['$filter'] ?? ''
        const since = /eventTimestamp ge '([^']+)'/i.exec(filter)?.[1]
        const group = /resourceGroupName eq '([^']+)'/i.exec(filter)?.[1]
        const below =
          group === undefined
            ? /resourceUri eq '([^']+)'/i.exec(filter)?.[1]
            : `/subscriptions/${plane.subscriptionId}/resourceGroups/${group}`
        const until = /eventTimestamp le '([^']+)'/i.exec(filter)?.[1]
        const correlationId = /correlationId eq '([^']+)'/i.exec(filter)?.[1]
        const { size, after } = pageOf(request, pageSize)
        const rows = await plane.activity.list({
          ...(correlationId !== undefined && { correlationId }),
          ...(since !== undefined && { since }),
          ...(until !== undefined && { until }),
          ...(below !== undefined && { below }),
          ...(after !== undefined && { after: placeOf(after) }),
          most: size + 1,
        })
        const page = rows.slice(0, size)
        const last = rows.length > size ? page.at(-1) : undefined
        return replyWith(request, page.map(view), last && `/${last.at}/${last.id}`)
      },
    ),
  ]
}
