import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  privateDecrypt,
  privateEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { EllipticCurve } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'
import { aesCiphers, aesWrappings, macs, rsaEncryptions, signatures } from './algorithms.ts'
import { digestInfo } from './digest-info.ts'
import type { KeySpec, KeyUse, KeyUseResult } from './keystore.ts'
import { encodePss } from './pss.ts'

/** RFC 3394 and RFC 5649: initial values. */
const keyWrapIv = Buffer.from('a6a6a6a6a6a6a6a6', 'hex')
const keyWrapPadIv = Buffer.from('a65959a6', 'hex')

/** node:crypto signs messages, the wire sends digests. */
export const curves: Record<EllipticCurve, typeof p256> = {
  'P-256': p256,
  'P-384': p384,
  'P-521': p521,
  'P-256K': secp256k1,
}

/**
 * A use of an opened key. The algorithm was already checked against the key.
 * @param secret PKCS#8 DER or the raw bytes of an oct key
 * @throws ServiceError 400 BadParameter if a value does not decrypt: one message for all causes, so that nobody learns
 * which step failed
 */
export function useSecret(secret: Uint8Array, spec: KeySpec, use: KeyUse): KeyUseResult {
  if (spec.type === 'RSA') return useRsaKey(privateKeyOf(secret), spec, use)
  if (use.operation === 'sign') return { value: signedEc(secret, use) }
  try {
    switch (use.operation) {
      case 'decrypt':
        throw new TypeError('only RSA keys decrypt')
      case 'mac':
        return { value: createHmac(macs[use.algorithm], secret).update(use.value).digest() }
      case 'wrap':
      case 'unwrap':
        return { value: wrapped(secret, use) }
      case 'seal':
      case 'open':
        return ciphered(secret, use)
    }
  } catch {
    throw unusableValue(use)
  }
}

/** Like `useSecret`, for an RSA key that is already open. */
export function useRsaKey(key: KeyObject, { bits }: Extract<KeySpec, { type: 'RSA' }>, use: KeyUse): KeyUseResult {
  if (use.operation === 'sign') return { value: signedRsa(key, bits, use) }
  try {
    if (use.operation === 'decrypt' && isCiphertextOf(bits, use.value)) return { value: decrypted(key, use) }
  } catch {
    // Refused below.
  }
  throw unusableValue(use)
}

/** A shorter value is the same integer, so OpenSSL and tokens may take it; RFC 8017 sections 7.1.2 and 7.2.2 do not. */
export function isCiphertextOf(bits: number, value: Uint8Array): boolean {
  return value.length === Math.ceil(bits / 8)
}

/** One message for all causes. */
export function unusableValue(use: { operation: KeyUse['operation']; algorithm: string }): ServiceError {
  return badParameter(`The value does not ${use.operation === 'decrypt' ? 'decrypt' : use.operation} with this key.`, {
    target: 'value',
    expected: `a value that ${use.algorithm} accepts under this key`,
    found: 'another',
  })
}

function signedEc(secret: Uint8Array, { algorithm, value }: Extract<KeyUse, { operation: 'sign' }>): Uint8Array {
  const signature = signatures[algorithm]
  if (signature.type !== 'EC') throw new TypeError(`${algorithm} is for RSA keys`)
  const scalar = scalarOf(secret)
  try {
    return curves[signature.curve].sign(value, scalar, { prehash: false, lowS: false, extraEntropy: true })
  } finally {
    scalar.fill(0)
  }
}

function signedRsa(
  key: KeyObject,
  bits: number,
  { algorithm, value }: Extract<KeyUse, { operation: 'sign' }>,
): Uint8Array {
  const signature = signatures[algorithm]
  if (signature.type !== 'RSA') throw new TypeError(`${algorithm} is for EC keys`)
  if (signature.padding === 'pkcs1') {
    const encoded = signature.digest === undefined ? value : digestInfo(signature.digest, value)
    // PKCS #1 v1.5 is the default; a bare key skips the search for other options.
    return privateEncrypt(key, encoded)
  }
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encodePss(signature.digest, value, bits))
}

function decrypted(key: KeyObject, { algorithm, value }: Extract<KeyUse, { operation: 'decrypt' }>): Uint8Array {
  const oaepHash = rsaEncryptions[algorithm]
  if (oaepHash === undefined) return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, value)
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, value)
}

function wrapped(
  secret: Uint8Array,
  { operation, algorithm, value }: Extract<KeyUse, { operation: 'wrap' | 'unwrap' }>,
): Uint8Array {
  // OpenSSL accepts empty input as a wrap of nothing.
  if (value.length === 0) throw new TypeError('there is nothing to wrap')
  const { padded } = aesWrappings[algorithm]
  const name = `id-aes${secret.length * 8}-wrap${padded ? '-pad' : ''}`
  const iv = padded ? keyWrapPadIv : keyWrapIv
  const cipher = operation === 'wrap' ? createCipheriv(name, secret, iv) : createDecipheriv(name, secret, iv)
  return Buffer.concat([cipher.update(value), cipher.final()])
}

function ciphered(secret: Uint8Array, use: Extract<KeyUse, { operation: 'seal' | 'open' }>): KeyUseResult {
  const { bits, mode } = aesCiphers[use.algorithm]
  if (mode === 'gcm') return use.operation === 'seal' ? sealed(secret, bits, use) : opened(secret, bits, use)
  const iv = use.iv
  if (iv === undefined) throw new TypeError('CBC has an initialisation vector')
  const make = use.operation === 'seal' ? createCipheriv : createDecipheriv
  const cipher = make(`aes-${bits}-cbc`, secret, iv)
  cipher.setAutoPadding(mode === 'cbcpad')
  return { value: Buffer.concat([cipher.update(use.value), cipher.final()]), iv }
}

function sealed(secret: Uint8Array, bits: number, use: Extract<KeyUse, { operation: 'seal' | 'open' }>): KeyUseResult {
  const iv = randomBytes(12)
  const cipher = createCipheriv(`aes-${bits}-gcm` as 'aes-256-gcm', secret, iv)
  if (use.aad) cipher.setAAD(use.aad)
  const value = Buffer.concat([cipher.update(use.value), cipher.final()])
  return { value, iv, tag: cipher.getAuthTag() }
}

function opened(secret: Uint8Array, bits: number, use: Extract<KeyUse, { operation: 'seal' | 'open' }>): KeyUseResult {
  const tag = use.operation === 'open' ? use.tag : undefined
  if (use.iv === undefined || tag === undefined) throw new TypeError('GCM has an initialisation vector and a tag')
  // Shorter tags could be guessed.
  const decipher = createDecipheriv(`aes-${bits}-gcm` as 'aes-256-gcm', secret, use.iv, { authTagLength: 16 })
  if (use.aad) decipher.setAAD(use.aad)
  decipher.setAuthTag(tag)
  return { value: Buffer.concat([decipher.update(use.value), decipher.final()]) }
}

export function privateKeyOf(pkcs8: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
    format: 'der',
    type: 'pkcs8',
  })
}

function scalarOf(pkcs8: Uint8Array): Buffer {
  const { d } = privateKeyOf(pkcs8).export({ format: 'jwk' })
  if (d === undefined) throw new TypeError('not a private EC key')
  return Buffer.from(d, 'base64url')
}
