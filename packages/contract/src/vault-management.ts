/** Names of the wire on which the resource manager manages the key service's vaults; stated by `vaultManagementWire`. */
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
  VmFirmware,
} from './wires/vault/vault.ts'

export const vaultManagementApiVersion = '2025-05-01'

/** A vault with only a location given, with Azure's defaults. */
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
