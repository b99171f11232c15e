import type {
  AesCipher,
  AesWrapping,
  KeyOperation,
  MacAlgorithm,
  RsaEncryption,
  SignatureAlgorithm,
} from '@strongroom/contract'
import { badParameter, shown } from '../core/errors.ts'
import { aesCiphers, aesWrappings, macs, pkcs1Overhead, rsaEncryptions, signatures } from '../keystore/algorithms.ts'
import { digestBytes } from '../keystore/digest-info.ts'
import type { KeyUse } from '../keystore/keystore.ts'
import { objectOf } from '../objects/attributes.ts'
import type { KeyVersion } from './key-version.ts'

/** Largest value that an operation accepts, in bytes. */
const valueLimit = 64 * 1024

export type CryptoOperation = Extract<KeyOperation, 'encrypt' | 'decrypt' | 'sign' | 'verify' | 'wrapKey' | 'unwrapKey'>

/** An operation whose algorithm fits the key, with parsed values. */
export type CryptoRequest =
  | { kind: 'secret'; use: KeyUse; aad?: Uint8Array }
  | { kind: 'publicEncrypt'; algorithm: RsaEncryption; value: Uint8Array }
  | {
      kind: 'verify'
      algorithm: Exclude<SignatureAlgorithm, MacAlgorithm>
      digest: Uint8Array
      signature: Uint8Array
    }
  /** The same code is computed again and compared. */
  | { kind: 'verifyMac'; use: Extract<KeyUse, { operation: 'mac' }>; signature: Uint8Array }

/** @throws ServiceError 400 BadParameter */
export function parseCryptoRequest(operation: CryptoOperation, body: unknown, key: KeyVersion): CryptoRequest {
  const o = objectOf(body, 'body')
  if (operation === 'sign' || operation === 'verify') return signatureRequest(operation, o, key)
  if (key.spec.type === 'RSA') {
    const algorithm = algorithmOf(o.alg, Object.keys(rsaEncryptions) as RsaEncryption[], key)
    const value = bytesOf(o.value, 'value')
    return operation === 'encrypt' || operation === 'wrapKey'
      ? { kind: 'publicEncrypt', algorithm, value }
      : { kind: 'secret', use: { operation: 'decrypt', algorithm, value } }
  }
  if (key.spec.type === 'EC') throw notSupported(key, o.alg, [])
  if (operation === 'wrapKey' || operation === 'unwrapKey') {
    const algorithm = algorithmOf(o.alg, wrappingsOf(key.spec.bits), key)
    const value = bytesOf(o.value, 'value')
    return { kind: 'secret', use: { operation: operation === 'wrapKey' ? 'wrap' : 'unwrap', algorithm, value } }
  }
  return cipherRequest(operation, o, key, key.spec.bits)
}

function signatureRequest(operation: 'sign' | 'verify', o: Record<string, unknown>, key: KeyVersion): CryptoRequest {
  const { spec } = key
  if (spec.type === 'oct') return macRequest(operation, o, key)
  const fitting = (Object.keys(signatures) as (keyof typeof signatures)[]).filter((name) => {
    const signature = signatures[name]
    return signature.type === 'RSA' ? spec.type === 'RSA' : spec.type === 'EC' && spec.curve === signature.curve
  })
  const algorithm = algorithmOf(o.alg, fitting, key)
  const place = operation === 'sign' ? 'value' : 'digest'
  const digest = bytesOf(o[place], place)
  checkDigestLength(digest, algorithm, place, spec)
  if (operation === 'verify') return { kind: 'verify', algorithm, digest, signature: bytesOf(o.value, 'value') }
  return { kind: 'secret', use: { operation: 'sign', algorithm, value: digest } }
}

function checkDigestLength(
  digest: Uint8Array,
  algorithm: keyof typeof signatures,
  place: string,
  spec: KeyVersion['spec'],
): void {
  const name = signatures[algorithm].digest
  const wanted = name === undefined ? undefined : digestBytes[name]
  const most = spec.type === 'RSA' ? spec.bits / 8 - pkcs1Overhead : 0
  if (wanted === undefined ? digest.length <= most : digest.length === wanted) return
  const expected = wanted === undefined ? `1 to ${most} bytes` : `${wanted} bytes`
  throw badParameter(
    `Invalid length of '${place}': ${digest.length} bytes. ${algorithm} requires ${expected}, encoded with base64url.`,
    { target: place, expected, found: `${digest.length} bytes` },
  )
}

