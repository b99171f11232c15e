import { constants, privateDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { corrupt } from './corrupt.ts'

/**
 * ATTEST of a VMGS container: 2048 bytes of key reference, here JSON padded with zeros. It names the customer's key
 * (with version) and contains the intermediate key, wrapped for it, that wraps the data key inside the key protector.
 * Readable by anyone: the customer's vault decides about the release of the customer's key.
 */
export interface CustomerBinding {
  keyId: string
  /** RSA-OAEP-SHA-256 of a 32-byte key. */
  wrappedKey: Buffer
}

const bindingLength = 2048
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
const keyIdForm = /^https:\/\/[\x21-\x7e]{1,500}$/
const base64 = /^[A-Za-z0-9+/]{2,1400}={0,2}$/

export function encodeBinding(binding: CustomerBinding): Buffer {
  const { keyId, wrappedKey } = binding
  const text = Buffer.from(JSON.stringify({ version: 1, keyId, wrappedKey: wrappedKey.toString('base64') }))
  if (text.length > bindingLength) throw new TypeError('the reference to a customer key is too long')
  return Buffer.concat([text, Buffer.alloc(bindingLength - text.length)])
}

/** @throws ServiceError GuestStateCorrupt */
export function decodeBinding(bytes: Uint8Array): CustomerBinding {
  if (bytes.length !== bindingLength)
    throw corrupt('its key reference has the wrong length', `${bindingLength} bytes`, `${bytes.length} bytes`)
  const end = bytes.indexOf(0)
  const text = Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('utf8')
  if (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0))
    throw corrupt('its key reference has a wrong length field')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw corrupt('its key reference cannot be read')
  }
  const { version, keyId, wrappedKey, ...more } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >
  if (
    version !== 1 ||
    typeof keyId !== 'string' ||
    !keyIdForm.test(keyId) ||
    typeof wrappedKey !== 'string' ||
    !base64.test(wrappedKey) ||
    Object.keys(more).length > 0
  )
    throw corrupt('its key reference is malformed')
  return { keyId, wrappedKey: Buffer.from(wrappedKey, 'base64') }
}

/** @param intermediateKey 32 bytes, new for each boot */
export function bindTo(keyId: string, publicKey: KeyObject, intermediateKey: Uint8Array): CustomerBinding {
  return { keyId, wrappedKey: publicEncrypt({ key: publicKey, ...oaep }, intermediateKey) }
}

/** @throws ServiceError GuestStateOfAnotherKey */
export function openBinding(binding: CustomerBinding, customerKey: KeyObject): Buffer {
  try {
    const key = privateDecrypt({ key: customerKey, ...oaep }, binding.wrappedKey)
    if (key.length === 32) return key
  } catch {
    // The cause would contain the half-opened key.
  }
  throw new ServiceError({
    code: 'GuestStateOfAnotherKey',
    message: 'The guest state cannot be decrypted with the customer key that it names.',
    target: binding.keyId,
    expected: `guest state that was wrapped under ${binding.keyId}`,
    found: 'guest state under another key, or a damaged key reference',
    remedy: 'Put this VM’s own guest state back; a key that was purged and recreated decrypts nothing.',
  })
}
