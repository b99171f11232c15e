import type { EllipticCurve, KeyType } from '@strongroom/contract'
import { extendedUsages, keyUsageBits, type KeyUsage, type NameAttributes } from '@strongroom/der'
import { badParameter, shown } from '../core/errors.ts'
import { keyTypeOf } from '../keys/input.ts'
import type { KeySpec } from '../keystore/keystore.ts'
import { flagOf, objectOf } from '../objects/attributes.ts'
import type { Vault } from '../vaults/vault.ts'

const contentTypes = ['application/x-pkcs12', 'application/x-pem-file'] as const
export type ContentType = (typeof contentTypes)[number]

const sizes = [2048, 3072, 4096] as const
const curves: EllipticCurve[] = ['P-256', 'P-384', 'P-521', 'P-256K']
const limits = { months: 1200, names: 100, usages: 32, subject: 400 }

/** When a certificate is renewed automatically; either trigger suffices. */
interface LifetimeAction {
  trigger: { days_before_expiry?: number; lifetime_percentage?: number }
  /** `EmailContacts` is of an earlier release: nobody is mailed. */
  action: { action_type: 'AutoRenew' | 'EmailContacts' }
}

/** How a certificate is created and renewed. */
export interface CertificatePolicy {
  /** Whether the secret holds the private key. */
  exportable: boolean
  kty: KeyType
  spec: KeySpec
  reuseKey: boolean
  contentType: ContentType
  /** As given. */
  subject: string
  dnsNames: string[]
  emails: string[]
  /** Object identifiers. */
  ekus: string[]
  keyUsage: KeyUsage[]
  months: number
  lifetimeActions: LifetimeAction[]
  /** `Self`, or `Unknown` if the certificate was created or signed elsewhere. */
  issuer: 'Self' | 'Unknown'
}

const wrong = (target: string, expected: string, found: unknown): never => {
  throw badParameter('The certificate policy is not valid.', { target, expected, found: shown(found) })
}

/**
 * A policy in Key Vault's form, merged over the existing one for a change.
 * @param imported what an imported certificate determines: its key, subject and issuer are not the policy's choice
 * @throws ServiceError 400 BadParameter, 403 if the vault is of the standard tier
 */
export function parsePolicy(
  value: unknown,
  vault: Vault,
  before?: CertificatePolicy,
  imported?: Pick<CertificatePolicy, 'kty' | 'spec' | 'subject' | 'issuer'>,
): CertificatePolicy {
  const o = part(value, 'policy')
  const [key, x509] = [part(o.key_props, 'policy.key_props'), part(o.x509_props, 'policy.x509_props')]
  const sans = part(x509.sans, 'policy.x509_props.sans')
  for (const kind of ['upns', 'ip_addresses', 'uris'])
    if (texts(sans[kind], `policy.x509_props.sans.${kind}`).length > 0)
      wrong(`policy.x509_props.sans.${kind}`, 'only dns_names and emails', kind)
  const ownKey = imported ?? keyOf(key, vault, before)
  const dnsNames = given(sans.dns_names) ? dnsNamesOf(sans.dns_names) : (before?.dnsNames ?? [])
  const emails = given(sans.emails) ? emailsOf(sans.emails) : (before?.emails ?? [])
  const subject = imported?.subject ?? subjectOf(x509.subject, before)
  if (imported === undefined && subject === '' && dnsNames.length === 0)
    wrong('policy.x509_props.subject', 'a subject such as CN=example.com, or dns_names', 'neither')
  return {
    exportable: flagOf(key.exportable, 'policy.key_props.exportable') ?? before?.exportable ?? true,
    kty: ownKey.kty,
    spec: ownKey.spec,
    reuseKey: flagOf(key.reuse_key, 'policy.key_props.reuse_key') ?? before?.reuseKey ?? false,
    contentType: contentTypeOf(part(o.secret_props, 'policy.secret_props').contentType, before),
    subject,
    dnsNames,
    emails,
    ekus: given(x509.ekus)
      ? ekusOf(x509.ekus)
      : (before?.ekus ?? [extendedUsages.serverAuth, extendedUsages.clientAuth]),
    keyUsage: given(x509.key_usage)
      ? usagesOf(x509.key_usage)
      : (before?.keyUsage ?? ['digitalSignature', 'keyEncipherment']),
    months: monthsOf(x509.validity_months, before),
    lifetimeActions: given(o.lifetime_actions) ? actionsOf(o.lifetime_actions) : (before?.lifetimeActions ?? []),
    issuer: imported?.issuer ?? issuerOf(part(o.issuer, 'policy.issuer').name, before),
  }
}

