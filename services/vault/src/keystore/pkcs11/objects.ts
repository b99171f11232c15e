import { randomBytes } from 'node:crypto'
import type { EllipticCurve } from '@strongroom/contract'
import type { KeyBinding, KeySpec, PublicParts } from '../keystore.ts'
import type { Binding, Handle, Template } from './module.ts'
import type { Session } from './token.ts'

/** Object identifiers of the curves in CKA_EC_PARAMS (DER). */
export const curveOids: Record<EllipticCurve, string> = {
  'P-256': '06082a8648ce3d030107',
  'P-384': '06052b81040022',
  'P-521': '06052b81040023',
  'P-256K': '06052b8104000a',
}

export interface Made {
  publicParts: PublicParts
  /** CKA_ID: how the key is found again. */
  id: Buffer
}

/** Common to all our keys: sensitive, so they stay in the token, and may leave it wrapped only if exportable. */
function keptTemplate(b: Binding, id: Buffer, binding: KeyBinding): Template {
  return [
    { type: b.CKA_TOKEN, value: true },
    { type: b.CKA_PRIVATE, value: true },
    { type: b.CKA_SENSITIVE, value: true },
    { type: b.CKA_EXTRACTABLE, value: binding.exportable },
    { type: b.CKA_ID, value: id },
    { type: b.CKA_LABEL, value: Buffer.from(`${binding.vault}/${binding.name}/${binding.version}`, 'utf8') },
    // Last in every template: SoftHSM sets an unwrapped key's attributes one after another, and none after this one.
    { type: b.CKA_MODIFIABLE, value: false },
  ]
}

/** Class, type and uses of a secret half. */
function kindTemplate(b: Binding, spec: Pick<KeySpec, 'type'> & { purpose?: string }): Template {
  const allowed = (...types: number[]): Template => types.map((type) => ({ type, value: true }))
  switch (spec.type) {
    case 'oct':
      return [
        { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
        { type: b.CKA_KEY_TYPE, value: spec.purpose === 'mac' ? b.CKK_GENERIC_SECRET : b.CKK_AES },
        ...(spec.purpose === 'mac'
          ? allowed(b.CKA_SIGN, b.CKA_VERIFY)
          : allowed(b.CKA_ENCRYPT, b.CKA_DECRYPT, b.CKA_WRAP, b.CKA_UNWRAP)),
      ]
    case 'RSA':
      return spec.purpose === 'exchange' ? allowed(b.CKA_UNWRAP) : allowed(b.CKA_SIGN, b.CKA_DECRYPT)
    case 'EC':
      return allowed(b.CKA_SIGN)
  }
}

/** Attributes of a key unwrapped into the token; its id is found in `id`. */
export function unwrapTemplate(
  b: Binding,
  o: { spec: Pick<KeySpec, 'type'> & { purpose?: string }; id: Buffer; binding: KeyBinding },
): Template {
  const { type } = o.spec
  const isPrivate: Template = [
    { type: b.CKA_CLASS, value: b.CKO_PRIVATE_KEY },
    { type: b.CKA_KEY_TYPE, value: type === 'RSA' ? b.CKK_RSA : b.CKK_EC },
  ]
  return [...(type === 'oct' ? [] : isPrivate), ...kindTemplate(b, o.spec), ...keptTemplate(b, o.id, o.binding)]
}

/** A key created in the token. We store its public half, not the token. */
export async function generateInside(session: Session, spec: KeySpec, binding: KeyBinding): Promise<Made> {
  const { binding: b, module, handle } = session
  const id = randomBytes(16)
  const made: Template = [...kindTemplate(b, spec), ...keptTemplate(b, id, binding)]
  if (spec.type === 'oct') {
    const mechanism = spec.purpose === 'mac' ? b.CKM_GENERIC_SECRET_KEY_GEN : b.CKM_AES_KEY_GEN
    const size = { type: b.CKA_VALUE_LEN, value: spec.bits / 8 }
    const object = await module.C_GenerateKeyAsync(handle, { mechanism }, [...made, size])
    assertKept(session, object, binding.exportable)
    return { publicParts: {}, id }
  }
  const passing = [
    { type: b.CKA_TOKEN, value: false },
    { type: b.CKA_VERIFY, value: true },
  ]
  const pair = await module.C_GenerateKeyPairAsync(
    handle,
    { mechanism: spec.type === 'RSA' ? b.CKM_RSA_PKCS_KEY_PAIR_GEN : b.CKM_EC_KEY_PAIR_GEN },
    spec.type === 'RSA'
      ? [
          ...passing,
          { type: b.CKA_MODULUS_BITS, value: spec.bits },
          { type: b.CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
        ]
      : [...passing, { type: b.CKA_EC_PARAMS, value: Buffer.from(curveOids[spec.curve], 'hex') }],
    made,
  )
  assertKept(session, pair.privateKey, binding.exportable)
  const publicParts = spec.type === 'RSA' ? rsaParts(session, pair.publicKey) : ecParts(session, pair.publicKey)
  module.C_DestroyObject(handle, pair.publicKey)
  return { publicParts, id }
}

/** A token that ignores the template would give the key out; such a key is destroyed at once. */
export function assertKept({ binding: b, module, handle }: Session, object: Handle, exportable: boolean): void {
  const asked = [b.CKA_SENSITIVE, b.CKA_EXTRACTABLE]
  const values = module.C_GetAttributeValue(
    handle,
    object,
    asked.map((type) => ({ type })),
  )
  const [sensitive, extractable] = values.map(({ value }) => (value as Buffer)[0] === 1)
  if (sensitive === true && extractable === exportable) return
  module.C_DestroyObject(handle, object)
  throw new Error('the token did not make the key sensitive, or not as exportable as asked')
}

export function attribute({ module, handle }: Session, object: Handle, type: number): Buffer {
  const [found] = module.C_GetAttributeValue(handle, object, [{ type }])
  return Buffer.from(found!.value as Buffer)
}

export function rsaParts(session: Session, object: Handle): PublicParts {
  const { binding: b } = session
  const text = (type: number): string => withoutZeros(attribute(session, object, type)).toString('base64url')
  return { n: text(b.CKA_MODULUS), e: text(b.CKA_PUBLIC_EXPONENT) }
}

/** CKA_EC_POINT is the uncompressed point inside an OCTET STRING; some tokens omit the wrapping. */
function ecParts(session: Session, object: Handle): PublicParts {
  const value = attribute(session, object, session.binding.CKA_EC_POINT)
  const point = value[0] === 4 && value.length % 2 === 1 && value[1] !== value.length - 2 ? value : octetString(value)
  if (point[0] !== 4 || point.length % 2 !== 1) throw new Error('the token gave no uncompressed point')
  const half = (point.length - 1) / 2
  return { x: point.subarray(1, 1 + half).toString('base64url'), y: point.subarray(1 + half).toString('base64url') }
}

function octetString(der: Buffer): Buffer {
  const long = der[1] === 0x81
  const start = long ? 3 : 2
  if (der[0] !== 4 || (long ? der[2] : der[1]) !== der.length - start) throw new Error('not an OCTET STRING')
  return der.subarray(start)
}

function withoutZeros(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  return bytes.subarray(Math.max(first, 0))
}

/** Class of such a key's secret half. */
export function secretClass(b: Binding, type: KeySpec['type']): number {
  return type === 'oct' ? b.CKO_SECRET_KEY : b.CKO_PRIVATE_KEY
}
