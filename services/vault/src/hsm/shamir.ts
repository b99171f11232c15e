import { randomInt } from 'node:crypto'

/** The prime field of Azure's shares: it holds every byte, and one value more. */
const prime = 257
const mostShares = 126

/**
 * Shamir's secret sharing over GF(257), byte by byte, in the encoding that `az keyvault security-domain` reads: for
 * each byte of the secret 16 bits, little-endian, x in the upper 7 and the value in the lower 9.
 * @returns one share for each holder; any `required` of them give the secret, fewer reveal nothing
 */
export function splitSecret(secret: Uint8Array, o: { shares: number; required: number }): Uint8Array[] {
  if (o.required < 2 || o.required > o.shares || o.shares > mostShares) throw new RangeError('no such sharing')
  const shares = Array.from({ length: o.shares }, () => Buffer.alloc(secret.length * 2))
  for (const [place, byte] of secret.entries()) {
    // The secret is the value at 0; the other coefficients are uniformly random.
    const coefficients = Array.from({ length: o.required - 1 }, () => randomInt(prime))
    for (const [index, share] of shares.entries()) {
      const x = index + 1
      const value = coefficients.reduce((sum, coefficient) => ((sum + coefficient) * x) % prime, 0)
      share.writeUInt16LE((x << 9) | ((value + byte) % prime), place * 2)
    }
  }
  return shares
}

/** @throws RangeError if the shares differ in length, repeat, or give no bytes */
export function joinShares(shares: Uint8Array[]): Uint8Array {
  const words = shares.map((share) => Buffer.from(share))
  const length = words[0]?.length ?? 0
  if (length === 0 || length % 2 !== 0 || words.some((share) => share.length !== length)) {
    throw new RangeError('the shares are not of one secret')
  }
  const secret = new Uint8Array(length / 2)
  for (let place = 0; place < secret.length; place++) {
    const points = words.map((share) => {
      const word = share.readUInt16LE(place * 2)
      return { x: word >> 9, value: word & 0x1ff }
    })
    if (new Set(points.map(({ x }) => x)).size !== points.length) throw new RangeError('a share was given twice')
    let sum = 0
    for (const [index, { x, value }] of points.entries()) {
      let weight = value
      for (const [other, point] of points.entries()) {
        if (other === index) continue
        weight = (weight * point.x * inverse((((point.x - x) % prime) + prime) % prime)) % prime
      }
      sum = (sum + weight) % prime
    }
    if (sum > 255) throw new RangeError('the shares do not belong together')
    secret[place] = sum
  }
  return secret
}

/** Fermat: a^(p−2). */
function inverse(value: number): number {
  let result = 1
  for (let step = 0; step < prime - 2; step++) result = (result * value) % prime
  return result
}
