import {
  guestStateGenerationTag,
  type EllipticCurve,
  type KeyOperation,
  type KeyType,
  type KeyUpdateRequest,
} from '@strongroom/contract'
import { badParameter, shown } from '../core/errors.ts'
import type { KeySpec } from '../keystore/keystore.ts'
import { commonAttributesOf, flagOf, objectOf, tagsOf, type CommonAttributes } from '../objects/attributes.ts'
import { parseReleasePolicy } from './release-policy.ts'
import type { Vault } from '../vaults/vault.ts'
import { defaultPolicyContentType, type KeyPolicy } from './key-version.ts'

/** Default operations of a key; an oct key signs only on request. */
const usualOperations: Record<'RSA' | 'EC' | 'oct', KeyOperation[]> = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
  oct: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
}
const operations: Record<'RSA' | 'EC' | 'oct', KeyOperation[]> = {
  RSA: [...usualOperations.RSA, 'import'],
  EC: usualOperations.EC,
  oct: [...usualOperations.oct, 'sign', 'verify'],
}
const sizes = { RSA: [2048, 3072, 4096], oct: [128, 192, 256] } as const
const curves: EllipticCurve[] = ['P-256', 'P-384', 'P-521', 'P-256K']
const types: KeyType[] = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM', 'oct', 'oct-HSM']
/** Tags with this prefix belong to the service. */
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

/** @throws ServiceError 400 BadParameter, 403 if the vault is of the standard tier */
export function parseCreate(body: unknown, vault: Vault): NewKey {
  const o = objectOf(body, 'body')
  const kty = keyTypeOf(o.kty, 'kty', vault)
  const settings = settingsOf(o, kty, specOf(kty, o), o.key_ops)
  return { kty, ...settings, spec: withPurpose(kty, specOf(kty, o), settings) }
}

/** @throws ServiceError 400 BadParameter if a key for imports allows any other operation */
export function withPurpose(kty: KeyType, spec: KeySpec, o: Pick<NewKey, 'keyOps' | 'exportable'>): KeySpec {
  const { keyOps } = o
  if (spec.type === 'oct' && keyOps.length > 0 && keyOps.every((op) => op === 'sign' || op === 'verify')) {
    return { ...spec, purpose: 'mac' }
  }
  if (spec.type !== 'RSA' || !keyOps.includes('import')) return spec
  // A key that could also decrypt would expose the keys wrapped to it.
  if (kty === 'RSA-HSM' && keyOps.length === 1 && !o.exportable) return { ...spec, purpose: 'exchange' }
  throw badParameter('A key exchange key is of type RSA-HSM, not exportable, and has the one operation import.', {
    target: 'key_ops',
    expected: "RSA-HSM with key_ops ['import']",
    found: `${o.exportable ? 'exportable ' : ''}${kty} with ${keyOps.join(', ')}`,
  })
}

/** What creation and import have in common. */
export function settingsOf(
  o: Record<string, unknown>,
  kty: KeyType,
  spec: KeySpec,
  keyOps: unknown,
): Omit<NewKey, 'kty' | 'spec'> {
  const attributes = attributesOf(o.attributes)
  const exportable = attributes.exportable ?? false
  const policy = o.release_policy === undefined || o.release_policy === null ? undefined : policyOf(o.release_policy)
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
    keyOps: keyOpsOf(keyOps, spec.type) ?? usualOperations[spec.type],
    enabled: attributes.enabled ?? true,
    nbf: attributes.nbf,
    exp: attributes.exp,
    exportable,
    tags: tagsOf(o.tags, reservedTags) ?? {},
    policy,
  }
}

export function keyTypeOf(value: unknown, target: string, vault: Vault): KeyType {
  const kty = types.find((type) => type === value)
  if (!kty) {
    throw badParameter('The key type is not supported.', { target, expected: types.join(', '), found: shown(value) })
  }
  if (vault.hsm && !kty.endsWith('-HSM')) {
    throw badParameter('Managed HSMs make HSM-backed keys only.', {
      target,
      expected: 'RSA-HSM, EC-HSM or oct-HSM',
      found: kty,
    })
  }
  if (!kty.endsWith('-HSM') || vault.sku === 'premium') return kty
  throw badParameter('HSM-backed keys are not supported by vaults of the standard tier.', {
    target,
    expected: 'RSA, EC or oct, or a vault of the premium tier',
    found: `${kty} in a standard vault`,
    remedy: 'Make the vault premium, or take a key type without -HSM.',
  })
}

export interface KeyChange extends CommonAttributes {
  keyOps?: KeyOperation[] | undefined
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
    tags: tagsOf(o.tags, reservedTags),
    policy: o.release_policy === undefined || o.release_policy === null ? undefined : policyOf(o.release_policy),
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
  const allowed: KeyOperation[] = [...operations[type], 'export']
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
  const o = value === undefined || value === null ? {} : objectOf(value, 'attributes')
  return { ...commonAttributesOf(o), exportable: flagOf(o.exportable, 'attributes.exportable') }
}

function policyOf(value: unknown): KeyPolicy {
  const { data, contentType, immutable } = objectOf(value, 'release_policy')
  parseReleasePolicy(data, contentType ?? undefined)
  const frozen = flagOf(immutable, 'release_policy.immutable') ?? false
  return {
    data: (data as string).replaceAll('=', ''),
    contentType: typeof contentType === 'string' ? contentType : defaultPolicyContentType,
    immutable: frozen,
  }
}
