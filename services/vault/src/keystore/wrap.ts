import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  createSecretKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import type { ReleaseWrapping } from '@strongroom/contract'

/** RFC 5649 section 3: high half of the alternative initial value. */
const kwpInitialValue = Buffer.from('a65959a6', 'hex')

/** OAEP hash, which MGF1 uses as well. */
export const oaepHashes: Record<ReleaseWrapping, 'sha1' | 'sha256' | 'sha384'> = {
  CKM_RSA_AES_KEY_WRAP: 'sha1',
  RSA_AES_KEY_WRAP_256: 'sha256',
  RSA_AES_KEY_WRAP_384: 'sha384',
}

export const releaseWrappings: ReleaseWrapping[] = Object.keys(oaepHashes) as ReleaseWrapping[]

/** AES key wrap with padding, RFC 5649. `key` has 16, 24 or 32 bytes. */
export function aesKeyWrapPad(key: Uint8Array, secret: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`id-aes${key.length * 8}-wrap-pad`, createSecretKey(key), kwpInitialValue)
  return Buffer.concat([cipher.update(secret), cipher.final()])
}

/** PKCS#11 CKM_RSA_AES_KEY_WRAP: the wrapped AES key has exactly the modulus's length, the wrapped secret follows. */
export function rsaAesKeyWrap(o: {
  secret: Uint8Array
  wrappingKey: { n: string; e: string }
  algorithm: ReleaseWrapping
}): Uint8Array {
  const transport = randomBytes(32)
  try {
    return Buffer.concat([wrapTransportKey({ ...o, transport }), aesKeyWrapPad(transport, o.secret)])
  } finally {
    transport.fill(0)
  }
}

/** RSA-OAEP of the fresh AES key of a release. */
export function wrapTransportKey(o: {
  transport: Uint8Array
  wrappingKey: { n: string; e: string }
  algorithm: ReleaseWrapping
}): Uint8Array {
  const key = createPublicKey({ key: { kty: 'RSA', n: o.wrappingKey.n, e: o.wrappingKey.e }, format: 'jwk' })
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  return publicEncrypt({ key, padding, oaepHash: oaepHashes[o.algorithm] }, o.transport)
}

/**
 * Inverse of `rsaAesKeyWrap`. The caller overwrites the result.
 * @throws an error if any part does not open
 */
export function rsaAesKeyUnwrap(o: {
  wrapped: Uint8Array
  key: KeyObject
  keyBytes: number
  algorithm: ReleaseWrapping
}): Uint8Array {
  const transport = privateDecrypt(
    { key: o.key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHashes[o.algorithm] },
    o.wrapped.subarray(0, o.keyBytes),
  )
  try {
    const decipher = createDecipheriv(`id-aes${transport.length * 8}-wrap-pad`, transport, kwpInitialValue)
    return Buffer.concat([decipher.update(o.wrapped.subarray(o.keyBytes)), decipher.final()])
  } finally {
    transport.fill(0)
  }
}
