import {
  vaultDefaults,
  type VaultAccessPolicy,
  type VaultNetworkRules,
  type VaultPermissions,
} from '@strongroom/contract'
import type { Fields } from '../../arm/fields.ts'
import { samePolicyHolder, type VaultSettings } from './vault-model.ts'

/** Azure's permissions, in lower case. */
const permissions: Record<keyof VaultPermissions, string[]> = {
  keys: (
    'all encrypt decrypt wrapkey unwrapkey sign verify get list create update import delete backup restore recover ' +
    'purge release rotate getrotationpolicy setrotationpolicy'
  ).split(' '),
  secrets: 'all get list set delete backup restore recover purge'.split(' '),
  certificates: (
    'all get list delete create import update managecontacts getissuers listissuers setissuers deleteissuers ' +
    'manageissuers recover purge backup restore'
  ).split(' '),
  storage:
    'all get list delete set update regeneratekey recover purge backup restore setsas listsas getsas deletesas'.split(
      ' ',
    ),
}
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const policyLimit = 1024

/** An existing one is not recovered. */
export function refuseRecovery(properties: Fields): void {
  if (properties.oneOf('createMode', ['default', 'recover']) === 'recover')
    invalid(properties, properties.at('createMode'), 'default: it exists', 'recover')
}

const fresh: VaultSettings = { ...vaultDefaults, tenantId: '' }

/**
 * The settings in a request. A PUT starts from Azure's defaults, but irreversible settings (retention and purge
 * protection) and the permission model stay if omitted; a PATCH starts from the existing ones. Problems are added to
 * `fields`.
 */
export function readVaultRequest(
  fields: Fields,
  o: { tenantId: string; existing?: VaultSettings | undefined; patch: boolean },
): VaultSettings {
  const { existing } = o
  const base = o.patch && existing ? existing : fresh
  const properties = fields.object('properties')
  const tenantId = properties.text('tenantId') ?? base.tenantId
  if (tenantId.toLowerCase() !== o.tenantId.toLowerCase()) {
    invalid(fields, properties.at('tenantId'), `the tenant of this installation, ${o.tenantId}`, tenantId || 'none')
  }
  const sku =
    properties.has('sku') || !o.patch ? properties.object('sku').oneOf('name', ['standard', 'premium']) : base.sku
  if (sku === undefined) invalid(fields, properties.at('sku.name'), 'standard or premium', 'none')
  if (properties.flag('enableSoftDelete') === false) {
    invalid(fields, properties.at('enableSoftDelete'), 'true: soft delete cannot be turned off', 'false')
  }
  const retention = properties.integer('softDeleteRetentionInDays', 7, 90)
  if (existing && retention !== undefined && retention !== existing.softDeleteRetentionInDays) {
    invalid(
      fields,
      properties.at('softDeleteRetentionInDays'),
      `${existing.softDeleteRetentionInDays}: it cannot be modified once set`,
      String(retention),
    )
  }
  const protection = properties.flag('enablePurgeProtection')
  if (existing?.enablePurgeProtection === true && protection === false) {
    invalid(fields, properties.at('enablePurgeProtection'), 'true: enabling it is irreversible', 'false')
  }
  const flag = (name: 'enabledForDeployment' | 'enabledForDiskEncryption' | 'enabledForTemplateDeployment'): boolean =>
    properties.flag(name) ?? base.resource[name]
  return {
    tenantId: o.tenantId,
    sku: sku ?? 'standard',
    enableRbacAuthorization: properties.flag('enableRbacAuthorization') ?? (existing ?? base).enableRbacAuthorization,
    accessPolicies: properties.has('accessPolicies') ? readAccessPolicies(properties, o.tenantId) : base.accessPolicies,
    resource: {
      tags: fields.textMap('tags') ?? base.resource.tags,
      enabledForDeployment: flag('enabledForDeployment'),
      enabledForDiskEncryption: flag('enabledForDiskEncryption'),
      enabledForTemplateDeployment: flag('enabledForTemplateDeployment'),
    },
    softDeleteRetentionInDays: existing?.softDeleteRetentionInDays ?? retention ?? base.softDeleteRetentionInDays,
    enablePurgeProtection: existing?.enablePurgeProtection === true || (protection ?? false),
    publicNetworkAccess: properties.oneOf('publicNetworkAccess', ['Enabled', 'Disabled']) ?? base.publicNetworkAccess,
    networkRules: properties.has('networkAcls') ? readNetworkRules(properties) : base.networkRules,
  }
}

