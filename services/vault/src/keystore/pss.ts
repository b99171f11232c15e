import { createHash, randomBytes } from 'node:crypto'
import { digestBytes, equalBytes, type DigestName } from './digest-info.ts'

/**
 * EMSA-PSS of RFC 8017 section 9.1 over an existing digest (node:crypto signs messages only), with MGF1 and a salt as
 * long as the digest, as in RFC 7518 section 3.5.
 * @param modulusBits length of the modulus, which is also the result's
 */
export function encodePss(name: DigestName, digest: Uint8Array, modulusBits: number): Buffer {
  const size = digestBytes[name]
  const emBits = modulusBits - 1
  const emBytes = Math.ceil(emBits / 8)
  const salt = randomBytes(size)
  const h = hashed(name, digest, salt)
  const db = Buffer.alloc(emBytes - size - 1)
  db[db.length - size - 1] = 1
  salt.copy(db, db.length - size)
  xor(db, mask(name, h, db.length))
  clearTop(db, emBytes * 8 - emBits)
  return padded(Buffer.concat([db, h, Buffer.of(0xbc)]), Math.ceil(modulusBits / 8))
}

/** @param encoded result of the public operation, as long as the modulus */
export function verifyPss(name: DigestName, digest: Uint8Array, encoded: Uint8Array, modulusBits: number): boolean {
  const size = digestBytes[name]
  const emBits = modulusBits - 1
  const emBytes = Math.ceil(emBits / 8)
  const em = Buffer.from(encoded.subarray(encoded.length - emBytes))
  if (encoded.subarray(0, encoded.length - emBytes).some((byte) => byte !== 0)) return false
  if (digest.length !== size || emBytes < 2 * size + 2 || em[emBytes - 1] !== 0xbc) return false
  const db = em.subarray(0, emBytes - size - 1)
  const h = em.subarray(emBytes - size - 1, emBytes - 1)
  const unused = emBytes * 8 - emBits
  if (db[0]! >> (8 - unused) !== 0) return false
  xor(db, mask(name, h, db.length))
  clearTop(db, unused)
  const salt = db.subarray(db.length - size)
  const before = db.subarray(0, db.length - size)
  const wanted = Buffer.alloc(before.length)
  wanted[wanted.length - 1] = 1
  return equalBytes(before, wanted) && equalBytes(h, hashed(name, digest, salt))
}

function hashed(name: DigestName, digest: Uint8Array, salt: Uint8Array): Buffer {
  return createHash(name).update(Buffer.alloc(8)).update(digest).update(salt).digest()
}

/** MGF1, RFC 8017 appendix B.2.1. */
function mask(name: DigestName, seed: Uint8Array, length: number): Buffer {
  const parts: Buffer[] = []
  for (let counter = 0, have = 0; have < length; counter++) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(counter)
    const part = createHash(name).update(seed).update(number).digest()
    parts.push(part)
    have += part.length
  }
  return Buffer.concat(parts).subarray(0, length)
}

function xor(target: Buffer, other: Buffer): void {
  for (let index = 0; index < target.length; index++) target[index]! ^= other[index]!
}

function clearTop(target: Buffer, bits: number): void {
  target[0]! &= 0xff >> bits
}

function padded(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(length - bytes.length), bytes])
}
