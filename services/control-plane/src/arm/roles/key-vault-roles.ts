import type { RoleDefinition } from './role-definition.ts'

const vaultReads = [
  'Microsoft.KeyVault/checkNameAvailability/read',
  'Microsoft.KeyVault/deletedVaults/read',
  'Microsoft.KeyVault/locations/*/read',
  'Microsoft.KeyVault/vaults/*/read',
  'Microsoft.KeyVault/vaults/read',
  'Microsoft.KeyVault/operations/read',
]
const groupReads = ['Microsoft.Resources/subscriptions/resourceGroups/read']
const data = (...names: string[]): string[] => names.map((name) => `Microsoft.KeyVault/vaults/${name}`)

const given: (Pick<RoleDefinition, 'id' | 'name' | 'description'> & Partial<RoleDefinition>)[] = [
  {
    id: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
    name: 'Key Vault Administrator',
    description:
      'Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and ' +
      'secrets. Cannot manage key vault resources or manage role assignments. Only works for key vaults that use ' +
      "the 'Azure role-based access control' permission model.",
    actions: [...groupReads, ...vaultReads],
    dataActions: data('*'),
  },
  {
    id: 'f25e0fa2-a7c4-4377-a976-54943a77a395',
    name: 'Key Vault Contributor',
    description: 'Lets you manage key vaults, but not access to them.',
    actions: [...groupReads, 'Microsoft.KeyVault/*'],
    notActions: [
      'Microsoft.KeyVault/locations/deletedVaults/purge/action',
      'Microsoft.KeyVault/hsmPools/*',
      'Microsoft.KeyVault/managedHsms/*',
    ],
  },
  {
    id: '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
    name: 'Key Vault Crypto Officer',
    description:
      'Perform any action on the keys of a key vault, except manage permissions. Only works for key vaults that ' +
      "use the 'Azure role-based access control' permission model.",
    actions: [...groupReads, ...vaultReads],
    dataActions: data('keys/*', 'keyrotationpolicies/*'),
  },
  {
    id: '12338af0-0e69-4776-bea7-57ae8d297424',
    name: 'Key Vault Crypto User',
    description:
      "Perform cryptographic operations using keys. Only works for key vaults that use the 'Azure role-based " +
      "access control' permission model.",
    dataActions: data(
      'keys/read',
      'keys/update/action',
      'keys/backup/action',
      'keys/encrypt/action',
      'keys/decrypt/action',
      'keys/wrap/action',
      'keys/unwrap/action',
      'keys/sign/action',
      'keys/verify/action',
    ),
  },
  {
    id: 'e147488a-f6f5-4113-8e2d-b22465e65bf6',
    name: 'Key Vault Crypto Service Encryption User',
    description:
      "Read metadata of keys and perform wrap/unwrap operations. Only works for key vaults that use the 'Azure " +
      "role-based access control' permission model.",
    dataActions: data('keys/read', 'keys/wrap/action', 'keys/unwrap/action'),
  },
  {
    id: '08bbd89e-9f13-488c-ac41-acfcb10c90ab',
    name: 'Key Vault Crypto Service Release User',
    description:
      "Release keys. Only works for key vaults that use the 'Azure role-based access control' permission model.",
    dataActions: data('keys/release/action'),
  },
  {
    id: '21090545-7ca7-4776-b22c-e363652d74d2',
    name: 'Key Vault Reader',
    description:
      'Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values such as ' +
      "secret contents or key material. Only works for key vaults that use the 'Azure role-based access control' " +
      'permission model.',
    actions: [...groupReads, ...vaultReads],
    dataActions: data('*/read', 'secrets/readMetadata/action'),
  },
  {
    id: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
    name: 'Key Vault Secrets Officer',
    description:
      'Perform any action on the secrets of a key vault, except manage permissions. Only works for key vaults ' +
      "that use the 'Azure role-based access control' permission model.",
    actions: [...groupReads, ...vaultReads],
    dataActions: data('secrets/*'),
  },
  {
    id: 'a4417e6f-fecd-4de8-b567-7b0420556985',
    name: 'Key Vault Certificates Officer',
    description:
      'Perform any action on the certificates of a key vault, except manage permissions. Only works for key ' +
      "vaults that use the 'Azure role-based access control' permission model.",
    actions: [...groupReads, ...vaultReads],
    dataActions: data('certificatecas/*', 'certificates/*', 'certificatecontacts/write'),
  },
  {
    id: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
    name: 'Key Vault Certificate User',
    description:
      "Read certificate contents. Only works for key vaults that use the 'Azure role-based access control' permission model.",
    dataActions: data('certificates/read', 'secrets/getSecret/action', 'secrets/readMetadata/action', 'keys/read'),
  },
  {
    id: '4633458b-17de-408a-b874-0445c86b69e6',
    name: 'Key Vault Secrets User',
    description:
      "Read secret contents. Only works for key vaults that use the 'Azure role-based access control' permission model.",
    dataActions: data('secrets/getSecret/action', 'secrets/readMetadata/action'),
  },
]

const none = { actions: [], notActions: [], dataActions: [], notDataActions: [] }

/** Azure's built-in roles for vaults, with Azure's ids and data actions. */
export const keyVaultRoles: RoleDefinition[] = given.map((role) => ({ ...none, ...role }))