const given = (value: unknown): boolean => value !== undefined && value !== null
const part = (value: unknown, target: string): Record<string, unknown> => (given(value) ? objectOf(value, target) : {})

function texts(value: unknown, target: string): string[] {
  if (!given(value)) return []
  const isList = Array.isArray(value) && value.length <= limits.names && value.every((each) => typeof each === 'string')
  return isList ? (value as string[]) : wrong(target, `a list of at most ${limits.names} strings`, typeof value)
}

function keyOf(
  o: Record<string, unknown>,
  vault: Vault,
  before: CertificatePolicy | undefined,
): Pick<CertificatePolicy, 'kty' | 'spec'> {
  if (!given(o.kty) && before !== undefined && !given(o.key_size) && !given(o.crv)) return before
  const kty = keyTypeOf(o.kty ?? before?.kty ?? 'RSA', 'policy.key_props.kty', vault)
  if (kty.startsWith('oct')) wrong('policy.key_props.kty', 'RSA, RSA-HSM, EC or EC-HSM', kty)
  if (kty.startsWith('EC')) {
    const curve = curves.find((name) => name === (o.crv ?? 'P-256'))
    return { kty, spec: { type: 'EC', curve: curve ?? wrong('policy.key_props.crv', curves.join(', '), o.crv) } }
  }
  const bits = sizes.find((size) => size === (o.key_size ?? 2048))
  return { kty, spec: { type: 'RSA', bits: bits ?? wrong('policy.key_props.key_size', sizes.join(', '), o.key_size) } }
}

function contentTypeOf(value: unknown, before: CertificatePolicy | undefined): ContentType {
  if (!given(value)) return before?.contentType ?? contentTypes[0]
  return (
    contentTypes.find((each) => each === value) ??
    wrong('policy.secret_props.contentType', contentTypes.join(' or '), value)
  )
}

function issuerOf(value: unknown, before: CertificatePolicy | undefined): CertificatePolicy['issuer'] {
  const name = value ?? before?.issuer ?? 'Self'
  const found = (['Self', 'Unknown'] as const).find(
    (each) => typeof name === 'string' && each.toLowerCase() === name.toLowerCase(),
  )
  if (found !== undefined) return found
  throw badParameter(
    'The vault does not contact certification authorities: a certificate is signed by its own key, or elsewhere.',
    {
      target: 'policy.issuer.name',
      expected: 'Self or Unknown',
      found: shown(name),
      remedy: 'Use Unknown, have the request signed, and merge the result: az keyvault certificate pending merge.',
    },
  )
}

function monthsOf(value: unknown, before: CertificatePolicy | undefined): number {
  if (!given(value)) return before?.months ?? 12
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= limits.months) return value
  return wrong('policy.x509_props.validity_months', `1 to ${limits.months}`, value)
}

const dnsNamesOf = (value: unknown): string[] => {
  const target = 'policy.x509_props.sans.dns_names'
  const names = texts(value, target)
  return names.every((name) => /^[A-Za-z0-9*._-]{1,253}$/.test(name))
    ? names
    : wrong(target, 'names of the DNS', 'others')
}

const emailsOf = (value: unknown): string[] => {
  const target = 'policy.x509_props.sans.emails'
  const found = texts(value, target)
  return found.every((each) => /^[\x21-\x7e]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(each))
    ? found
    : wrong(target, 'addresses', 'others')
}

