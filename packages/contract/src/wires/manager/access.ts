import { anyText, list, named, object, oneOf, optional, upTo, type TypeOf } from '../../shape/index.ts'
import { permissions } from '../vault/vault.ts'

export const accessQuestion = named(
  'AccessQuestion',
  object({
    principalId: upTo(100),
    /** For example Microsoft.Attestation/attestationProviders/attestation/write. */
    action: upTo(200),
  }),
)
export type AccessQuestion = TypeOf<typeof accessQuestion>

const role = object({ name: anyText, scope: anyText })
const user = named(
  'VaultUser',
  object({
    principalId: anyText,
    /** Of a role. */
    role: optional(role),
    /** Of an access policy. */
    permissions: optional(permissions),
    /** Only if the principal acts through this application. */
    applicationId: optional(anyText),
  }),
)
/** A current user of the vault's contents. */
export type VaultUser = TypeOf<typeof user>

const grantor = named('VaultGrantor', object({ principalId: anyText, role, action: anyText }))
/** Someone whose rights allow making anybody a user of the vault, including themselves. */
export type VaultGrantor = TypeOf<typeof grantor>

export const vaultAccess = named(
  'VaultAccess',
  object({
    /** Resource id. */
    vault: anyText,
    permissionModel: oneOf('roles', 'accessPolicies'),
    users: list(user),
    grantors: list(grantor),
  }),
)
/** Users of a vault's keys and secrets, and those who can grant access to themselves or others. */
export type VaultAccess = TypeOf<typeof vaultAccess>
