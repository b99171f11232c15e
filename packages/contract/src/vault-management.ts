/** Names of the wire on which the resource manager tells the key service which vaults there are; `vaultManagementWire` states it. */
import type { VaultDefinition, VaultPermissions } from './wires/vault/vault.ts'

export type {
  DeletedVaultRecord,
  VaultAccessPolicy,
  VaultChange,
  VaultDefinition,
  VaultGrant,
  VaultNameAvailability,
  VaultNetworkRules,
  VaultPermissions,
  VaultRecord,
} from './wires/vault/vault.ts'

export const vaultManagementApiVersion = '2025-05-01'

/** A vault of which nothing was said but where it is, as Azure makes it. */
export const vaultDefaults: Omit<VaultDefinition, 'resourceId' | 'location' | 'tenantId' | 'grants'> = {
  sku: 'standard',
  enableRbacAuthorization: false,
  accessPolicies: [],
  resource: {
    tags: {},
    enabledForDeployment: false,
    enabledForDiskEncryption: false,
    enabledForTemplateDeployment: false,
  },
  softDeleteRetentionInDays: 90,
  enablePurgeProtection: false,
  publicNetworkAccess: 'Enabled',
  networkRules: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [] },
}

/**
 * Whom a vault lets at its keys and secrets, and who may let in himself or others: answer of the resource manager to
 * `GET {vault}/providers/Strongroom.KeyVault/access`.
 */
export interface VaultAccess {
  /** Resource id. */
  vault: string
  permissionModel: 'roles' | 'accessPolicies'
  users: VaultUser[]
  grantors: VaultGrantor[]
}

/** Who may use what is in the vault now. */
export interface VaultUser {
  principalId: string
  /** Of a role. */
  role?: { name: string; scope: string }
  /** Of an access policy. */
  permissions?: VaultPermissions
  /** Only where the principal acts through this application. */
  applicationId?: string
}

/** Who may make anybody a user of the vault: himself too. */
export interface VaultGrantor {
  principalId: string
  role: { name: string; scope: string }
  /** What lets him do so. */
  action: string
}
