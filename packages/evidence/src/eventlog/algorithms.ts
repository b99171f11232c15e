import { digest, type HashName as WebHashName } from '../core/bytes/digest.ts'
import { VerificationError } from '../core/errors.ts'

/**
 * Hash algorithms of TCG logs and TPMs (TCG Algorithm Registry, table 3). SM3 is known by name only and cannot be
 * computed.
 */
export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'sm3-256'

interface HashAlgorithm {
  readonly name: HashName
  /** TPM_ALG_ID. */
  readonly id: number
  /** Bytes. */
  readonly size: number
  /** Name for WebCrypto's digest; absent if it has none. */
  readonly webCrypto?: WebHashName
}

const hashAlgorithms: readonly HashAlgorithm[] = [
  { name: 'sha1', id: 0x0004, size: 20, webCrypto: 'SHA-1' },
  { name: 'sha256', id: 0x000b, size: 32, webCrypto: 'SHA-256' },
  { name: 'sha384', id: 0x000c, size: 48, webCrypto: 'SHA-384' },
  { name: 'sha512', id: 0x000d, size: 64, webCrypto: 'SHA-512' },
  { name: 'sm3-256', id: 0x0012, size: 32 },
]

/**
 * An algorithm by its TPM_ALG_ID; undefined if no register bank uses it.
 * @example
 * import { hashAlgorithmById } from '@strongroom/evidence'
 *
 * hashAlgorithmById(0x000b)?.name // => 'sha256'
 * hashAlgorithmById(0x0099) // => undefined
 */
export function hashAlgorithmById(id: number): HashAlgorithm | undefined {
  return hashAlgorithms.find((algorithm) => algorithm.id === id)
}

/**
 * The algorithm of a register bank.
 * @example
 * import { hashAlgorithmByName } from '@strongroom/evidence'
 *
 * hashAlgorithmByName('sha384').size // => 48
 */
export function hashAlgorithmByName(name: HashName): HashAlgorithm {
  const found = hashAlgorithms.find((algorithm) => algorithm.name === name)
  if (found === undefined) throw new TypeError(`no hash algorithm ${String(name)}`)
  return found
}

/** Digest by a bank's algorithm. @throws VerificationError AlgorithmNotAllowed for one that cannot be computed here (SM3) */
export async function bankDigest(name: HashName, ...parts: Uint8Array[]): Promise<Uint8Array> {
  const { webCrypto } = hashAlgorithmByName(name)
  if (webCrypto !== undefined) return digest(webCrypto, ...parts)
  throw new VerificationError({
    code: 'AlgorithmNotAllowed',
    message: `The bank ${name} cannot be computed here`,
    found: name,
  })
}
