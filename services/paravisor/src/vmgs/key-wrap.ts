import { createCipheriv, createDecipheriv } from 'node:crypto'

/** RFC 5649, section 3. */
const alternativeInitialValue = Buffer.from('a65959a6', 'hex')
const algorithm = 'id-aes256-wrap-pad' as string

/** AES key wrap with padding (RFC 5649) under a 32-byte key. */
export function wrapKey(plain: Uint8Array, wrappingKey: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, wrappingKey, alternativeInitialValue)
  return Buffer.concat([cipher.update(plain), cipher.final()])
}

/** @throws Error if the key is another or the blob was changed */
export function unwrapKey(wrapped: Uint8Array, wrappingKey: Uint8Array): Buffer {
  const decipher = createDecipheriv(algorithm, wrappingKey, alternativeInitialValue)
  return Buffer.concat([decipher.update(wrapped), decipher.final()])
}
