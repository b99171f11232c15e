/**
 * Wire on which the resource manager tells the key service which vaults there are, `https://keyvault.strongroom.internal`.
 * Bearer token of the control plane's principal with audience `vaultManagementAudience`; everybody else is refused.
 *
 * PUT    /vaults/{name}                     VaultChange → 201 or 200 VaultRecord   whole, idempotent; 409 where the name is another's
 * GET    /vaults/{name}                     → 200 VaultRecord
 * DELETE /vaults/{name}                     → 200 DeletedVaultRecord                   soft delete: the vault answers nobody any more
 * GET    /availability/{name}               → 200 VaultNameAvailability
 * GET    /deletedvaults · /deletedvaults/{name}   → 200 { value: DeletedVaultRecord[] } · DeletedVaultRecord
 * POST   /deletedvaults/{name}/recover      → 200 VaultRecord
 * DELETE /deletedvaults/{name}              → 204; 409 under purge protection          with it goes all that the vault held
 *
 * Each change with `onBehalfOfHeader` where somebody asked for it. Each with `?api-version=2025-05-01`. Names are compared without case and kept in lower case.
 */

export const vaultManagementApiVersion = '2025-05-01'

/** Which permissions an access policy gives, spelled as Azure does in lower case; `all` gives every one. */
export interface VaultPermissions {
  keys: string[]
  secrets: string[]
  certificates: string[]
  storage: string[]
}

export interface VaultAccessPolicy {
  tenantId: string
  objectId: string
  /** Only where the principal acts through this application. */
  applicationId?: string
  permissions: VaultPermissions
}

/** A role assignment that reaches the vault, with the role's data actions. */
export interface VaultGrant {
  principalId: string
  /** Below the vault: '' is all of it, else for example `keys/disk` or `secrets/password`. */
  object: string
  dataActions: string[]
  notDataActions: string[]
}

export interface VaultNetworkRules {
  bypass: 'AzureServices' | 'None'
  defaultAction: 'Allow' | 'Deny'
  /** IPv4 or IPv6 addresses and CIDR ranges that are let in where the default is to deny. */
  ipRules: string[]
}

export interface VaultDefinition {
  resourceId: string
  location: string
  tenantId: string
  sku: 'standard' | 'premium'
  enableRbacAuthorization: boolean
  /** Count only without RBAC. */
  accessPolicies: VaultAccessPolicy[]
  /** Count only under RBAC. */
  grants: VaultGrant[]
  /** What the resource carries and the data plane does not read; kept so that a recovered vault has it again. */
  resource: {
    tags: Record<string, string>
    enabledForDeployment: boolean
    enabledForDiskEncryption: boolean
    enabledForTemplateDeployment: boolean
  }
  softDeleteRetentionInDays: number
  enablePurgeProtection: boolean
  publicNetworkAccess: 'Enabled' | 'Disabled'
  networkRules: VaultNetworkRules
}

/** Body of `PUT /vaults/{name}`. */
export interface VaultChange extends VaultDefinition {
  /** The resource id that the vault had until it was moved to another group. Any other vault of the name is refused. */
  movedFrom?: string
}

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

export interface VaultRecord extends VaultDefinition {
  name: string
  /** ISO time. */
  createdAt: string
}

export interface DeletedVaultRecord extends VaultRecord {
  deletionDate: string
  scheduledPurgeDate: string
}

export interface VaultNameAvailability {
  nameAvailable: boolean
  reason?: 'AccountNameInvalid' | 'AlreadyExists'
  message?: string
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
