import type { Caller } from '@strongroom/platform'
import type { KeyPermission, Permission } from './permissions.ts'

export interface PlatformAccess {
  /** Object id of the principal that hosts fetch guest-state keys as. */
  orchestratorObjectId: string
  /** Object id of the principal that makes and destroys them. */
  controlPlaneObjectId: string
  /** Object id of the owner of the installation, who may read what was done. */
  ownerObjectId: string
}

/**
 * The platform vault: who makes keys cannot have them released, who has them released cannot make or change them, and
 * nobody can change a release policy. The owner has no access to its keys, not even to list: they are the platform's, and
 * what the owner may know of them is in the VM's boot evidence and in the operation log, which the owner alone may read. Nobody may back one up or restore it: an old copy
 * would bring an old generation of the guest state back.
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
