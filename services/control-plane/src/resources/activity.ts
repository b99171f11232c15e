import type { ActivityRow } from '../arm/activity-log.ts'
import { ok } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { subscriptionPath, type Plane } from '../plane.ts'

const outcome = (status: number): string =>
  status < 400 ? (status === 202 || status === 201 ? 'Accepted' : 'Succeeded') : 'Failed'

/** The activity log, newest first, as Azure Monitor events. */
export function activityRoutes(plane: Plane): Route[] {
  const view = (row: ActivityRow): Record<string, unknown> => ({
    eventDataId: row.id,
    eventTimestamp: row.at,
    correlationId: row.correlation_id,
    ...(row.operation_id !== '' && { operationId: row.operation_id }),
    caller: row.caller,
    category: { value: 'Administrative', localizedValue: 'Administrative' },
    description: '',
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
        const correlationId = /correlationId eq '([^']+)'/i.exec(filter)?.[1]
        const rows = await plane.activity.list({
          ...(correlationId !== undefined && { correlationId }),
          ...(since !== undefined && { since }),
          ...(below !== undefined && { below }),
        })
        return ok({ value: rows.map(view) })
      },
    ),
  ]
}
