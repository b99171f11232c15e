import {
  vaultHost,
  type DeletedKeyBundle,
  type KeyAttributes,
  type KeyBundle,
  type KeyItem,
} from '@strongroom/contract'
import type { KeyVersion } from './key-version.ts'
import type { DeletedAt } from './repository.ts'
import { recoverableDays } from './retention.ts'

export function keyId(key: Pick<KeyVersion, 'vault' | 'shownName'>, version?: string): string {
  const base = `https://${vaultHost(key.vault)}/keys/${key.shownName}`
  return version === undefined ? base : `${base}/${version}`
}

export function bundleOf(key: KeyVersion): KeyBundle {
  return {
    key: {
      kid: keyId(key, key.version),
      kty: key.kty,
      key_ops: key.keyOps,
      ...(key.spec.type === 'EC' && { crv: key.spec.curve }),
      ...key.publicParts,
    },
    attributes: attributesOf(key),
    tags: key.tags,
    ...(key.policy && {
      release_policy: { contentType: key.policy.contentType, data: key.policy.data, immutable: key.policy.immutable },
    }),
  }
}

export function deletedBundleOf(key: KeyVersion & DeletedAt): DeletedKeyBundle {
  return { ...bundleOf(key), ...deletedFields(key) }
}

/** Lists name keys without version, lists of versions with it. */
export function itemOf(key: KeyVersion, version?: string): KeyItem {
  return { kid: keyId(key, version), attributes: attributesOf(key), tags: key.tags }
}

export function deletedItemOf(key: KeyVersion & DeletedAt): KeyItem & ReturnType<typeof deletedFields> {
  return { ...itemOf(key), ...deletedFields(key) }
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

function attributesOf(key: KeyVersion): KeyAttributes {
  return {
    enabled: key.enabled,
    ...(key.nbf !== undefined && { nbf: key.nbf }),
    ...(key.exp !== undefined && { exp: key.exp }),
    created: key.created,
    updated: key.updated,
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays,
    exportable: key.exportable,
  }
}
