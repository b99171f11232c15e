import { concat } from './bytes.ts'

export type HashName = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'

/**
 * Length of a digest in bytes.
 * @example
 * import { digestLength } from '@strongroom/evidence'
 *
 * digestLength['SHA-384'] // => 48
 */
export const digestLength: Record<HashName, number> = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 }

/**
 * Digest of the parts joined in order.
 * @example
 * import { digest, toHex, utf8 } from '@strongroom/evidence'
 *
 * toHex(await digest('SHA-256', utf8('a'), utf8('b'))) === toHex(await digest('SHA-256', utf8('ab'))) // => true
 */
export async function digest(hash: HashName, ...parts: Uint8Array[]): Promise<Uint8Array> {
  const first = parts[0]
  const input = parts.length === 1 && first !== undefined ? forWebCrypto(first) : concat(...parts)
  return new Uint8Array(await crypto.subtle.digest(hash, input))
}

/**
 * WebCrypto's types reject views of shared memory. Evidence is never in shared memory, but the type system cannot
 * express this: this function returns the same bytes if they are in plain memory and copies them otherwise.
 * @example
 * import { forWebCrypto } from '@strongroom/evidence'
 *
 * const key = await crypto.subtle.importKey('raw', forWebCrypto(new Uint8Array(32)), 'AES-GCM', false, ['encrypt'])
 * key.type // => 'secret'
 */
export function forWebCrypto(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes)
}
