/** Keys, secrets, release and the operations log of vaults and managed HSMs. */
export const vaultErrors = {
  AccessDenied: {
    when: 'The caller lacks a permission of the vault’s access policies.',
    remedy: 'Add it: az keyvault set-policy.',
  },
  AccountNameInvalid: {
    when: 'The name of a vault or managed HSM has characters or a length that is not allowed.',
    remedy: 'Use another name.',
  },
  AlreadyExists: {
    when: 'The name of a vault or managed HSM is in use, or belongs to a deleted one.',
    remedy: 'Use another name.',
  },
  AuthorityUnavailable: {
    status: 503,
    when: 'The signing keys of an attestation provider cannot be fetched.',
    remedy: 'Check that it can be reached, then repeat the request.',
  },
  BadParameter: {
    status: 400,
    when: 'The content of the request is invalid.',
    remedy: 'Correct what the error names.',
  },
  CertificateContactsNotFound: {
    status: 404,
    when: 'A vault has no certificate contacts: none are offered.',
    remedy: 'Poll the certificate: its policy renews it, and nobody is mailed.',
  },
  PendingCertificateNotFound: {
    status: 404,
    when: 'No certificate with this name is waiting to be signed.',
    remedy: 'Create it with the issuer Unknown: az keyvault certificate create.',
  },
  CertificateNotFound: {
    status: 404,
    when: 'The vault has no such certificate, or not in this state.',
    remedy: 'List them, or recover the deleted one.',
  },
  Conflict: {
    status: 409,
    when: 'The object exists, or its state does not allow the request.',
    remedy: 'Follow the error’s remedy.',
  },
  ConflictError: {
    status: 409,
    when: 'A deleted vault has this name.',
    remedy: 'Recover or purge it.',
  },
  DeletedVaultNotFound: {
    status: 404,
    when: 'There is no such deleted vault.',
    remedy: 'List the deleted ones.',
  },
  FirmwareListInvalid: {
    status: 500,
    when: 'The list of firmware in the state directory is not signed by the installation, or was altered.',
    remedy:
      'Restore firmware-list.jws from a backup, or remove it and sign what is to be listed: `strongroom firmware sign`.',
  },
  FirmwareListMissing: {
    status: 500,
    when: 'The list of firmware that guests may be launched with cannot be read.',
    remedy: 'Sign the firmware: `strongroom firmware sign`.',
  },
  FirmwareListSuperseded: {
    status: 500,
    when: 'The list of firmware in the state directory is older than one that was in force, or nobody asked for it.',
    remedy: 'Sign the list again: `strongroom firmware sign`.',
  },
  FirmwareNotListed: {
    when: 'A VM was launched with firmware that is not in the installation’s signed list.',
    remedy: 'Bring back the listed firmware, or sign the new one: `strongroom firmware sign`.',
  },
  FirmwarePinned: {
    when: 'A VM that is pinned to the firmware it ran last was launched with another.',
    remedy:
      'Bring back that firmware, or let the VM take the new one: `strongroom vm update --firmware-updates Listed`.',
  },
  FirmwareSuperseded: {
    when: 'A VM was launched with firmware that is older in security than what it ran last.',
    remedy:
      'Bring back the newer firmware, or allow the older: `strongroom vm update --firmware-updates ListedOrOlder`.',
  },
  Forbidden: {
    status: 403,
    when: 'The caller, its address, or the state of the object does not allow the operation; `innererror.code` says which.',
    remedy: 'Follow the error’s remedy.',
  },
  ForbiddenByConnection: {
    when: 'The vault is closed to public networks.',
    remedy: 'Change the network rules of the vault.',
  },
  ForbiddenByFirewall: {
    when: 'The address of the caller is not in the network rules of the vault.',
    remedy: 'Change the network rules, or call from an address in them.',
  },
  ForbiddenByPolicy: {
    when: 'Purge protection keeps the object from being purged.',
    remedy: 'Recover it, or wait until its retention ends.',
  },
  ForbiddenByRbac: {
    when: 'The caller has no role that allows the operation at this scope.',
    remedy: 'Ask an owner of the vault for a role.',
  },
  GuestStateGenerationTaken: {
    status: 409,
    when: 'Another launch of the VM has counted this generation: copies of one guest state were started twice.',
    remedy: 'Start the VM once, with its newest guest state.',
  },
  GuestStateGenerationTooOld: {
    status: 409,
    when: 'The guest state is older than one this key has protected: it was rolled back.',
    remedy: 'Boot with the newest guest state.',
  },
  KeyDisabled: {
    when: 'The key is disabled.',
    remedy: 'Enable it, or use another.',
  },
  KeyExpired: {
    when: 'The key has expired.',
    remedy: 'Use another, or change its attributes.',
  },
  KeyExportNotSupported: {
    status: 400,
    when: 'The key is in a token and cannot leave it.',
    remedy: 'Back up the token with its vendor’s tools.',
  },
  KeyImportNotSupported: {
    status: 400,
    when: 'The vault keeps its keys in a token that does not import keys in plain form.',
    remedy: 'Create the key, or wrap it to a key exchange key.',
  },
  KeyLimitReached: {
    when: 'A managed HSM has reached its key limit.',
    remedy: 'Purge unused keys, or use another managed HSM.',
  },
  KeyMaterialUnreadable: {
    status: 500,
    when: 'The stored key, its release policy or the master key was changed.',
    remedy: 'Restore the state directory and the master key from the same backup.',
  },
  KeyNotExportable: {
    status: 400,
    when: 'The key is not exportable, or the token does not export keys of its kind.',
    remedy: 'Create one with attributes.exportable and a release policy.',
  },
  KeyNotFound: {
    status: 404,
    when: 'There is no such key.',
    remedy: 'Check its name and version, or recover it.',
  },
  KeyNotInToken: {
    status: 500,
    when: 'The key is not in the token.',
    remedy: 'Restore the token from its backup, or put the right token back.',
  },
  KeyNotYetValid: {
    when: 'The key is not valid yet.',
    remedy: 'Use another, or change its attributes.',
  },
  KeyOperationForbidden: {
    when: 'The key’s key_ops do not include the operation.',
    remedy: 'Use another key, or update its key_ops.',
  },
  KeyOperationNotSupported: {
    status: 400,
    when: 'The token does not support the algorithm.',
    remedy: 'Use another algorithm or token.',
  },
  KeyReleaseDenied: {
    when: 'A claim of the attestation token does not meet the release policy.',
    remedy: 'Compare the token’s claims with the policy.',
  },
  KeystoreChanged: {
    status: 500,
    when: 'The vault’s keys are not in the configured keystore.',
    remedy: 'Configure the keystore that they were created in.',
  },
  KeystoreConfigurationInvalid: {
    status: 500,
    when: 'The configuration of the keystore is not valid.',
    remedy: 'See docs/explanation/vault.md#where-keys-are-kept.',
  },
  LogCut: {
    when: 'The operations log is shorter than it was.',
    remedy: 'Find out who wrote to the store of the vault.',
  },
  LogForked: {
    when: 'The operations log is not the one it was.',
    remedy: 'Find out who wrote to the store of the vault.',
  },
  MethodNotAllowed: {
    status: 405,
    when: 'The request purges a vault that has purge protection.',
    remedy: 'Recover it, or wait.',
  },
  NotFound: {
    status: 404,
    when: 'Nothing answers at this path; a managed HSM has keys only.',
    remedy: 'Use a vault for secrets.',
  },
  NotOffered: {
    status: 501,
    when: 'Vaults keep no storage accounts.',
    remedy: 'Upload and download disks at the addresses of az disk grant-access.',
  },
  ObjectIsDeletedButRecoverable: {
    when: 'The name belongs to a deleted object.',
    remedy: 'Recover or purge it first.',
  },
  OperationLogAltered: {
    status: 503,
    when: 'The operations log was altered outside the service, so operations are refused.',
    remedy: 'Find out who wrote to the store, and restore its last state.',
  },
  OperationLogUnavailable: {
    status: 503,
    when: 'The operations log cannot be written, so operations are refused.',
    remedy: 'Check that the store is writable and has free space.',
  },
  Pkcs11BindingMissing: {
    status: 500,
    when: 'The PKCS#11 binding was not built.',
    remedy: 'Install g++, make and python3, then run npm rebuild pkcs11js.',
  },
  Pkcs11ModuleMissing: {
    status: 500,
    when: 'The PKCS#11 module does not exist.',
    remedy: 'Install it, or correct the keystore’s configuration.',
  },
  Pkcs11ModuleUnusable: {
    status: 500,
    when: 'The PKCS#11 module does not start.',
    remedy: 'Try it with pkcs11-tool, and check its log.',
  },
  PlacementOver: {
    status: 409,
    when: 'The VM of a platform key is placed on another host than the one asking for the key, or under a later epoch.',
    remedy: 'None needed: a host that lost a VM no longer gets its key.',
  },
  RootMismatch: {
    when: 'The head of the operations log is not the last one signed.',
    remedy: 'Find out who wrote to the store of the vault.',
  },
  SecretDisabled: {
    when: 'The secret is disabled.',
    remedy: 'Enable it, or use another.',
  },
  SecretExpired: {
    when: 'The secret has expired.',
    remedy: 'Use another, or change its attributes.',
  },
  SecretNotFound: {
    status: 404,
    when: 'There is no such secret.',
    remedy: 'Check its name and version, or recover it.',
  },
  SecretNotYetValid: {
    when: 'The secret is not valid yet.',
    remedy: 'Use another, or change its attributes.',
  },
  SecretUnreadable: {
    status: 500,
    when: 'The stored secret or the master key was changed.',
    remedy: 'Restore the state directory and the master key from the same backup.',
  },
  SettingsChanged: {
    when: 'The attested settings of a platform key’s VM (account, SSH keys, data) are not those of its first release.',
    remedy: 'Start the VM with the settings that it was made with.',
  },
  Throttled: {
    status: 429,
    when: 'The vault received too many requests.',
    remedy: 'Wait for the time in Retry-After.',
  },
  TileNotFound: {
    status: 404,
    when: 'The operations log has no such tile.',
    remedy: 'Read the checkpoint, and ask for tiles of its size.',
  },
  TokenChanged: {
    status: 503,
    when: 'The token is not the one the keys were created in.',
    remedy: 'Reconnect the token that has the keys.',
  },
  TokenMissing: {
    status: 503,
    when: 'The token is not present.',
    remedy: 'Connect it, or correct the keystore’s configuration.',
  },
  TokenPinLocked: {
    status: 500,
    when: 'The PIN of the token is locked.',
    remedy: 'Unlock it with its vendor’s tools.',
  },
  TokenPinMissing: {
    status: 500,
    when: 'No PIN was given for the token.',
    remedy: 'Put it into a file of mode 0600 and pass the file’s path.',
  },
  TokenPinWrong: {
    status: 500,
    when: 'The PIN of the token is wrong.',
    remedy: 'Correct the file with the PIN.',
  },
  TokenUnavailable: {
    status: 503,
    when: 'The token does not answer.',
    remedy: 'Reconnect it, then repeat the request.',
  },
  VaultAlreadyExists: {
    status: 409,
    when: 'The name of the vault is in use.',
    remedy: 'Use another name.',
  },
  VaultNameNotValid: {
    status: 400,
    when: 'The name of the vault has characters or a length that is not allowed.',
    remedy: 'Use another name.',
  },
  VaultNotFound: {
    status: 404,
    when: 'There is no such vault.',
    remedy: 'Check its name, or recover it if it was deleted.',
  },
  VaultRequestTypeLimitReached: {
    when: 'Too many requests of one kind.',
    remedy: 'Wait for the time in Retry-After.',
  },
} as const
