/** The management of vaults and managed HSMs, disk-encryption sets and attestation providers. */
export const keyVaultErrors = {
  DeletedManagedHsmNotFound: {
    status: 404,
    when: 'There is no such deleted managed HSM.',
    remedy: 'List the deleted ones.',
  },
  DeletedVaultNotFound: {
    status: 404,
    when: 'There is no such deleted vault.',
    remedy: 'List the deleted ones.',
  },
  DiskEncryptionSetRotationFailed: {
    status: 409,
    when: 'Some guest states were not rewrapped with the new key; the details say which.',
    remedy: 'Fix what the details report, then set the same key again.',
  },
  DiskEncryptionSetWithoutIdentity: {
    status: 409,
    when: 'The disk-encryption set has no identity to read its key with.',
    remedy: 'Assign one: az disk-encryption-set identity assign.',
  },
  InsufficientPermissions: {
    status: 403,
    when: 'The caller may not change the permission model of the vault.',
    remedy: 'Ask an owner of the vault.',
  },
  KeyVaultAccessForbidden: {
    status: 403,
    when: 'The disk-encryption set may not use its key.',
    remedy: 'Grant its identity get, wrapKey and unwrapKey on the key.',
  },
  KeyVaultAndDiskEncryptionSetInDifferentRegions: {
    status: 400,
    when: 'The vault and the disk-encryption set are in different regions.',
    remedy: 'Use a vault in the set’s region.',
  },
  KeyVaultKeyExpired: {
    status: 409,
    when: 'The key of the disk-encryption set has expired.',
    remedy: 'Set a later expiry, or rotate the set to another key.',
  },
  KeyVaultKeyNotEnabled: {
    status: 409,
    when: 'The key of the disk-encryption set is disabled.',
    remedy: 'Enable it.',
  },
  KeyVaultKeyNotExportable: {
    status: 409,
    when: 'The key of the disk-encryption set cannot be released.',
    remedy: 'Create one with --exportable true and a release policy.',
  },
  KeyVaultKeyNotFound: {
    status: 409,
    when: 'The key of the disk-encryption set does not exist.',
    remedy: 'Recover it: az keyvault key recover.',
  },
  KeyVaultKeyNotYetValid: {
    status: 409,
    when: 'The key of the disk-encryption set is not valid yet.',
    remedy: 'Wait, or set an earlier activation date.',
  },
  KeyVaultKeyOperationNotPermitted: {
    status: 409,
    when: 'The key of the disk-encryption set does not allow wrapping or unwrapping.',
    remedy: 'Create one with wrapKey and unwrapKey.',
  },
  KeyVaultKeyReleasePolicyNotSatisfiable: {
    status: 409,
    when: 'No boot can meet the release policy of the key.',
    remedy: 'Create a key with --default-cvm-policy.',
  },
  KeyVaultKeyTypeNotSupported: {
    status: 409,
    when: 'The key of the disk-encryption set is not an RSA key held by an HSM.',
    remedy: 'Create one with --kty RSA-HSM.',
  },
  KeyVaultNotFound: {
    status: [400, 409],
    when: 'There is no such vault or managed HSM.',
    remedy: 'Create it, or recover it if it was deleted.',
  },
  KeyVaultPurgeProtectionNotEnabled: {
    status: 400,
    when: 'The vault of a disk-encryption set has no purge protection.',
    remedy: 'Enable it: az keyvault update --enable-purge-protection true.',
  },
  KeyVaultSkuNotSupported: {
    status: 400,
    when: 'The vault of a disk-encryption set is not premium.',
    remedy: 'Use a premium vault.',
  },
  NotOffered: {
    status: 400,
    when: 'An attestation provider has a property that is not offered.',
    remedy: 'Leave the property out.',
  },
} as const
