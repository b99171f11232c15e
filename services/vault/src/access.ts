import { platformVault } from '@strongroom/contract'
import { ServiceError, type Caller } from '@strongroom/platform'

export type KeyPermission =
  | 'create'
  | 'get'
  | 'list'
  | 'update'
  | 'delete'
  | 'recover'
  | 'purge'
  | 'release'
  | 'advanceGuestStateGeneration'
  | 'readOperationLog'

export interface PlatformAccess {
  /** Object id of the principal that machines fetch guest-state keys as. */
  orchestratorObjectId: string
  /** Object id of the principal that makes and destroys them. */
  controlPlaneObjectId: string
  /** Object id of the owner of the installation, who may read what was done. */
  ownerObjectId: string
}

/** Who may do what in a vault. What is not listed is refused; owning the subscription gives nothing here. */
export interface VaultAccess {
  vaultExists(vault: string): boolean
  /** @throws ServiceError 403 Forbidden */
  require(caller: Caller, vault: string, permission: KeyPermission): void
}

/**
 * The platform vault: who makes keys cannot have them released, who has them released cannot make or change them, and
 * nobody can change a release policy. The owner has no access to its keys, not even to list: they are the platform's, and
 * what the owner may know of them is in the VM's boot evidence and in the operation log, which the owner alone may read.
 */
export function createVaultAccess(o: PlatformAccess): VaultAccess {
  if (o.orchestratorObjectId === '' || o.controlPlaneObjectId === '' || o.ownerObjectId === '')
    throw new TypeError('a platform principal has no object id')
  const platform = new Map<string, ReadonlySet<KeyPermission>>([
    [o.controlPlaneObjectId, new Set<KeyPermission>(['create', 'get', 'list', 'update', 'delete', 'recover', 'purge'])],
    [o.orchestratorObjectId, new Set<KeyPermission>(['get', 'release', 'advanceGuestStateGeneration'])],
    [o.ownerObjectId, new Set<KeyPermission>(['readOperationLog'])],
  ])
  if (platform.size !== 3) throw new TypeError('the platform principals must differ')
  return {
    vaultExists: (vault) => vault === platformVault,
    require: (caller, vault, permission) => {
      if (vault === platformVault && platform.get(caller.objectId)?.has(permission)) return
      throw new ServiceError({
        code: 'Forbidden',
        status: 403,
        message: `Caller is not authorized to perform the action keys/${permission} on the vault ${vault}. Caller: appid=${caller.appId};oid=${caller.objectId}.`,
        target: `keys/${permission}`,
        expected: `a principal with the permission keys/${permission} in this vault`,
        found: caller.objectId,
        remedy: 'Use another principal, or have the permission granted.',
      })
    },
  }
}