function ekusOf(value: unknown): string[] {
  const target = 'policy.x509_props.ekus'
  const found = texts(value, target)
  return found.length <= limits.usages &&
    found.every((each) => /^[0-2](\.(0|[1-9]\d{0,9})){1,20}$/.test(each) && !/^[01]\.([4-9]\d|\d{3})/.test(each))
    ? found
    : wrong(target, `at most ${limits.usages} object identifiers`, 'others')
}

function usagesOf(value: unknown): KeyUsage[] {
  const target = 'policy.x509_props.key_usage'
  const found = [...new Set(texts(value, target))]
  return found.every((each): each is KeyUsage => Object.hasOwn(keyUsageBits, each))
    ? found
    : wrong(target, Object.keys(keyUsageBits).join(', '), found)
}

function actionsOf(value: unknown): LifetimeAction[] {
  const target = 'policy.lifetime_actions'
  if (!Array.isArray(value) || value.length > 2) return wrong(target, 'a list of at most two', value)
  return value.map((each, index) => {
    const at = `${target}[${index}]`
    const o = objectOf(each, at)
    const [trigger, action] = [part(o.trigger, `${at}.trigger`), part(o.action, `${at}.action`)]
    const number = (name: string, most: number): number | undefined => {
      const found = trigger[name]
      if (!given(found) || found === 0) return undefined
      const fits = typeof found === 'number' && Number.isInteger(found) && found >= 1 && found <= most
      return fits ? found : wrong(`${at}.trigger.${name}`, `1 to ${most}`, found)
    }
    const days = number('days_before_expiry', limits.months * 27)
    const percentage = number('lifetime_percentage', 99)
    if ((days === undefined) === (percentage === undefined))
      wrong(`${at}.trigger`, 'days_before_expiry or lifetime_percentage', 'both or neither')
    return {
      trigger: {
        ...(days !== undefined && { days_before_expiry: days }),
        ...(percentage !== undefined && { lifetime_percentage: percentage }),
      },
      action: {
        action_type:
          action.action_type === 'AutoRenew'
            ? 'AutoRenew'
            : wrong(`${at}.action.action_type`, 'AutoRenew: nobody is mailed', action.action_type),
      },
    }
  })
}

const attributeTypes = ['CN', 'O', 'OU', 'L', 'ST', 'C'] as const

function subjectOf(value: unknown, before: CertificatePolicy | undefined): string {
  if (!given(value)) return before?.subject ?? ''
  const fits = typeof value === 'string' && value.length <= limits.subject && nameOf(value) !== undefined
  return fits
    ? value
    : wrong(
        'policy.x509_props.subject',
        `attributes such as CN=example.com, O=Example: ${attributeTypes.join(', ')}`,
        value,
      )
}

/**
 * The attributes of a distinguished name in text form, `CN=…, O=…`. Anything that would need escaping is refused, so
 * that a text cannot become a second attribute. @returns undefined if invalid
 */
export function nameOf(subject: string): NameAttributes | undefined {
  if (subject.trim() === '') return []
  const parts = subject.split(',').map((text) => {
    const [, found, value = ''] = /^\s*([A-Za-z]{1,2})=([^=+"\\<>;#\p{Cc}]{1,255}?)\s*$/u.exec(text) ?? []
    const type = attributeTypes.find((each) => each === found?.toUpperCase())
    return type === undefined || value.trim() === '' ? undefined : ([type, value.trim()] as const)
  })
  return parts.some((each) => each === undefined) ? undefined : parts.filter((each) => each !== undefined)
}

/** When the policy renews the certificate, seconds since 1970; undefined if it does not. */
export function renewAt({ issuer, lifetimeActions }: CertificatePolicy, nbf: number, exp: number): number | undefined {
  if (issuer !== 'Self') return undefined
  const times = lifetimeActions.flatMap(({ trigger, action }) => {
    if (action.action_type !== 'AutoRenew') return []
    const { days_before_expiry: days, lifetime_percentage: percentage } = trigger
    return [days === undefined ? nbf + Math.floor(((exp - nbf) * (percentage ?? 0)) / 100) : exp - days * 24 * 3600]
  })
  return times.length === 0 ? undefined : Math.max(Math.min(...times), nbf)
}
