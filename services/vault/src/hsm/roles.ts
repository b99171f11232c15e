/** A role of a managed HSM: the data actions it grants. */
export interface RoleDefinition {
  /** GUID, lower case. */
  id: string
  roleName: string
  description: string
  type: 'AKVBuiltInRole' | 'CustomRole'
  dataActions: string[]
  notDataActions: string[]
}

const prefix = 'Microsoft.KeyVault/managedHsm/'

const words = (text: string): string[] => text.split(' ').map((word) => `${prefix}${word}`)

const roleManagement = [
  ...words('roleAssignments/delete/action roleAssignments/read/action roleAssignments/write/action'),
  ...words('roleDefinitions/read/action roleDefinitions/write/action roleDefinitions/delete/action'),
]
const roleReading = words('roleDefinitions/read/action roleAssignments/read/action')

function builtIn(id: string, roleName: string, description: string, dataActions: string[]): RoleDefinition {
  return { id, roleName, description, type: 'AKVBuiltInRole', dataActions, notDataActions: [] }
}

export const administratorRole = 'a290e904-7015-4bba-90c8-60543313cdb4'

/** Azure's built-in roles of a managed HSM, with their ids and data actions. */
export const builtInRoles: RoleDefinition[] = [
  builtIn(
    administratorRole,
    'Managed HSM Administrator',
    'Security domain, full backup and restore, settings, and roles. No use of keys.',
    [
      ...roleManagement,
      ...words('securitydomain/download/action securitydomain/download/read securitydomain/upload/action'),
      ...words('securitydomain/upload/read securitydomain/transferkey/read'),
      ...words('backup/start/action restore/start/action backup/status/action restore/status/action'),
      ...words('settings/read/action settings/write/action'),
    ],
  ),
  builtIn('515eb02d-2335-4d2d-92f2-b1cbdf9c3778', 'Managed HSM Crypto Officer', 'Roles, and deleted keys.', [
    ...roleManagement,
    ...words('keys/deletedKeys/read/action keys/deletedKeys/delete keys/deletedKeys/recover/action keys/export/action'),
  ]),
  builtIn('21dbd100-6940-42c2-9190-5d6cb909625b', 'Managed HSM Crypto User', 'Keys, except purging and recovering.', [
    ...roleReading,
    ...words('keys/read/action keys/write/action keys/delete keys/create keys/import/action keys/release/action'),
    ...words('keys/backup/action keys/restore/action keys/encrypt/action keys/decrypt/action keys/wrap/action'),
    ...words('keys/unwrap/action keys/sign/action keys/verify/action keys/rotate/action rng/action'),
  ]),
  builtIn('4bd23610-cdcf-4971-bdee-bdc562cc28e4', 'Managed HSM Policy Administrator', 'Roles.', roleManagement),
  builtIn('2c18b078-7c48-4d3a-af88-5a3a1b3f82b3', 'Managed HSM Crypto Auditor', 'Attributes of keys, not their use.', [
    ...roleReading,
    ...words('keys/read/action keys/deletedKeys/read/action'),
  ]),
  builtIn(
    '33413926-3206-4cdd-b39a-83574fe37a17',
    'Managed HSM Crypto Service Encryption User',
    'Wraps and unwraps with a key, for a service’s encryption.',
    words('keys/read/action keys/wrap/action keys/unwrap/action'),
  ),
  builtIn(
    '21dbd100-6940-42c2-9190-5d6cb909625c',
    'Managed HSM Crypto Service Release User',
    'Releases a key to a trusted environment.',
    words('keys/release/action'),
  ),
  builtIn(
    '7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8',
    'Managed HSM Backup User',
    'Backs up a key or the whole HSM.',
    words('backup/start/action backup/status/action keys/backup/action'),
  ),
  builtIn('6efe6056-5259-49d2-8b3d-d3d70544b20b', 'Managed HSM Restore', 'Restores a key or the whole HSM.', [
    ...words('restore/start/action restore/status/action keys/restore/action'),
  ]),
]

/** Every data action that a role may name. */
export const knownActions: string[] = [...new Set(builtInRoles.flatMap(({ dataActions }) => dataActions))]

export const hsmAction = (action: string): string => `${prefix}${action}`
