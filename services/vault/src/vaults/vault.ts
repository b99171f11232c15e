import {
  platformVault,
  vaultDefaults,
  type DeletedVaultRecord,
  type VaultDefinition,
  type VaultRecord,
} from '@strongroom/contract'
import type { VaultRow } from '../store/tables.ts'

/** A vault as the data plane works with it. */
export interface Vault extends VaultDefinition {
  /** Lower case. */
  name: string
  /** For a managed HSM, whose local roles replace grants and policies. */
  hsm?: HsmAccess
}

export interface HsmAccess {
  name: string
  activated: boolean
  grants: LocalGrant[]
}

/** A grant of a local role, as access decisions use it. */
export interface LocalGrant {
  principalId: string
  scope: string
  dataActions: string[]
  notDataActions: string[]
}

export interface StoredVault extends Vault {
  createdAt: string
  /** Seconds since 1970; both or neither. */
  deletedAt: number | undefined
  purgeAt: number | undefined
}

/** The vault that always exists and that no wire can change. */
export function platformVaultOf(installation: { tenantId: string; region: string }): Vault {
  return {
    ...vaultDefaults,
    name: platformVault,
    resourceId: '',
    location: installation.region,
    tenantId: installation.tenantId,
    sku: 'premium',
    grants: [],
  }
}

/** Azure's name for the recoverability of the vault's deleted objects. */
export function recoveryLevelOf(vault: Vault): string {
  const kind = vault.softDeleteRetentionInDays < 90 ? 'CustomizedRecoverable' : 'Recoverable'
  return vault.enablePurgeProtection ? kind : `${kind}+Purgeable`
}

export function fromVaultRow(row: VaultRow): StoredVault {
  return {
    ...(JSON.parse(row.definition) as VaultDefinition),
    name: row.name,
    createdAt: row.created_at,
    deletedAt: row.deleted_at ?? undefined,
    purgeAt: row.purge_at ?? undefined,
  }
}

export function vaultRecordOf({ deletedAt: _deleted, purgeAt: _purge, ...vault }: StoredVault): VaultRecord {
  return vault
}

export function deletedVaultRecordOf(vault: StoredVault): DeletedVaultRecord {
  const iso = (seconds: number | undefined): string => new Date((seconds ?? 0) * 1000).toISOString()
  return {
    ...vaultRecordOf(vault),
    deletionDate: iso(vault.deletedAt),
    scheduledPurgeDate: iso(vault.purgeAt),
  }
}