function macRequest(operation: 'sign' | 'verify', o: Record<string, unknown>, key: KeyVersion): CryptoRequest {
  const algorithm = algorithmOf(o.alg, Object.keys(macs) as MacAlgorithm[], key)
  const place = operation === 'sign' ? 'value' : 'digest'
  const use = { operation: 'mac', algorithm, value: bytesOf(o[place], place) } as const
  if (operation === 'sign') return { kind: 'secret', use }
  return { kind: 'verifyMac', use, signature: bytesOf(o.value, 'value') }
}

function cipherRequest(
  operation: 'encrypt' | 'decrypt',
  o: Record<string, unknown>,
  key: KeyVersion,
  bits: number,
): CryptoRequest {
  const fitting = (Object.keys(aesCiphers) as AesCipher[]).filter((name) => aesCiphers[name].bits === bits)
  const algorithm = algorithmOf(o.alg, fitting, key)
  const { mode } = aesCiphers[algorithm]
  const value = bytesOf(o.value, 'value', { empty: true })
  const aad = o.aad === undefined || o.aad === null ? undefined : bytesOf(o.aad, 'aad', { empty: true })
  if (aad !== undefined && mode !== 'gcm') {
    throw badParameter(`${algorithm} has no additional authenticated data.`, { target: 'aad', expected: 'no aad' })
  }
  const gcmEncrypt = mode === 'gcm' && operation === 'encrypt'
  if (gcmEncrypt && o.iv !== undefined && o.iv !== null) {
    // A caller who chooses it can repeat it, and so reveal the key.
    throw badParameter('The initialisation vector of AES-GCM is made by the service.', {
      target: 'iv',
      expected: 'no iv',
      found: 'an iv',
    })
  }
  const data = { algorithm, value, ...(aad && { aad }) }
  if (gcmEncrypt) return { kind: 'secret', use: { operation: 'seal', ...data }, ...(aad && { aad }) }
  const iv = bytesOf(o.iv, 'iv')
  const ivBytes = mode === 'gcm' ? 12 : 16
  if (iv.length !== ivBytes) {
    throw badParameter('The initialisation vector has another length.', {
      target: 'iv',
      expected: `${ivBytes} bytes`,
      found: `${iv.length} bytes`,
    })
  }
  if (operation === 'encrypt') return { kind: 'secret', use: { operation: 'seal', ...data, iv } }
  if (mode !== 'gcm') return { kind: 'secret', use: { operation: 'open', ...data, iv } }
  const tag = bytesOf(o.tag, 'tag')
  if (tag.length !== 16) {
    throw badParameter('The authentication tag has another length.', {
      target: 'tag',
      expected: '16 bytes',
      found: `${tag.length} bytes`,
    })
  }
  return { kind: 'secret', use: { operation: 'open', ...data, iv, tag } }
}

function wrappingsOf(bits: number): AesWrapping[] {
  return (Object.keys(aesWrappings) as AesWrapping[]).filter((name) => (aesWrappings[name].bits ?? bits) === bits)
}

function algorithmOf<T extends string>(value: unknown, fitting: T[], key: KeyVersion): T {
  const found = fitting.find((name) => name === value)
  if (found !== undefined) return found
  throw notSupported(key, value, fitting)
}

function notSupported(key: KeyVersion, value: unknown, fitting: string[]): ReturnType<typeof badParameter> {
  return badParameter('Key and signing, encryption or wrapping algorithm are incompatible.', {
    target: 'alg',
    expected:
      fitting.length === 0 ? `no algorithm: a key of type ${key.kty} has no such operation` : fitting.join(', '),
    found: shown(value),
  })
}

function bytesOf(value: unknown, target: string, o: { empty?: boolean } = {}): Uint8Array {
  // Some clients pad; anything but base64url is refused rather than read differently.
  const text = typeof value === 'string' ? value.replace(/={1,2}$/, '') : undefined
  if (text !== undefined && /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1) {
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.length <= valueLimit && (bytes.length > 0 || o.empty === true)) return bytes
  }
  throw badParameter(`The parameter ${target} is not valid.`, {
    target,
    expected: `base64url of ${o.empty === true ? 0 : 1} to ${valueLimit} bytes`,
    found: typeof value === 'string' ? `a text of ${value.length} characters` : typeof value,
  })
}
