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
