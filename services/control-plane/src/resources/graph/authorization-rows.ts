import { covers } from '../../arm/access.ts'
import { keyOf } from '../../arm/resource-id.ts'
import type { Plane } from '../../plane.ts'
import { assignmentView } from '../authorization.ts'
import type { Row } from './evaluate.ts'

/**
 * Role assignments, as `az role assignment list` shows them per scope: subscription-wide ones to readers of assignments
 * there, others to readers at their scope.
 */
export async function authorizationRows(
  plane: Plane,
  mayRead: (action: string, id: string) => Promise<boolean>,
): Promise<Row[]> {
  const subscription = `/subscriptions/${plane.subscriptionId}`
  const rows: Row[] = []
  for (const assignment of await plane.access.list()) {
    const above = covers(assignment.scope, keyOf(subscription))
    const at = above ? subscription : assignment.display_scope
    if (!(await mayRead('Microsoft.Authorization/roleAssignments/read', at))) continue
    rows.push({
      ...assignmentView(plane, assignment),
      type: 'microsoft.authorization/roleassignments',
      tenantId: plane.tenantId,
      kind: '',
      location: '',
      resourceGroup: /^\/subscriptions\/[^/]+\/resourcegroups\/([^/]+)/.exec(assignment.scope)?.[1] ?? '',
      subscriptionId: plane.subscriptionId,
    })
  }
  return rows
}
