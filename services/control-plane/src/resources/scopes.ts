import { requireManagementGroup } from './management-groups.ts'
import { groupPath, subscriptionPath, type Plane } from '../types/plane.ts'

export const managementGroupPath = '/providers/Microsoft.Management/managementGroups/{managementGroup}'

/** Where roles, locks and tags can be put: a subscription, a group, a resource, a resource within one. */
export const scopePaths: string[] = [
  subscriptionPath,
  groupPath,
  `${groupPath}/providers/{namespace}/{type}/{name}`,
  `${groupPath}/providers/{namespace}/{type}/{name}/{childType}/{child}`,
]

/** The scope of an extension's path: what comes before its own `/providers/{extension}`. */
export const scopeOf = (path: string, extension: string): string =>
  path.slice(0, path.toLowerCase().lastIndexOf(`/providers/${extension.toLowerCase()}/`))

/** @throws ServiceError ResourceGroupNotFound, ResourceNotFound: nothing can be attached to a missing resource */
export async function requireScope(plane: Plane, scope: string): Promise<void> {
  if (scope.startsWith('/providers/')) {
    requireManagementGroup(plane, scope.split('/').at(-1) ?? '')
    return
  }
  const parts = scope.split('/').length
  if (parts <= 3) return
  if (parts === 5) await plane.resources.requireGroup(scope)
  // A nested resource is part of its parent's row.
  else await plane.resources.get(scope.split('/').slice(0, 9).join('/'))
}
