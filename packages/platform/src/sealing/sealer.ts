import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'

/** Protects small secrets at rest: token signing keys, CA keys, silicon keys. */
export interface Sealer {
  /** `context` names what is sealed and where it belongs; opening under another context fails. */
  seal(plain: Uint8Array, context: string): Promise<Uint8Array>
  /** @throws SealError */
  open(sealed: Uint8Array, context: string): Promise<Uint8Array>
  /** A sealer whose secrets this one cannot open, and vice versa. */
  derive(label: string): Sealer
  /** A key for authentication codes, 32 bytes, which seals nothing. */
  macKey(label: string): KeyObject
}

/** Sealed data does not open: another master key, another context, or altered bytes. */
export class SealError extends Error {
  readonly context: string

  constructor(context: string) {
    super(`the sealed ${context} cannot be decrypted: it was altered, moved, or sealed under another master key`)
    this.name = 'SealError'
    this.context = context
  }
}

const version = 1
const saltBytes = 32
const ivBytes = 12
const tagBytes = 16
const headerBytes = 1 + saltBytes + ivBytes

/**
 * HKDF-SHA256 per label and AES-256-GCM. Layout: version (1 byte), salt (32), IV (12), ciphertext, tag (16). A fresh
 * salt gives each sealing a separate key, so that no number of sealings exhausts the random IVs. Header and context are
 * authenticated.
 * @param masterKey at least 32 bytes
 */
export function createSealer(masterKey: Uint8Array): Sealer {
  if (masterKey.length < 32) throw new TypeError('a master key has at least 32 bytes')
  return sealerOf(expand(createSecretKey(masterKey), new Uint8Array(0), 'root', ''))
}

// Keys are handles: Node 24 spends more time finding out that bytes are no handle than on the cipher itself.
function sealerOf(key: KeyObject): Sealer {
  return {
    seal: (plain, context) => {
      const header = Buffer.concat([Buffer.of(version), randomBytes(saltBytes), randomBytes(ivBytes)])
      const cipher = createCipheriv('aes-256-gcm', keyOf(key, header, context), header.subarray(1 + saltBytes))
      cipher.setAAD(Buffer.concat([header, Buffer.from(context, 'utf8')]))
      return Promise.resolve(
        Uint8Array.from(Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()])),
      )
    },
    open: async (sealed, context) => {
      if (sealed.length < headerBytes + tagBytes || sealed[0] !== version) throw new SealError(context)
      const header = sealed.subarray(0, headerBytes)
      const decipher = createDecipheriv('aes-256-gcm', keyOf(key, header, context), header.subarray(1 + saltBytes))
      decipher.setAAD(Buffer.concat([header, Buffer.from(context, 'utf8')]))
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
      try {
        const body = sealed.subarray(headerBytes, sealed.length - tagBytes)
        return Uint8Array.from(Buffer.concat([decipher.update(body), decipher.final()]))
      } catch {
        throw new SealError(context)
      }
    },
    derive: (label) => sealerOf(expand(key, new Uint8Array(0), 'derive', label)),
    macKey: (label) => expand(key, new Uint8Array(0), 'mac', label),
  }
}

function keyOf(key: KeyObject, header: Uint8Array, context: string): KeyObject {
  return expand(key, header.subarray(1, 1 + saltBytes), 'seal', context)
}

/** Each part is preceded by its length, so that no two pairs of purpose and label yield the same info. */
function expand(key: KeyObject, salt: Uint8Array, purpose: string, label: string): KeyObject {
  const parts = ['strongroom sealer', purpose, label].flatMap((part) => {
    const bytes = Buffer.from(part, 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return [length, bytes]
  })
  // hkdfSync refuses an info above 1024 bytes; contexts are paths and identifiers.
  const expanded = new Uint8Array(hkdfSync('sha256', key, salt, Buffer.concat(parts), 32))
  try {
    return createSecretKey(expanded)
  } finally {
    expanded.fill(0)
  }
}
