/** As in hsm/shamir.ts. The service never joins shares: their holders do. */
const prime = 257

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
