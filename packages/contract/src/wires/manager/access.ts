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
    /** Only where the principal acts through this application. */
    applicationId: optional(anyText),
  }),
)
/** Who may use what is in the vault now. */
export type VaultUser = TypeOf<typeof user>

const grantor = named('VaultGrantor', object({ principalId: anyText, role, action: anyText }))
/** Who may make anybody a user of the vault, by the action: himself too. */
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
/** Whom a vault lets at its keys and secrets, and who may let in himself or others. */
export type VaultAccess = TypeOf<typeof vaultAccess>
