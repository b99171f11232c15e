import type { Caller } from '@strongroom/platform'
import type { KeyPermission, Permission } from './permissions.ts'

export interface PlatformAccess {
  /** Object id of the principal that hosts fetch guest-state keys as. */
  orchestratorObjectId: string
  /** Object id of the principal that creates and destroys them. */
  controlPlaneObjectId: string
  /** Object id of the installation's owner, who may read the operation logs. */
  ownerObjectId: string
}

/**
 * The platform vault: the principal that creates keys cannot have them released, the one that has them released cannot
 * create or change them, and nobody can change a release policy. The owner has no access to its keys, not even to list
 * them: they belong to the platform, and what the owner may know is in the VM's boot evidence and in the operation log,
 * which only the owner may read. Nobody may back up or restore a key: an old copy would bring back an old generation of
 * the guest state.
 */
export function createPlatformAccess(o: PlatformAccess): (caller: Caller, permission: Permission) => boolean {
  if (o.orchestratorObjectId === '' || o.controlPlaneObjectId === '' || o.ownerObjectId === '')
    throw new TypeError('a platform principal has no object id')
  const allowed = new Map<string, ReadonlySet<Permission>>([
    [o.controlPlaneObjectId, new Set<KeyPermission>(['create', 'get', 'list', 'update', 'delete', 'recover', 'purge'])],
    [o.orchestratorObjectId, new Set<KeyPermission>(['get', 'release', 'advanceGuestStateGeneration'])],
    [o.ownerObjectId, new Set<KeyPermission>(['readOperationLog'])],
  ])
  if (allowed.size !== 3) throw new TypeError('the platform principals must differ')
  return (caller, permission) => allowed.get(caller.objectId)?.has(permission) === true
}
