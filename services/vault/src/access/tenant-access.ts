import type { ErrorCode } from '@strongroom/contract'
import { ServiceError, type Caller } from '@strongroom/platform'
import { inRanges } from '../vaults/definition.ts'
import type { Vault } from '../vaults/vault.ts'
import { permissionRules, type Permission } from './permissions.ts'
import { isHeldBy } from './same-principal.ts'

const provider = 'Microsoft.KeyVault/vaults/'

/** The single object of a request, for example `keys/disk`; empty for the vault as a whole. */
export type ObjectPath = string

/**
 * Azure RBAC: an assignment that covers the object has a role whose data actions include this one. A role's
 * notDataActions subtract from that role only.
 * @throws ServiceError 403 ForbiddenByRbac
 */
export function requireByRoles(caller: Caller, vault: Vault, permission: Permission, object: ObjectPath): void {
  const action = `${provider}${permissionRules[permission].action}`
  const allowed = vault.grants.some(
    (grant) =>
      isHeldBy(grant.principalId, caller) &&
      (grant.object === '' || grant.object === object) &&
      covers(grant.dataActions, action) &&
      !covers(grant.notDataActions, action),
  )
  if (allowed) return
  throw new ServiceError({
    code: 'Forbidden',
    reason: 'ForbiddenByRbac',
    message: [
      'Caller is not authorized to perform action on resource.',
      'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      `Caller: ${callerText(caller)}`,
      `Action: '${action}'`,
      `Resource: '${vault.resourceId.toLowerCase()}${object === '' ? '' : `/${object}`}'`,
      'Assignment: (not found)',
      'DenyAssignmentId: null',
      'DecisionReason: null ',
      `Vault: ${vault.name};location=${vault.location}`,
    ].join('\r\n'),
    target: action,
    expected: `a role assignment at the vault or above it whose role includes the data action ${action}`,
    found: `none for ${caller.objectId}`,
    remedy: 'Ask an owner of the vault for a role such as Key Vault Crypto Officer or Key Vault Secrets Officer.',
  })
}

/** @throws ServiceError 403 AccessDenied */
export function requireByPolicy(caller: Caller, vault: Vault, permission: Permission): void {
  const { list, permission: name } = permissionRules[permission]
  const allowed = vault.accessPolicies.some(
    (policy) =>
      isHeldBy(policy.objectId, caller) &&
      policy.tenantId.toLowerCase() === caller.tenantId.toLowerCase() &&
      (policy.applicationId === undefined || policy.applicationId === caller.appId.toLowerCase()) &&
      [name, 'all'].some((each) => policy.permissions[list].includes(each)),
  )
  if (allowed) return
  throw new ServiceError({
    code: 'Forbidden',
    reason: 'AccessDenied',
    message:
      `The user, group or application '${callerText(caller)}' does not have ${list} ${name} permission on key vault ` +
      `'${vault.name};location=${vault.location}'.`,
    target: `${list}/${name}`,
    expected: `an access policy of the vault that grants ${caller.objectId} the ${list} permission ${name}`,
    found: 'none',
    remedy:
      `Add it, for example: az keyvault set-policy --name ${vault.name} --object-id ${caller.objectId} ` +
      `--${list.slice(0, -1)}-permissions ${name}`,
  })
}

/** @throws ServiceError 403 ForbiddenByConnection, ForbiddenByFirewall */
export function requireNetwork(vault: Vault, address: string, o: { trusted: boolean }): void {
  const { bypass, defaultAction, ipRules } = vault.networkRules
  if (o.trusted && bypass === 'AzureServices') return
  if (vault.publicNetworkAccess === 'Disabled') {
    throw refused(
      'ForbiddenByConnection',
      'Public network access is disabled and request is not from a trusted service nor via an approved private link.',
      vault,
      'a service of the platform',
      address,
    )
  }
  if (defaultAction === 'Allow' || inRanges(address, ipRules)) return
  throw refused(
    'ForbiddenByFirewall',
    `Client address is not authorized and caller is not a trusted service.\r\nClient address: ${address}`,
    vault,
    `an address in ${ipRules.length === 0 ? 'no range: the vault has no ipRules' : ipRules.join(', ')}`,
    address,
  )
}

function refused(reason: ErrorCode, message: string, vault: Vault, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'Forbidden',
    reason,
    message: `${message}\r\nVault: ${vault.name};location=${vault.location}`,
    target: 'networkRules',
    expected,
    found,
    remedy: 'Change the network rules of the vault, or call from an address that they allow.',
  })
}

function callerText(caller: Caller): string {
  return `appid=${caller.appId};oid=${caller.objectId};iss=https://sts.windows.net/${caller.tenantId}/`
}

/** `*` matches any characters; case is ignored. */
function covers(patterns: string[], action: string): boolean {
  const wanted = action.toLowerCase()
  return patterns.some((pattern) => {
    const parts = pattern.toLowerCase().split('*')
    const first = parts.shift() ?? ''
    const last = parts.pop()
    if (last === undefined) return first === wanted
    if (!wanted.startsWith(first) || !wanted.endsWith(last)) return false
    let at = first.length
    for (const part of parts) {
      const found = wanted.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= wanted.length - last.length
  })
}
