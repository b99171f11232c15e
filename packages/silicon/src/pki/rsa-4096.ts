import { generatePrime } from 'node:crypto'
import { integer, nullValue, octetString, oid, sequence } from '@strongroom/der'

const bits = 4096
const publicExponent = 65537n

const prime = async (length: number): Promise<bigint> =>
  await new Promise((done, fail) =>
    generatePrime(length, { bigint: true }, (error, found) => (error instanceof Error ? fail(error) : done(found))),
  )

function inverse(value: bigint, modulus: bigint): bigint {
  let [previous, current, left, right] = [modulus, value % modulus, 0n, 1n]
  while (current !== 0n) {
    const quotient = previous / current
    ;[previous, current] = [current, previous - quotient * current]
    ;[left, right] = [right, left - quotient * right]
  }
  return ((left % modulus) + modulus) % modulus
}

const product = (values: readonly bigint[]): bigint => values.reduce((all, each) => all * each, 1n)

/** Four distinct primes, as OpenSSL allows for this length, whose product has it. */
async function primes(): Promise<bigint[]> {
  for (;;) {
    const found = await Promise.all(Array.from({ length: 4 }, async () => await prime(bits / 4)))
    const isUsable = found.every((each) => (each - 1n) % publicExponent !== 0n) && new Set(found).size === 4
    if (isUsable && product(found) >> BigInt(bits - 1) === 1n) return found
  }
}

/**
 * PKCS#8 of an RSA key of 4096 bits with four primes (RFC 8017, section 3.2): the public key is like any other of its
 * length, and is found in a fifth of the time. It is for the simulation, which does not rest on the secrecy of its keys.
 */
export async function multiPrimeKey(): Promise<Uint8Array> {
  const [p, q, ...others] = (await primes()) as [bigint, bigint, bigint, bigint]
  const all = [p, q, ...others]
  const d = inverse(publicExponent, product(all.map((each) => each - 1n)))
  const values = [1n, product(all), publicExponent, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)]
  const infos = others.map((each, index) => {
    const before = product(all.slice(0, 2 + index))
    return sequence(...[each, d % (each - 1n), inverse(before, each)].map((value) => integer(value)))
  })
  const key = sequence(...values.map((value) => integer(value)), sequence(...infos))
  return sequence(integer(0n), sequence(oid('1.2.840.113549.1.1.1'), nullValue()), octetString(key))
}
