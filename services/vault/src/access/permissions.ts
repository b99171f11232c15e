/** What a caller may be allowed to do with keys. */
export type KeyPermission =
  | 'get'
  | 'list'
  | 'create'
  | 'import'
  | 'update'
  | 'delete'
  | 'recover'
  | 'purge'
  | 'backup'
  | 'restore'
  | 'encrypt'
  | 'decrypt'
  | 'wrapKey'
  | 'unwrapKey'
  | 'sign'
  | 'verify'
  | 'release'
  | 'rotate'
  | 'getRotationPolicy'
  | 'setRotationPolicy'
  | 'getRandomBytes'
  | 'advanceGuestStateGeneration'
  | 'readOperationLog'

type ObjectPermission = 'get' | 'list' | 'update' | 'delete' | 'recover' | 'purge' | 'backup' | 'restore'
type SecretPermission = `secrets/${ObjectPermission | 'set'}`
type CertificatePermission = `certificates/${ObjectPermission | 'create' | 'import' | 'manageContacts'}`

export type Permission = KeyPermission | SecretPermission | CertificatePermission

interface Rule {
  /** Azure RBAC's data action, without the prefix `Microsoft.KeyVault/vaults/`. */
  action: string
  /** Access policies: which list, and the permission in it. */
  list: 'keys' | 'secrets' | 'certificates'
  permission: string
}

const key = (action: string, permission: string): Rule => ({ action, list: 'keys', permission })
const secret = (action: string, permission: string): Rule => ({ action, list: 'secrets', permission })
const certificate = (action: string, permission: string): Rule => ({ action, list: 'certificates', permission })

/**
 * Data actions of Azure's built-in roles and permissions of its access policies. Rights that Azure lacks use the
 * closest existing one: listing keys includes reading their operations, random bytes disclose less than a key's
 * attributes, and counting a guest state requires the right to release.
 */
export const permissionRules: Record<Permission, Rule> = {
  get: key('keys/read', 'get'),
  list: key('keys/read', 'list'),
  create: key('keys/create/action', 'create'),
  import: key('keys/import/action', 'import'),
  update: key('keys/update/action', 'update'),
  delete: key('keys/delete', 'delete'),
  recover: key('keys/recover/action', 'recover'),
  purge: key('keys/purge/action', 'purge'),
  backup: key('keys/backup/action', 'backup'),
  restore: key('keys/restore/action', 'restore'),
  encrypt: key('keys/encrypt/action', 'encrypt'),
  decrypt: key('keys/decrypt/action', 'decrypt'),
  wrapKey: key('keys/wrap/action', 'wrapkey'),
  unwrapKey: key('keys/unwrap/action', 'unwrapkey'),
  sign: key('keys/sign/action', 'sign'),
  verify: key('keys/verify/action', 'verify'),
  release: key('keys/release/action', 'release'),
  rotate: key('keys/rotate/action', 'rotate'),
  getRotationPolicy: key('keyrotationpolicies/read', 'getrotationpolicy'),
  setRotationPolicy: key('keyrotationpolicies/write', 'setrotationpolicy'),
  getRandomBytes: key('keys/read', 'get'),
  advanceGuestStateGeneration: key('keys/release/action', 'release'),
  readOperationLog: key('keys/read', 'list'),
  'secrets/get': secret('secrets/getSecret/action', 'get'),
  'secrets/list': secret('secrets/readMetadata/action', 'list'),
  'secrets/set': secret('secrets/setSecret/action', 'set'),
  'secrets/update': secret('secrets/update/action', 'set'),
  'secrets/delete': secret('secrets/delete', 'delete'),
  'secrets/recover': secret('secrets/recover/action', 'recover'),
  'secrets/purge': secret('secrets/purge/action', 'purge'),
  'secrets/backup': secret('secrets/backup/action', 'backup'),
  'secrets/restore': secret('secrets/restore/action', 'restore'),
  'certificates/get': certificate('certificates/read', 'get'),
  'certificates/list': certificate('certificates/read', 'list'),
  'certificates/create': certificate('certificates/create/action', 'create'),
  'certificates/import': certificate('certificates/import/action', 'import'),
  'certificates/update': certificate('certificates/update/action', 'update'),
  'certificates/delete': certificate('certificates/delete', 'delete'),
  'certificates/recover': certificate('certificates/recover/action', 'recover'),
  'certificates/purge': certificate('certificates/purge/action', 'purge'),
  'certificates/backup': certificate('certificates/backup/action', 'backup'),
  'certificates/restore': certificate('certificates/restore/action', 'restore'),
  'certificates/manageContacts': certificate('certificatecontacts/write', 'managecontacts'),
}
