import {
  vaultHost,
  type DeletedKeyBundle,
  type KeyAttributes,
  type KeyBundle,
  type KeyItem,
} from '@strongroom/contract'
import type { DeletedAt } from '../objects/versioned.ts'
import { recoveryLevelOf, type Vault } from '../vaults/vault.ts'
import type { KeyVersion } from './key-version.ts'

export function keyId(key: Pick<KeyVersion, 'vault' | 'shownName'>, version?: string): string {
  const base = `https://${vaultHost(key.vault)}/keys/${key.shownName}`
  return version === undefined ? base : `${base}/${version}`
}

export function bundleOf(key: KeyVersion, vault: Vault): KeyBundle {
  return {
    key: {
      kid: keyId(key, key.version),
      kty: key.kty,
      key_ops: key.keyOps,
      ...(key.spec.type === 'EC' && { crv: key.spec.curve }),
      ...key.publicParts,
    },
    attributes: attributesOf(key, vault),
    tags: key.tags,
    ...(key.policy && {
      release_policy: { contentType: key.policy.contentType, data: key.policy.data, immutable: key.policy.immutable },
    }),
  }
}

export function deletedBundleOf(key: KeyVersion & DeletedAt, vault: Vault): DeletedKeyBundle {
  return { ...bundleOf(key, vault), ...deletedFields(key) }
}

/** Lists name keys without a version, lists of versions with it. */
export function itemOf(key: KeyVersion, vault: Vault, version?: string): KeyItem {
  return { kid: keyId(key, version), attributes: attributesOf(key, vault), tags: key.tags }
}

export function deletedItemOf(key: KeyVersion & DeletedAt, vault: Vault): KeyItem & ReturnType<typeof deletedFields> {
  return { ...itemOf(key, vault), ...deletedFields(key) }
}

function deletedFields(
  key: KeyVersion & DeletedAt,
): Pick<DeletedKeyBundle, 'recoveryId' | 'deletedDate' | 'scheduledPurgeDate'> {
  return {
    recoveryId: `https://${vaultHost(key.vault)}/deletedkeys/${key.shownName}`,
    deletedDate: key.deletedAt,
    scheduledPurgeDate: key.purgeAt,
  }
}

function attributesOf(key: KeyVersion, vault: Vault): KeyAttributes {
  return {
    enabled: key.enabled,
    ...(key.nbf !== undefined && { nbf: key.nbf }),
    ...(key.exp !== undefined && { exp: key.exp }),
    created: key.created,
    updated: key.updated,
    recoveryLevel: recoveryLevelOf(vault),
    recoverableDays: vault.softDeleteRetentionInDays,
    exportable: key.exportable,
  }
}
