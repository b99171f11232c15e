/**
 * Managed HSMs: `https://{name}.managedhsm.strongroom.internal` speaks Key Vault's wire for keys, and beyond it
 *
 * POST /securitydomain/download             SecurityDomainRequest → 202 { value }   the first one activates the HSM
 * GET  /securitydomain/download/pending     → 200 { status, status_details }
 * GET  /securitydomain/upload               → 200 { transfer_key }                  JWK as text, with x5c
 * POST /securitydomain/upload               { value } → 202                         into an HSM that is not activated yet
 * GET  /securitydomain/upload/pending       → 200 { status, status_details }
 * …/{scope}/providers/Microsoft.Authorization/roleDefinitions[/{id}] and roleAssignments[/{id}], scope '', keys or keys/{name}
 * POST /backup · PUT /restore               → 202, then GET /backup|restore/{jobId}/pending
 *
 * The resource manager makes them on `https://keyvault.strongroom.internal`, as vaults: PUT, GET, DELETE /managedhsms/{name},
 * GET /hsmavailability/{name}, GET /deletedmanagedhsms[/{name}], POST /deletedmanagedhsms/{name}/recover, DELETE /deletedmanagedhsms/{name}.
 */
import { domain, vaultAudience } from './names.ts'

/** How a managed HSM is called among vaults: no vault's name has a dot. */
const ending = '.managedhsm'

export const managedHsmVaultName = (name: string): string => `${name}${ending}`
export const isManagedHsmVaultName = (vault: string): boolean => vault.endsWith(ending)
export const managedHsmHost = (name: string): string => `${name}${ending}.${domain}`
/** Audience of tokens that a managed HSM takes. */
export const managedHsmAudience = 'https://managedhsm.azure.net'
/** Audience of a token for the vault or managed HSM that a key identifier names. */
export const keyAudience = (keyId: string): string =>
  new URL(keyId).hostname.endsWith(`${ending}.${domain}`) ? managedHsmAudience : vaultAudience
/** What its challenge names: clients check that the host's name ends with it. */
export const managedHsmResource: string = `https://managedhsm.${domain}`

export interface ManagedHsmDefinition {
  resourceId: string
  location: string
  tenantId: string
  /** Object ids that are administrators when the HSM is made; local roles rule from then on. */
  initialAdminObjectIds: string[]
  softDeleteRetentionInDays: number
  enablePurgeProtection: boolean
  tags: Record<string, string>
}

export interface ManagedHsmRecord extends ManagedHsmDefinition {
  name: string
  /** ISO time. */
  createdAt: string
  /** Whether it has a security domain, and so serves keys. */
  activated: boolean
}

export interface DeletedManagedHsmRecord extends ManagedHsmRecord {
  deletionDate: string
  scheduledPurgeDate: string
}
