import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

export interface Sealed {
  nonce: Buffer
  tag: Buffer
  bytes: Buffer
}

/** AES-256-GCM. Nonce: four random bytes and a counter, as in OpenVMM; every key here is fresh for every write. */
export function seal(key: Uint8Array, plain: Uint8Array, counter: number): Sealed {
  const nonce = Buffer.alloc(12)
  randomBytes(4).copy(nonce)
  nonce.writeBigUInt64LE(BigInt(counter), 4)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const bytes = Buffer.concat([cipher.update(plain), cipher.final()])
  return { nonce, tag: cipher.getAuthTag(), bytes }
}

/** Undefined for another key or a changed byte. */
export function open(key: Uint8Array, sealed: Sealed): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce, { authTagLength: 16 })
  decipher.setAuthTag(sealed.tag)
  try {
    return Buffer.concat([decipher.update(sealed.bytes), decipher.final()])
  } catch {
    return undefined
  }
}
