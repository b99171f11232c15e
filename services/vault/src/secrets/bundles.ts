import { vaultHost, type DeletedSecretFields, type SecretItem } from '@strongroom/contract'
import type { DeletedAt } from '../objects/versioned.ts'
import { recoveryLevelOf, type Vault } from '../vaults/vault.ts'
import type { SecretVersion } from './secret-version.ts'

/** Lists name secrets without a version, everything else with it. */
export function secretItemOf(secret: SecretVersion, vault: Vault, version?: string): SecretItem {
  const base = `https://${vaultHost(secret.vault)}/secrets/${secret.shownName}`
  return {
    id: version === undefined ? base : `${base}/${version}`,
    ...(secret.contentType !== undefined && { contentType: secret.contentType }),
    attributes: {
      enabled: secret.enabled,
      ...(secret.nbf !== undefined && { nbf: secret.nbf }),
      ...(secret.exp !== undefined && { exp: secret.exp }),
      created: secret.created,
      updated: secret.updated,
      recoveryLevel: recoveryLevelOf(vault),
      recoverableDays: vault.softDeleteRetentionInDays,
    },
    tags: secret.tags,
  }
}

export function deletedSecretFieldsOf(secret: SecretVersion & DeletedAt): DeletedSecretFields {
  return {
    recoveryId: `https://${vaultHost(secret.vault)}/deletedsecrets/${secret.shownName}`,
    deletedDate: secret.deletedAt,
    scheduledPurgeDate: secret.purgeAt,
  }
}