/** `accessPolicies` of the properties. */
export function readAccessPolicies(properties: Fields, tenantId: string): VaultAccessPolicy[] {
  const read = properties.list('accessPolicies', 2_048).map((entry) => {
    const tenant = entry.text('tenantId') ?? ''
    if (tenant.toLowerCase() !== tenantId.toLowerCase()) {
      invalid(properties, entry.at('tenantId'), `the tenant of this installation, ${tenantId}`, tenant || 'none')
    }
    const objectId = entry.text('objectId') ?? ''
    if (!guid.test(objectId))
      invalid(properties, entry.at('objectId'), 'the object id of a principal', objectId || 'none')
    const applicationId = entry.text('applicationId')
    if (applicationId !== undefined && !guid.test(applicationId)) {
      invalid(properties, entry.at('applicationId'), 'the id of an application', applicationId)
    }
    const given = entry.object('permissions')
    const list = (kind: keyof VaultPermissions): string[] =>
      [...new Set(given.texts(kind, 100).map((name) => name.toLowerCase()))].filter((name) => {
        const known = permissions[kind].includes(name)
        if (!known) invalid(properties, given.at(kind), permissions[kind].join(', '), name)
        return known
      })
    return {
      tenantId,
      objectId: objectId.toLowerCase(),
      ...(applicationId !== undefined && { applicationId: applicationId.toLowerCase() }),
      permissions: {
        keys: list('keys'),
        secrets: list('secrets'),
        certificates: list('certificates'),
        storage: list('storage'),
      },
    }
  })
  if (read.length > policyLimit) {
    invalid(properties, properties.at('accessPolicies'), `at most ${policyLimit}`, String(read.length))
  }
  for (const [index, policy] of read.entries()) {
    if (!read.slice(0, index).some((other) => samePolicyHolder(other, policy))) continue
    invalid(properties, properties.at(`accessPolicies[${index}]`), 'one policy per principal', 'a second one')
  }
  return read
}

/** `az keyvault set-policy` and templates: merges one list into another. */
export function mergedPolicies(
  kind: 'add' | 'replace' | 'remove',
  existing: VaultAccessPolicy[],
  given: VaultAccessPolicy[],
): VaultAccessPolicy[] {
  const others = existing.filter((policy) => !given.some((other) => samePolicyHolder(other, policy)))
  if (kind === 'replace') return [...others, ...given]
  const changed = given.flatMap((policy) => {
    const before = existing.find((other) => samePolicyHolder(other, policy))
    if (before === undefined) return kind === 'add' ? [policy] : []
    const both = (list: keyof VaultPermissions): string[] =>
      kind === 'add'
        ? [...new Set([...before.permissions[list], ...policy.permissions[list]])]
        : before.permissions[list].filter((name) => !policy.permissions[list].includes(name))
    return [
      {
        ...before,
        permissions: {
          keys: both('keys'),
          secrets: both('secrets'),
          certificates: both('certificates'),
          storage: both('storage'),
        },
      },
    ]
  })
  const gives = ({ permissions: held }: VaultAccessPolicy): boolean =>
    (Object.keys(permissions) as (keyof VaultPermissions)[]).some((kind) => held[kind].length > 0)
  return [...others, ...changed.filter((policy) => kind === 'add' || gives(policy))]
}

function readNetworkRules(properties: Fields): VaultNetworkRules {
  const acls = properties.object('networkAcls')
  const virtual = acls.list('virtualNetworkRules', 200)
  if (virtual.length > 0) {
    invalid(properties, acls.at('virtualNetworkRules'), 'no rules: guests reach vaults through the host', 'a rule')
  }
  return {
    bypass: acls.oneOf('bypass', ['AzureServices', 'None']) ?? 'AzureServices',
    defaultAction: acls.oneOf('defaultAction', ['Allow', 'Deny']) ?? 'Allow',
    ipRules: acls.list('ipRules', 1_000).map((rule) => rule.text('value') ?? ''),
  }
}

/** A problem of the request's content. */
export function invalid(fields: Fields, target: string, expected: string, found: string): void {
  fields.problem({
    code: 'BadRequest',
    message: `The parameter ${target} has an invalid value.`,
    target,
    expected,
    found: found.slice(0, 80),
    remedy: 'Correct the request, then repeat it.',
  })
}
