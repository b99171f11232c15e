import type { Vault } from '../vaults/vault.ts'
import { localGrants } from './local-access.ts'
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
