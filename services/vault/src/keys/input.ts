import {
  guestStateGenerationTag,
  type EllipticCurve,
  type KeyOperation,
  type KeyType,
  type KeyUpdateRequest,
} from '@strongroom/contract'
import { badParameter, shown } from '../errors.ts'
import type { KeySpec } from '../keystore/keystore.ts'
import { parseReleasePolicy } from '../release/policy.ts'
import { defaultPolicyContentType, type KeyPolicy } from './key-version.ts'

const operations: Record<'RSA' | 'EC' | 'oct', KeyOperation[]> = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
  oct: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
}
const sizes = { RSA: [2048, 3072, 4096], oct: [128, 192, 256] } as const
const curves: EllipticCurve[] = ['P-256', 'P-384', 'P-521']
const types: KeyType[] = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM', 'oct-HSM']
const tagLimits = { count: 15, length: 256 }
/** Tags of this beginning are the service's own. */
const reservedTags = guestStateGenerationTag.slice(0, 'x-strongroom-'.length)

export interface NewKey {
  kty: KeyType
  spec: KeySpec
  keyOps: KeyOperation[]
  enabled: boolean
  nbf: number | undefined
  exp: number | undefined
  exportable: boolean
  tags: Record<string, string>
  policy: KeyPolicy | undefined
}

/** @throws ServiceError 400 BadParameter */
export function parseCreate(body: unknown): NewKey {
  const o = objectOf(body, 'body')
  const kty = types.find((type) => type === o.kty)
  if (!kty)
    throw badParameter('The key type is not supported.', {
      target: 'kty',
      expected: types.join(', '),
      found: shown(o.kty),
    })
  const spec = specOf(kty, o)
  const attributes = attributesOf(o.attributes)
  const exportable = attributes.exportable ?? false
  const policy = o.release_policy === undefined ? undefined : policyOf(o.release_policy)
  if (exportable && !kty.endsWith('-HSM')) {
    throw badParameter('AKV.SKR.1006: Exportable keys must be of an HSM-backed type.', {
      target: 'kty',
      expected: 'RSA-HSM, EC-HSM or oct-HSM',
      found: kty,
    })
  }
  if (exportable && !policy) {
    throw badParameter('AKV.SKR.1004: Exportable keys must have release policy.', { target: 'release_policy' })
  }
  if (!exportable && policy) {
    throw badParameter('AKV.SKR.1005: Non-exportable keys must not have release policy.', {
      target: 'attributes.exportable',
    })
  }
  return {
    kty,
    spec,
    keyOps: keyOpsOf(o.key_ops, spec.type) ?? operations[spec.type],
    enabled: attributes.enabled ?? true,
    nbf: attributes.nbf,
    exp: attributes.exp,
    exportable,
    tags: tagsOf(o.tags) ?? {},
    policy,
  }
}

export interface KeyChange {
  keyOps?: KeyOperation[] | undefined
  enabled?: boolean | undefined
  nbf?: number | undefined
  exp?: number | undefined
  exportable?: boolean | undefined
  tags?: Record<string, string> | undefined
  policy?: KeyPolicy | undefined
}

/** @throws ServiceError 400 BadParameter */
export function parseUpdate(body: unknown, type: KeySpec['type']): KeyChange {
  const o: { [field in keyof KeyUpdateRequest]: unknown } = objectOf(body ?? {}, 'body')
  return {
    ...attributesOf(o.attributes),
    keyOps: keyOpsOf(o.key_ops, type),
    tags: tagsOf(o.tags),
    policy: o.release_policy === undefined ? undefined : policyOf(o.release_policy),
  }
}

function specOf(kty: KeyType, o: Record<string, unknown>): KeySpec {
  if (kty.startsWith('EC')) {
    const curve = o.crv === undefined ? 'P-256' : curves.find((name) => name === o.crv)
    if (!curve)
      throw badParameter('The curve is not supported.', {
        target: 'crv',
        expected: curves.join(', '),
        found: shown(o.crv),
      })
    return { type: 'EC', curve }
  }
  const type = kty.startsWith('RSA') ? 'RSA' : 'oct'
  const wanted = o.key_size ?? (type === 'RSA' ? 2048 : 256)
  if (type === 'RSA' && o.public_exponent !== undefined && o.public_exponent !== 65537) {
    throw badParameter('The public exponent is not supported.', {
      target: 'public_exponent',
      expected: '65537',
      found: shown(o.public_exponent),
    })
  }
  const bits = sizes[type].find((size) => size === wanted)
  if (bits === undefined) {
    throw badParameter('The key size is not supported.', {
      target: 'key_size',
      expected: sizes[type].join(', '),
      found: shown(wanted),
    })
  }
  return { type, bits } as KeySpec
}

