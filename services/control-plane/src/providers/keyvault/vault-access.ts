import type { VaultAccess, VaultGrantor, VaultUser } from '@strongroom/contract'
import { covers, roles, type Assignment, type RoleDefinition } from '../../arm/access.ts'
import { ok } from '../../arm/request.ts'
import { grants, isConditional } from '../../arm/roles/grant.ts'
import { route, type Route } from '../../arm/router.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import { reaches } from './vault-grants.ts'
import { vaultType, type VaultSettings } from './vault-model.ts'

/** Someone who can assign roles, or rewrite one of their own, can give themselves data actions. */
const giveRoles = ['Microsoft.Authorization/roleAssignments/write', 'Microsoft.Authorization/roleDefinitions/write']

/** What grants access, by the vault's permission model; for access policies, assigning roles also allows switching the model. */
const grantingActions = {
  roles: giveRoles,
  accessPolicies: [`${vaultType}/write`, `${vaultType}/accessPolicies/write`, ...giveRoles],
} as const

/** Users of a vault, and those who can grant access (attack W2): no list of roles or policies alone shows this. */
export function vaultAccessRoutes(plane: Plane): Route[] {
  const suffix = '/providers/Strongroom.KeyVault/access'
  return [
    route.get(
      `${groupPath}/providers/${vaultType}/{name}${suffix}`,
      'Microsoft.Authorization/roleAssignments/read',
      async (request) => {
        const { id, key, internal } = await plane.resources.get<VaultSettings>(request.path.slice(0, -suffix.length))
        const known = [...roles, ...(await plane.access.customRoles())]
        return ok(accessOf({ id, key, internal }, await plane.access.list(), known))
      },
    ),
  ]
}

function accessOf(
  { id, key, internal }: { id: string; key: string; internal: VaultSettings },
  assignments: readonly Assignment[],
  known: readonly RoleDefinition[],
): VaultAccess {
  const permissionModel = internal.enableRbacAuthorization ? 'roles' : 'accessPolicies'
  const held = assignments.flatMap((row) => {
    const role = known.find((each) => each.id === row.role_id)
    return role === undefined ? [] : [{ row, role, shown: { name: role.name, scope: row.display_scope || '/' } }]
  })
  const users: VaultUser[] =
    permissionModel === 'roles'
      ? held
          .filter(
            ({ row, role }) => !isConditional(row) && (role.dataActions ?? []).length > 0 && reaches(row.scope, key),
          )
          .map(({ row, shown }) => ({ principalId: row.principal_id, role: shown }))
      : internal.accessPolicies.map(({ objectId, applicationId, permissions }) => ({
          principalId: objectId,
          permissions,
          ...(applicationId !== undefined && { applicationId }),
        }))
  // The right to assign roles at one key only grants access to that key; writing the vault or its policies requires its own scope.
  const within = permissionModel === 'roles' ? reaches : covers
  const grantors: VaultGrantor[] = held.flatMap(({ row, role, shown }) => {
    // A condition counts as fulfilled as long as some request may fulfil it.
    const action = grantingActions[permissionModel].find((each) => grants(row, role, each) !== false)
    if (action === undefined || !within(row.scope, key)) return []
    return [{ principalId: row.principal_id, role: shown, action }]
  })
  return { vault: id, permissionModel, users, grantors }
}
