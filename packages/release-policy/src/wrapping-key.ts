import type { TokenFault } from './token-faults.ts'

export interface WrappingKey {
  kid: string
  n: string
  e: string
}

/**
 * The key that a release is wrapped to: the first RSA encryption key in the token's own `x-ms-runtime.keys`, which the
 * hardware report vouches for. The caller cannot name another one. The keys under `x-ms-isolation-tee` belong to the
 * paravisor and are never used.
 * @example
 * import { findWrappingKey } from '@strongroom/release-policy'
 *
 * // A token without the guest's key: nothing can be wrapped to it.
 * const found = findWrappingKey({ 'x-ms-runtime': { keys: [] } })
 * 'found' in found && found.found // => 'no such key'
 */
export function findWrappingKey(claims: Record<string, unknown>): WrappingKey | TokenFault {
  const runtime = claims['x-ms-runtime']
  const list = isObject(runtime) && Array.isArray(runtime.keys) ? (runtime.keys as unknown[]) : []
  const jwk = list.filter(isObject).find((entry) => entry.kty === 'RSA' && isForEncryption(entry))
  if (!jwk) return unfit('no such key')
  const { kid, n, e } = jwk
  if (typeof kid !== 'string' || kid.length > 200 || typeof n !== 'string' || typeof e !== 'string') {
    return unfit('an RSA key without kid, n or e')
  }
  const modulus = unsigned(n)
  const exponent = unsigned(e)
  // An even modulus or a tiny exponent would wrap to nobody, or to everybody.
  const bits = bitsOf(modulus)
  if (bits < 2048 || bits > 16384 || !isOdd(modulus)) return unfit(`an RSA key of ${bits} bits`)
  if (bitsOf(exponent) < 2 || bitsOf(exponent) > 32 || !isOdd(exponent)) {
    return unfit('an RSA key with an unsuitable exponent')
  }
  return { kid, n, e }
}

function isForEncryption(jwk: Record<string, unknown>): boolean {
  if (jwk.use === 'enc' || jwk.key_use === 'enc') return true
  return Array.isArray(jwk.key_ops) && jwk.key_ops.includes('encrypt')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The number's bytes without leading zeros; empty if the text is not base64url. */
function unsigned(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]{1,4096}$/.test(text) || text.length % 4 === 1) return new Uint8Array(0)
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at)
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? new Uint8Array(0) : bytes.subarray(first)
}

const bitsOf = (bytes: Uint8Array): number =>
  bytes[0] === undefined ? 0 : bytes.length * 8 - (Math.clz32(bytes[0]) - 24)
const isOdd = (bytes: Uint8Array): boolean => ((bytes.at(-1) ?? 0) & 1) === 1

const unfit = (found: string): TokenFault => ({
  part: 'x-ms-runtime.keys',
  expected: 'an RSA key of at least 2048 bits for encryption',
  found,
})
