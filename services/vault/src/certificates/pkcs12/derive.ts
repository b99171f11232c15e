import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Rounds } from './rounds.ts'

/** Purposes of derived bytes (RFC 7292 appendix B.3). */
export const purposes = { key: 1, iv: 2, mac: 3 } as const

/** Yields to other work after this many rounds: the sender of a file chooses their number (attack W27). */
const roundsAtOnce = 2_000

/** Block length of the digest in bytes: `v` of RFC 7292. */
const blockOf = (digest: string): number => (digest === 'sha1' || digest === 'sha256' ? 64 : 128)

/** A password as PKCS#12 hashes it: UTF-16, big-endian, with a terminating zero; empty without a password. */
export function passwordBytes(password: string | undefined): Uint8Array {
  if (password === undefined) return new Uint8Array(0)
  return Buffer.from(`${password}\0`, 'utf16le').swap16()
}

/** Relative to a round of PBKDF2: one hash here costs about twenty inside OpenSSL. */
const costOfRound = 20

/**
 * The key derivation of RFC 7292 appendix B.2.
 * @param o.password from `passwordBytes`
 * @param o.rounds budget left for the file; absent for our own files
 * @throws ServiceError BadParameter if the budget is exceeded
 */
export async function derive(o: {
  digest: string
  password: Uint8Array
  salt: Uint8Array
  iterations: number
  purpose: (typeof purposes)[keyof typeof purposes]
  bytes: number
  rounds?: Rounds
}): Promise<Uint8Array> {
  o.rounds?.take(o.iterations, costOfRound * Math.ceil(o.bytes / createHash(o.digest).digest().length))
  const block = blockOf(o.digest)
  const diversifier = new Uint8Array(block).fill(o.purpose)
  const input = Buffer.concat([repeated(o.salt, block), repeated(o.password, block)])
  const found: Buffer[] = []
  for (let length = 0; length < o.bytes;) {
    let hash = createHash(o.digest).update(diversifier).update(input).digest()
    for (let round = 1; round < o.iterations; round++) {
      hash = createHash(o.digest).update(hash).digest()
      if (round % roundsAtOnce === 0) await turn()
    }
    found.push(hash)
    length += hash.length
    const addend = repeated(hash, block).subarray(0, block)
    for (let at = 0; at < input.length; at += block) addOne(input.subarray(at, at + block), addend)
  }
  return Buffer.concat(found).subarray(0, o.bytes)
}

/** The bytes repeated up to a multiple of a block; empty for empty input. */
function repeated(bytes: Uint8Array, block: number): Buffer {
  const length = Math.ceil(bytes.length / block) * block
  return Buffer.from(Array.from({ length }, (_, index) => bytes[index % bytes.length]!))
}

/** `part + addend + 1`, modulo the part's size. */
function addOne(part: Buffer, addend: Buffer): void {
  let carry = 1
  for (let at = part.length - 1; at >= 0; at--) {
    const sum = part[at]! + addend[at]! + carry
    part[at] = sum & 0xff
    carry = sum >> 8
  }
}
