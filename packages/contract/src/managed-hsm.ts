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
 * The resource manager makes them as vaults, on `vaultManagementWire`.
 */
import { domain, vaultAudience } from './names/names.ts'

export type { DeletedManagedHsmRecord, ManagedHsmDefinition, ManagedHsmRecord } from './wires/vault/managed-hsm.ts'

/** Suffix of managed HSMs among vaults: no vault's name has a dot. */
const ending = '.managedhsm'

export const managedHsmVaultName = (name: string): string => `${name}${ending}`
export const isManagedHsmVaultName = (vault: string): boolean => vault.endsWith(ending)
export const managedHsmHost = (name: string): string => `${name}${ending}.${domain}`
/** Audience of tokens for managed HSMs. */
export const managedHsmAudience = 'https://managedhsm.azure.net'
/** Audience of a token for the vault or managed HSM in a key identifier. */
export const keyAudience = (keyId: string): string =>
  new URL(keyId).hostname.endsWith(`${ending}.${domain}`) ? managedHsmAudience : vaultAudience
/** Named in its challenge: clients check that the host name ends with it. */
export const managedHsmResource: string = `https://managedhsm.${domain}`
