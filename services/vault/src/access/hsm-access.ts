import { ServiceError, type Caller } from '@strongroom/platform'
import { hsmAction } from '../hsm/roles.ts'
import type { HsmAccess } from '../vaults/vault.ts'
import type { Permission } from './permissions.ts'
import { isHeldBy } from './same-principal.ts'

/** Data actions of a managed HSM for key operations. It has none for secrets. */
const keyActions: Partial<Record<Permission, string>> = {
  get: 'keys/read/action',
  list: 'keys/read/action',
  create: 'keys/create',
  import: 'keys/import/action',
  update: 'keys/write/action',
  delete: 'keys/delete',
  recover: 'keys/deletedKeys/recover/action',
  purge: 'keys/deletedKeys/delete',
  backup: 'keys/backup/action',
  restore: 'keys/restore/action',
  encrypt: 'keys/encrypt/action',
  decrypt: 'keys/decrypt/action',
  wrapKey: 'keys/wrap/action',
  unwrapKey: 'keys/unwrap/action',
  sign: 'keys/sign/action',
  verify: 'keys/verify/action',
  release: 'keys/release/action',
  rotate: 'keys/rotate/action',
  getRotationPolicy: 'keys/read/action',
  setRotationPolicy: 'keys/write/action',
  getRandomBytes: 'rng/action',
  advanceGuestStateGeneration: 'keys/release/action',
  readOperationLog: 'keys/read/action',
}

/** @throws ServiceError 403 Forbidden, 404 if it does not exist on a managed HSM, 403 HsmNotActivated */
export function requireKeyRole(hsm: HsmAccess, caller: Caller, permission: Permission, object: string): void {
  const action = keyActions[permission]
  if (action === undefined) {
    throw new ServiceError({
      code: 'NotFound',
      message: 'A managed HSM has keys only.',
      target: permission,
      expected: 'a request for keys',
      found: permission,
      remedy: 'Use a vault for secrets.',
    })
  }
  requireLocalRole(hsm, caller, action, object === '' ? '/' : `/${object}`)
  if (hsm.activated || permission === 'readOperationLog') return
  throw new ServiceError({
    code: 'Forbidden',
    reason: 'HsmNotActivated',
    message: `The managed HSM ${hsm.name} is not activated: its security domain was never downloaded or uploaded.`,
    target: hsm.name,
    expected: 'an HSM whose security domain was downloaded or uploaded',
    found: 'a provisioned HSM',
    remedy: `az keyvault security-domain download --hsm-name ${hsm.name} --sd-wrapping-keys … --sd-quorum … --security-domain-file …`,
  })
}

/**
 * @param scope of the request: `/` or `/keys/{name}`
 * @throws ServiceError 403 Forbidden
 */
export function requireLocalRole(hsm: HsmAccess, caller: Caller, shortAction: string, scope: string): void {
  const action = hsmAction(shortAction)
  const allowed = hsm.grants.some(
    (grant) =>
      isHeldBy(grant.principalId, caller) &&
      reaches(grant.scope, scope, shortAction) &&
      covers(grant.dataActions, action) &&
      !covers(grant.notDataActions, action),
  )
  if (allowed) return
  throw new ServiceError({
    code: 'Forbidden',
    message:
      `User does not have the permission to perform this operation: ${action} at ${scope}. Caller: ` +
      `appid=${caller.appId};oid=${caller.objectId}.`,
    target: action,
    expected: `a local role of the managed HSM with the data action ${action} at ${scope} or above`,
    found: `none for ${caller.objectId}`,
    remedy:
      `Ask an administrator of the HSM: az keyvault role assignment create --hsm-name ${hsm.name} --role … ` +
      `--assignee-object-id ${caller.objectId} --scope ${scope}`,
  })
}

/** `/keys` covers all keys, and operations on keys as a whole. */
function reaches(granted: string, scope: string, action: string): boolean {
  if (granted === '/' || granted === scope) return true
  return granted === '/keys' && (scope.startsWith('/keys/') || (scope === '/' && action.startsWith('keys/')))
}

function covers(actions: string[], wanted: string): boolean {
  return actions.some((action) => action.toLowerCase() === wanted.toLowerCase())
}
