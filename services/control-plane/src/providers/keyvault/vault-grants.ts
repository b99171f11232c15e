import type { VaultGrant } from '@strongroom/contract'
import { covers, roles, type Assignment, type RoleDefinition } from '../../arm/access.ts'

const objectForm = /^(keys|secrets|certificates)\/[a-z0-9-]{1,127}$/

/**
 * The assignments that reach a vault or an object in it, as the key service is told of them: only those whose role has
 * data actions.
 * @param vaultKey id of the vault in lower case
 * @param own roles of the installation beside the built-in ones
 */
export function grantsFor(vaultKey: string, assignments: Assignment[], own: RoleDefinition[]): VaultGrant[] {
  return assignments.flatMap((assignment) => {
    const role = [...roles, ...own].find((candidate) => candidate.id === assignment.role_id)
    if (role?.dataActions === undefined || role.dataActions.length === 0) return []
    const object = objectIn(vaultKey, assignment.scope)
    if (object === undefined) return []
    return [
      {
        principalId: assignment.principal_id,
        object,
        dataActions: role.dataActions,
        notDataActions: role.notDataActions ?? [],
      },
    ]
  })
}

/** Whether an assignment at `scope` says something of the vault. */
export const reaches = (scope: string, vaultKey: string): boolean => objectIn(vaultKey, scope) !== undefined

/** Empty for the vault and all above it; undefined where the scope is elsewhere. */
function objectIn(vaultKey: string, scope: string): string | undefined {
  if (covers(scope, vaultKey)) return ''
  const below = scope.startsWith(`${vaultKey}/`) ? scope.slice(vaultKey.length + 1) : ''
  return objectForm.test(below) ? below : undefined
}
