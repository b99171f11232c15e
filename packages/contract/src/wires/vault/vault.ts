import {
  anyText,
  flag,
  integer,
  list,
  map,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { firmwareUpdates } from '../elements/names.ts'

/** Which firmware a VM's owner allows, from the installation's signed list (docs/design/0020-firmware-updates.md). */
export const vmFirmware = named('VmFirmware', object({ updates: oneOf(...firmwareUpdates) }))
export type VmFirmware = TypeOf<typeof vmFirmware>

export const guid: Shape<string> = text(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, 'a GUID')
export const resourceId: Shape<string> = upTo(1024, 'the id of a resource', /^\/subscriptions\/[^\r\n]+$/)
export const region: Shape<string> = text(/^[a-z0-9]{1,40}$/, 'a region')
const permissionNames = list(text(/^[a-z]{1,40}$/, 'a permission in lower case'), { most: 64 })
const dataActions = list(text(/^[A-Za-z0-9./*]{1,200}$/, 'a data action'), { most: 256 })
/** Days, as Azure allows. */
export const retention: Shape<number> = integer(7, 90)

export const permissions = object({
  keys: permissionNames,
  secrets: permissionNames,
  certificates: permissionNames,
  storage: permissionNames,
})
/** Permissions of an access policy, with Azure's spelling in lower case; `all` grants every one. */
export type VaultPermissions = TypeOf<typeof permissions>

const accessPolicy = named(
  'VaultAccessPolicy',
  object({
    tenantId: guid,
    objectId: guid,
    /** Only if the principal acts through this application. */
    applicationId: optional(guid),
    permissions,
  }),
)
export type VaultAccessPolicy = TypeOf<typeof accessPolicy>

const grant = named(
  'VaultGrant',
  object({
    principalId: guid,
    /** Relative to the vault: '' is all of it, else for example `keys/disk` or `secrets/password`. */
    object: text(
      /^((keys|secrets|certificates)\/[a-z0-9-]{1,127})?$/,
      'nothing, keys/NAME, secrets/NAME or certificates/NAME',
    ),
    dataActions,
    notDataActions: dataActions,
  }),
)
/** A role assignment that applies to the vault, with the role's data actions. */
export type VaultGrant = TypeOf<typeof grant>

const networkRules = object({
  bypass: oneOf('AzureServices', 'None'),
  defaultAction: oneOf('Allow', 'Deny'),
  /** IPv4 or IPv6 addresses and CIDR ranges that are allowed when the default is to deny. */
  ipRules: list(text(/^[0-9a-fA-F.:]{2,45}(\/\d{1,3})?$/, 'an address or a range such as 203.0.113.0/24'), {
    most: 1000,
  }),
})
export type VaultNetworkRules = TypeOf<typeof networkRules>

/** A vault's definition: stored and sent by the resource manager, and the basis of the key service's decisions. */
const members = {
  resourceId,
  location: region,
  tenantId: guid,
  sku: oneOf('standard', 'premium'),
  enableRbacAuthorization: flag,
  /** In effect only without RBAC. */
  accessPolicies: list(accessPolicy, { most: 1024 }),
  /** In effect only with RBAC. */
  grants: list(grant, { most: 10_000 }),
  /** Members of the resource that the data plane ignores; stored for the vault's recovery. */
  resource: object({
    tags: map(upTo(256), { most: 50 }),
    enabledForDeployment: flag,
    enabledForDiskEncryption: flag,
    enabledForTemplateDeployment: flag,
  }),
  softDeleteRetentionInDays: retention,
  enablePurgeProtection: flag,
  publicNetworkAccess: oneOf('Enabled', 'Disabled'),
  networkRules,
}
const vaultDefinition = object(members)
export type VaultDefinition = TypeOf<typeof vaultDefinition>

export const vaultChange = named(
  'VaultChange',
  object({
    ...members,
    /** The vault's resource id before a move to another group. Any other vault of the name is refused. */
    movedFrom: optional(resourceId),
  }),
)
export type VaultChange = TypeOf<typeof vaultChange>

const recorded = { ...members, name: anyText, createdAt: anyText }
export const vaultRecord = named('VaultRecord', object(recorded))
export type VaultRecord = TypeOf<typeof vaultRecord>

/** When it was deleted, and when it is purged. */
export const deletion = { deletionDate: anyText, scheduledPurgeDate: anyText }
export const deletedVaultRecord = named('DeletedVaultRecord', object({ ...recorded, ...deletion }))
export type DeletedVaultRecord = TypeOf<typeof deletedVaultRecord>

export const nameAvailability = named(
  'VaultNameAvailability',
  object({
    nameAvailable: flag,
    reason: optional(oneOf('AccountNameInvalid', 'AlreadyExists')),
    message: optional(anyText),
  }),
)
export type VaultNameAvailability = TypeOf<typeof nameAvailability>
