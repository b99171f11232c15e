import { graphHost } from '@strongroom/contract'
import { list, subscriptionPath, versions } from '../wire/arm.ts'
import { askService } from '../wire/data-plane.ts'

export interface Role {
  id: string
  name: string
  properties: {
    roleName: string
    type: string
    description?: string
    permissions: { actions: string[]; notActions: string[]; dataActions: string[]; notDataActions: string[] }[]
  }
}

export interface Assignment {
  id: string
  properties: {
    roleDefinitionId: string
    principalId: string
    principalType: string
    scope: string
    createdOn?: string
    condition?: string
  }
}

export interface Access {
  roles: Role[]
  assignments: Assignment[]
  /** Display names by object id; empty if the directory does not return them. */
  names: ReadonlyMap<string, string>
}

/** Rights in the subscription, with their assignments. @throws WireError */
export async function readAccess(signal: AbortSignal): Promise<Access> {
  const base = `${await subscriptionPath()}/providers/Microsoft.Authorization`
  const [roles, assignments] = await Promise.all([
    list<Role>(`${base}/roleDefinitions`, versions.authorization, signal),
    list<Assignment>(`${base}/roleAssignments`, versions.authorization, signal),
  ])
  const ids = [...new Set(assignments.map(({ properties }) => properties.principalId))]
  const url = `https://${graphHost}/v1.0/directoryObjects/getByIds`
  const found = await askService<{ value: { id: string; displayName?: string }[] }>({
    method: 'POST',
    url,
    audience: `https://${graphHost}`,
    body: { ids },
    signal,
  }).then(
    ({ value }) => value,
    () => [],
  )
  return { roles, assignments, names: new Map(found.map(({ id, displayName = '' }) => [id, displayName])) }
}

const lastPart = (id: string): string => id.slice(id.lastIndexOf('/') + 1).toLowerCase()

/** The role of an assignment. */
export const roleOf = ({ roles }: Access, { properties }: Assignment): Role | undefined =>
  roles.find(({ name }) => name.toLowerCase() === lastPart(properties.roleDefinitionId))

/** A scope in words. */
export function scopeWords(scope: string): string {
  if (scope === '/') return 'everything in the tenant'
  const parts = scope.split('/').filter((part) => part !== '')
  if (parts.length === 2) return 'the subscription'
  if (parts.length === 4) return `group ${parts[3]}`
  return parts.slice(-2).join(' ')
}
