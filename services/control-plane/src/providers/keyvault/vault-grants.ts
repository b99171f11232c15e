import type { VaultGrant } from '@strongroom/contract'
import { isConditional } from '../../arm/roles/grant.ts'
import { covers, roles, type Assignment, type RoleDefinition } from '../../arm/access.ts'

const objectForm = /^(keys|secrets|certificates)\/[a-z0-9-]{1,127}$/

/**
 * The assignments that apply to a vault or its objects, as sent to the key service: only roles with data actions.
 * @param vaultKey id of the vault in lower case
 * @param own custom roles, besides the built-in ones
 */
export function grantsFor(vaultKey: string, assignments: Assignment[], own: RoleDefinition[]): VaultGrant[] {
  return assignments.flatMap((assignment) => {
    const role = [...roles, ...own].find((candidate) => candidate.id === assignment.role_id)
    if (role?.dataActions === undefined || role.dataActions.length === 0) return []
    // The key service evaluates no conditions: a role that got data actions later grants none of them.
    if (isConditional(assignment)) return []
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

/** Whether an assignment at `scope` concerns the vault. */
export const reaches = (scope: string, vaultKey: string): boolean => objectIn(vaultKey, scope) !== undefined

/** Empty for the vault and everything above it; undefined if the scope is elsewhere. */
function objectIn(vaultKey: string, scope: string): string | undefined {
  if (covers(scope, vaultKey)) return ''
  const below = scope.startsWith(`${vaultKey}/`) ? scope.slice(vaultKey.length + 1) : ''
  return objectForm.test(below) ? below : undefined
}
