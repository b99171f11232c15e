import { BlockList, isIP } from 'node:net'
import type { VaultAccessPolicy, VaultDefinition, VaultGrant, VaultPermissions } from '@strongroom/contract'
import { badParameter, shown } from '../errors.ts'

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const resourceIdForm = /^\/subscriptions\/.{1,1024}$/
const limits = { policies: 1024, grants: 10_000, ipRules: 1000 }

/**
 * Reads what the resource manager says of a vault. Whatever is missing or not understood is refused: access is decided by it.
 * @throws ServiceError 400 BadParameter with the place
 */
export function parseVaultDefinition(body: unknown): VaultDefinition {
  const o = objectAt(body, 'body')
  const network = objectAt(o.networkRules, 'networkRules')
  return {
    resourceId: textAt(o.resourceId, 'resourceId', resourceIdForm),
    location: textAt(o.location, 'location', /^[a-z0-9]{1,40}$/),
    tenantId: textAt(o.tenantId, 'tenantId', guid),
    sku: oneOf(o.sku, 'sku', ['standard', 'premium']),
    enableRbacAuthorization: flagAt(o.enableRbacAuthorization, 'enableRbacAuthorization'),
    accessPolicies: listAt(o.accessPolicies, 'accessPolicies', limits.policies).map(accessPolicyAt),
    grants: listAt(o.grants, 'grants', limits.grants).map(grantAt),
    resource: resourceAt(o.resource),
    softDeleteRetentionInDays: daysAt(o.softDeleteRetentionInDays),
    enablePurgeProtection: flagAt(o.enablePurgeProtection, 'enablePurgeProtection'),
    publicNetworkAccess: oneOf(o.publicNetworkAccess, 'publicNetworkAccess', ['Enabled', 'Disabled']),
    networkRules: {
      bypass: oneOf(network.bypass, 'networkRules.bypass', ['AzureServices', 'None']),
      defaultAction: oneOf(network.defaultAction, 'networkRules.defaultAction', ['Allow', 'Deny']),
      ipRules: listAt(network.ipRules, 'networkRules.ipRules', limits.ipRules).map((value, index) =>
        rangeAt(value, `networkRules.ipRules[${index}]`),
      ),
    },
  }
}

/** The id that a vault had until it was moved. @throws ServiceError 400 BadParameter */
export function parseMovedFrom(body: unknown): string | undefined {
  const given = objectAt(body, 'body').movedFrom
  return given === undefined ? undefined : textAt(given, 'movedFrom', resourceIdForm)
}

/** Whether an address lies in one of the ranges. IPv4 peers may come as IPv6-mapped addresses. */
export function inRanges(address: string, ranges: string[]): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  const family = isIP(plain)
  if (family === 0) return false
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  return list.check(plain, family === 4 ? 'ipv4' : 'ipv6')
}

function addRange(list: BlockList, range: string): void {
  const [network = '', prefix] = range.split('/')
  const type = isIP(network) === 4 ? 'ipv4' : 'ipv6'
  if (prefix === undefined) list.addAddress(network, type)
  else list.addSubnet(network, Number(prefix), type)
}

function rangeAt(value: unknown, place: string): string {
  const text = textAt(value, place, /^[0-9a-fA-F.:]{2,45}(\/\d{1,3})?$/)
  try {
    addRange(new BlockList(), text)
  } catch {
    throw invalid(place, 'an address or a range such as 203.0.113.0/24', text)
  }
  return text
}

function accessPolicyAt(value: unknown, index: number): VaultAccessPolicy {
  const place = `accessPolicies[${index}]`
  const o = objectAt(value, place)
  const permissions = objectAt(o.permissions, `${place}.permissions`)
  const list = (kind: keyof VaultPermissions): string[] =>
    listAt(permissions[kind], `${place}.permissions.${kind}`, 64).map((entry, at) =>
      textAt(entry, `${place}.permissions.${kind}[${at}]`, /^[a-z]{1,40}$/),
    )
  return {
    tenantId: textAt(o.tenantId, `${place}.tenantId`, guid),
    objectId: textAt(o.objectId, `${place}.objectId`, guid).toLowerCase(),
    ...(o.applicationId !== undefined && {
      applicationId: textAt(o.applicationId, `${place}.applicationId`, guid).toLowerCase(),
    }),
    permissions: {
      keys: list('keys'),
      secrets: list('secrets'),
      certificates: list('certificates'),
      storage: list('storage'),
    },
  }
}

function grantAt(value: unknown, index: number): VaultGrant {
  const place = `grants[${index}]`
  const o = objectAt(value, place)
  const actions = (name: 'dataActions' | 'notDataActions'): string[] =>
    listAt(o[name], `${place}.${name}`, 256).map((entry, at) =>
      textAt(entry, `${place}.${name}[${at}]`, /^[A-Za-z0-9./*]{1,200}$/),
    )
  return {
    principalId: textAt(o.principalId, `${place}.principalId`, guid).toLowerCase(),
    object: textAt(o.object, `${place}.object`, /^((keys|secrets)\/[a-z0-9-]{1,127})?$/),
    dataActions: actions('dataActions'),
    notDataActions: actions('notDataActions'),
  }
}

function resourceAt(value: unknown): VaultDefinition['resource'] {
  const o = objectAt(value, 'resource')
  const flag = (name: string): boolean => flagAt(o[name], `resource.${name}`)
  const tags = Object.entries(objectAt(o.tags, 'resource.tags'))
  if (tags.length > 50) throw invalid('resource.tags', 'at most 50', String(tags.length))
  return {
    tags: Object.fromEntries(tags.map(([name, text]) => [name, textAt(text, 'resource.tags', /^[^]{0,256}$/)])),
    enabledForDeployment: flag('enabledForDeployment'),
    enabledForDiskEncryption: flag('enabledForDiskEncryption'),
    enabledForTemplateDeployment: flag('enabledForTemplateDeployment'),
  }
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw invalid(place, 'an object', shown(value))
}

function listAt(value: unknown, place: string, limit: number): unknown[] {
  if (!Array.isArray(value)) throw invalid(place, 'a list', shown(value))
  if (value.length > limit) throw invalid(place, `at most ${limit} entries`, String(value.length))
  return value
}

function textAt(value: unknown, place: string, form: RegExp): string {
  if (typeof value === 'string' && form.test(value)) return value
  throw invalid(place, `a text of the form ${form.source}`, shown(value))
}

function flagAt(value: unknown, place: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(place, 'true or false', shown(value))
}

function oneOf<const T extends string>(value: unknown, place: string, values: readonly T[]): T {
  const found = values.find((entry) => entry === value)
  if (found !== undefined) return found
  throw invalid(place, values.join(' or '), shown(value))
}

function daysAt(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 7 && value <= 90) return value
  throw invalid('softDeleteRetentionInDays', 'a whole number from 7 to 90', shown(value))
}

function invalid(target: string, expected: string, found: string): ReturnType<typeof badParameter> {
  return badParameter(`The definition of the vault is invalid at ${target}.`, { target, expected, found })
}
