import type { LocalGrant, Vault } from '../vaults/vault.ts'
import type { HsmRepository } from './repository.ts'

/** Managed HSMs as vaults of keys, under their vault names. */
export class HsmVaults {
  readonly #repository: HsmRepository

  constructor(repository: HsmRepository) {
    this.#repository = repository
  }

  /** Undefined if there is none, or only a deleted one. */
  async find(vaultName: string): Promise<Vault | undefined> {
    const name = vaultName.split('.', 1)[0]!
    const hsm = await this.#repository.find(name)
    if (!hsm || hsm.deletedAt !== undefined) return undefined
    return {
      name: vaultName,
      resourceId: hsm.resourceId,
      location: hsm.location,
      tenantId: hsm.tenantId,
      sku: 'premium',
      enableRbacAuthorization: true,
      accessPolicies: [],
      grants: [],
      resource: {
        tags: hsm.tags,
        enabledForDeployment: false,
        enabledForDiskEncryption: true,
        enabledForTemplateDeployment: false,
      },
      softDeleteRetentionInDays: hsm.softDeleteRetentionInDays,
      enablePurgeProtection: hsm.enablePurgeProtection,
      publicNetworkAccess: 'Enabled',
      networkRules: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [] },
      hsm: { name, activated: hsm.activated, grants: await localGrants(this.#repository, name) },
    }
  }
}

/** Local roles of a managed HSM as grants; read each time, so that a revoked right has no effect. */
async function localGrants(repository: HsmRepository, hsm: string): Promise<LocalGrant[]> {
  const definitions = new Map((await repository.definitions(hsm)).map((definition) => [definition.id, definition]))
  return (await repository.assignments(hsm)).flatMap(({ principalId, scope, roleId }) => {
    const role = definitions.get(roleId)
    return role ? [{ principalId, scope, dataActions: role.dataActions, notDataActions: role.notDataActions }] : []
  })
}
