import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Rounds } from './rounds.ts'

/** What derived bytes are for (RFC 7292 appendix B.3). */
export const purposes = { key: 1, iv: 2, mac: 3 } as const

/** After so many rounds others have a turn: who sends a file chooses their number (attack W27). */
const roundsAtOnce = 2_000

/** Bytes of a block of the digest: `v` of RFC 7292. */
const blockOf = (digest: string): number => (digest === 'sha1' || digest === 'sha256' ? 64 : 128)

/** A password as PKCS#12 hashes it: UTF-16, big-endian, with a zero at the end; without a password there is nothing. */
export function passwordBytes(password: string | undefined): Uint8Array {
  if (password === undefined) return new Uint8Array(0)
  return Buffer.from(`${password}\0`, 'utf16le').swap16()
}

/** Against a round of PBKDF2's: a hash of its own here costs some twenty of those inside OpenSSL. */
const costOfRound = 20

/**
 * The key derivation of RFC 7292 appendix B.2.
 * @param o.password as `passwordBytes` gives it
 * @param o.rounds that the file has left; absent for a file of our own
 * @throws ServiceError BadParameter where it has not as many
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

/** The bytes again and again, up to a multiple of a block; of none there is nothing. */
function repeated(bytes: Uint8Array, block: number): Buffer {
  const length = Math.ceil(bytes.length / block) * block
  return Buffer.from(Array.from({ length }, (_, index) => bytes[index % bytes.length]!))
}

/** `part + addend + 1`, modulo what fits into the part. */
function addOne(part: Buffer, addend: Buffer): void {
  let carry = 1
  for (let at = part.length - 1; at >= 0; at--) {
    const sum = part[at]! + addend[at]! + carry
    part[at] = sum & 0xff
    carry = sum >> 8
  }
}