function keyOpsOf(value: unknown, type: KeySpec['type']): KeyOperation[] | undefined {
  if (value === undefined || value === null) return undefined
  const allowed: KeyOperation[] = [...operations[type], 'import', 'export']
  if (!Array.isArray(value)) throw badParameter('key_ops is not a list.', { target: 'key_ops', found: shown(value) })
  const foreign = value.find((op) => !allowed.includes(op as KeyOperation)) as unknown
  if (foreign !== undefined || value.length > 16) {
    throw badParameter('key_ops has an operation that this key type does not support.', {
      target: 'key_ops',
      expected: allowed.join(', '),
      found: foreign === undefined ? `${value.length} operations` : shown(foreign),
    })
  }
  return [...new Set(value as KeyOperation[])]
}

function attributesOf(value: unknown): Pick<KeyChange, 'enabled' | 'nbf' | 'exp' | 'exportable'> {
  if (value === undefined || value === null) return {}
  const o = objectOf(value, 'attributes')
  const flag = (name: 'enabled' | 'exportable'): boolean | undefined => {
    const given = o[name]
    if (given === undefined || given === null) return undefined
    if (typeof given === 'boolean') return given
    throw badParameter(`attributes.${name} is not a boolean.`, {
      target: `attributes.${name}`,
      expected: 'true or false',
      found: shown(given),
    })
  }
  const time = (name: 'nbf' | 'exp'): number | undefined => {
    const given = o[name]
    if (given === undefined || given === null) return undefined
    if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given
    throw badParameter(`attributes.${name} is not a time.`, {
      target: `attributes.${name}`,
      expected: 'seconds since 1970',
      found: shown(given),
    })
  }
  const [nbf, exp] = [time('nbf'), time('exp')]
  if (nbf !== undefined && exp !== undefined && exp <= nbf) {
    throw badParameter('attributes.exp is not after attributes.nbf.', {
      target: 'attributes.exp',
      expected: `after ${nbf}`,
      found: `${exp}`,
    })
  }
  return { enabled: flag('enabled'), nbf, exp, exportable: flag('exportable') }
}

function tagsOf(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined
  const o = objectOf(value, 'tags')
  const names = Object.keys(o)
  if (names.length > tagLimits.count) {
    throw badParameter('The key has too many tags.', {
      target: 'tags',
      expected: `at most ${tagLimits.count}`,
      found: `${names.length}`,
    })
  }
  for (const name of names) {
    const text = o[name]
    if (name.toLowerCase().startsWith(reservedTags)) {
      throw badParameter(`Tags that begin with ${reservedTags} are reserved.`, { target: 'tags', found: shown(name) })
    }
    if (
      typeof text !== 'string' ||
      text.length > tagLimits.length ||
      name.length > tagLimits.length ||
      name === '__proto__'
    ) {
      throw badParameter('A tag is not a short text.', {
        target: `tags.${shown(name)}`,
        expected: `a text of at most ${tagLimits.length} characters`,
        found: shown(text),
      })
    }
  }
  return o as Record<string, string>
}

function policyOf(value: unknown): KeyPolicy {
  const { data, contentType, immutable } = objectOf(value, 'release_policy')
  parseReleasePolicy(data, contentType ?? undefined)
  if (immutable !== undefined && immutable !== null && typeof immutable !== 'boolean') {
    throw badParameter('release_policy.immutable is not a boolean.', {
      target: 'release_policy.immutable',
      expected: 'true or false',
      found: shown(immutable),
    })
  }
  return {
    data: (data as string).replaceAll('=', ''),
    contentType: typeof contentType === 'string' ? contentType : defaultPolicyContentType,
    immutable: immutable === true,
  }
}

function objectOf(value: unknown, target: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw badParameter('The request body is not valid.', { target, expected: 'an object', found: shown(value) })
}
