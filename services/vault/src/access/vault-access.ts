import { isManagedHsmVaultName, platformVault } from '@strongroom/contract'
import { ServiceError, type Caller } from '@strongroom/platform'
import { requireKeyRole } from './hsm-access.ts'
import type { HsmVaults } from '../hsm/hsm-vaults.ts'
import type { VaultRepository } from '../vaults/repository.ts'
import type { Vault } from '../vaults/vault.ts'
import type { Permission } from './permissions.ts'
import { createPlatformAccess, type PlatformAccess } from './platform-access.ts'
import { requireByPolicy, requireByRoles, requireNetwork, type ObjectPath } from './tenant-access.ts'

export interface AccessRequest {
  caller: Caller
  vault: Vault
  permission: Permission
  object: ObjectPath
  /** Address that the request came from. */
  address: string
}

/** Access rules per vault. Default deny; owning the subscription gives no rights here. */
export class VaultAccess {
  readonly #platform: ReturnType<typeof createPlatformAccess>
  readonly #services: ReadonlySet<string>
  readonly #owner: string
  readonly #vaults: VaultRepository
  readonly #platformVault: Vault
  readonly #hsms: HsmVaults

  constructor(o: { platformAccess: PlatformAccess; platformVault: Vault; vaults: VaultRepository; hsms: HsmVaults }) {
    this.#platform = createPlatformAccess(o.platformAccess)
    const { orchestratorObjectId, controlPlaneObjectId, ownerObjectId } = o.platformAccess
    this.#services = new Set([orchestratorObjectId, controlPlaneObjectId])
    this.#owner = ownerObjectId
    this.#vaults = o.vaults
    this.#platformVault = o.platformVault
    this.#hsms = o.hsms
  }

  /** Undefined if there is none, or only a deleted one. Read each time, so that a revoked right has no effect. */
  async find(name: string): Promise<Vault | undefined> {
    if (name === platformVault) return this.#platformVault
    if (isManagedHsmVaultName(name)) return this.#hsms.find(name)
    const found = await this.#vaults.find(name)
    return found?.deletedAt === undefined ? found : undefined
  }

  /** @throws ServiceError 403 Forbidden with Azure's inner reason */
  require(o: AccessRequest): void {
    const { caller, vault, permission, object } = o
    if (vault.name === platformVault) {
      if (this.#platform(caller, permission)) return
      throw platformForbidden(caller, permission)
    }
    // The installation's owner is accountable for it, and sees every vault's operations but never its contents.
    if (permission === 'readOperationLog' && caller.objectId === this.#owner) return
    if (vault.hsm) {
      requireKeyRole(vault.hsm, caller, permission, object)
      return
    }
    requireNetwork(vault, o.address, { trusted: this.#services.has(caller.objectId) })
    if (vault.enableRbacAuthorization) requireByRoles(caller, vault, permission, object)
    else requireByPolicy(caller, vault, permission)
  }
}

function platformForbidden(caller: Caller, permission: Permission): ServiceError {
  return new ServiceError({
    code: 'Forbidden',
    message:
      `Caller is not authorized to perform the action keys/${permission} on the vault ${platformVault}. Caller: ` +
      `appid=${caller.appId};oid=${caller.objectId}.`,
    target: `keys/${permission}`,
    expected: `a principal with the permission keys/${permission} in this vault`,
    found: caller.objectId,
    remedy: 'Use your own vault: this one belongs to the platform.',
  })
}
