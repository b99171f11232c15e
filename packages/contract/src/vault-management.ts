/** Names of the wire on which the resource manager tells the key service which vaults there are; `vaultManagementWire` states it. */
import type { VaultDefinition } from './wires/vault/vault.ts'
export type { VaultAccess, VaultGrantor, VaultUser } from './wires/manager/access.ts'

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
