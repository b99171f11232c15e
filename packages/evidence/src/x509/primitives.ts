import { concat } from '../core/bytes/bytes.ts'
import { forWebCrypto, type HashName } from '../core/bytes/digest.ts'
import { VerificationError } from '../core/errors.ts'
import type { SignatureAlgorithm, SignatureHash } from './algorithms.ts'
import type { PublicKey } from './public-key.ts'
import { VerificationCache } from './verification-cache.ts'

/** One signature to verify. ECDSA signatures are r and s of the curve's length, most significant byte first. */
export interface SignatureCheck {
  key: PublicKey
  algorithm: SignatureAlgorithm
  signature: Uint8Array
  data: Uint8Array
}

/**
 * The cryptography under this package. By default the platform's WebCrypto, which every browser, worker and Node has;
 * in Node, `nodePrimitives` avoids the thread pool. A result is a fact about bytes: it must not depend on anything
 * else.
 */
export interface Primitives {
  /** False for an invalid signature. @throws VerificationError AlgorithmNotAllowed if the key is invalid */
  verify(check: SignatureCheck): boolean | Promise<boolean>
  digest(hash: HashName, data: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Imported keys, for as long as their source keys live. RSA keys are imported for one algorithm each. */
const webKeys = new WeakMap<PublicKey, Map<string, CryptoKey>>()

/**
 * WebCrypto.
 * @example
 * import { toHex, utf8, webPrimitives } from '@strongroom/evidence'
 *
 * toHex(await webPrimitives.digest('SHA-256', utf8(''))).slice(0, 8) // => 'e3b0c442'
 */
export const webPrimitives: Primitives = {
  async verify({ key, algorithm, signature, data }) {
    const imported = await importKey(key, algorithm)
    const parameters =
      algorithm.kind === 'ECDSA'
        ? { name: 'ECDSA', hash: algorithm.hash }
        : algorithm.kind === 'RSA-PSS'
          ? { name: 'RSA-PSS', saltLength: algorithm.saltLength }
          : { name: 'RSASSA-PKCS1-v1_5' }
    return crypto.subtle.verify(parameters, imported, forWebCrypto(signature), forWebCrypto(data))
  },
  async digest(hash, data) {
    return new Uint8Array(await crypto.subtle.digest(hash, forWebCrypto(data)))
  },
}

async function importKey(key: PublicKey, algorithm: SignatureAlgorithm): Promise<CryptoKey> {
  const parameters =
    key.kind === 'EC'
      ? { name: 'ECDSA', namedCurve: key.curve }
      : { name: algorithm.kind === 'RSA-PSS' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash: algorithm.hash }
  const use = `${algorithm.kind} ${algorithm.hash}`
  const known = webKeys.get(key)?.get(use)
  if (known !== undefined) return known
  try {
    const imported = await crypto.subtle.importKey('spki', forWebCrypto(key.spki), parameters, false, ['verify'])
    const ofKey = webKeys.get(key) ?? new Map<string, CryptoKey>()
    webKeys.set(key, ofKey.set(use, imported))
    return imported
  } catch (cause) {
    throw notAKey(cause)
  }
}

/**
 * The parts of `node:crypto` that are used. The caller provides it, so that this package imports nothing; its types are
 * Node's declarations, which are not part of this package either.
 */
/* oxlint-disable typescript/no-explicit-any -- see above */
export interface NodeCrypto {
  createPublicKey: (key: any) => any
  verify: (hash: string, data: any, key: any, signature: any) => boolean
  createHash: (name: string) => { update: (data: any) => { digest: () => Uint8Array } }
  constants: { RSA_PKCS1_PADDING: number; RSA_PKCS1_PSS_PADDING: number }
}
/* oxlint-enable typescript/no-explicit-any */

const nodeHash: Readonly<Record<SignatureHash, string>> = {
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
}

/**
 * Primitives over `node:crypto`, which answer synchronously: `nodePrimitives(await import('node:crypto'))`. Same
 * verdicts as WebCrypto in a fraction of the time. Create it once: it keeps the last 64 imported keys, by their exact
 * bytes.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors, nodePrimitives, parseCertificate, parsePem, verifyPath } from '@strongroom/evidence'
 * import * as nodeCrypto from 'node:crypto'
 * const primitives = nodePrimitives(nodeCrypto) // once, for all calls
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const path = { chain: [ask, ark], anchors: genuineAmdAnchors, at: new Date('2024-01-01'), leafMayBeCa: true }
 * const anchor = await verifyPath({ ...path, primitives })
 * anchor.name // => 'ARK-Milan'
 */
export function nodePrimitives(crypto: NodeCrypto): Primitives {
  // Importing and first using a key costs as much as a signature, and the same few roots and signers recur.
  const known = new VerificationCache({ maximumEntries: 64 })
  const keys = new WeakMap<PublicKey, object>()
  const keyOf = (publicKey: PublicKey): object => {
    const imported = keys.get(publicKey)
    if (imported !== undefined) return imported
    const { key } = known.parsed('key', publicKey.spki, (spki) => {
      try {
        return { key: crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' }) as object }
      } catch (cause) {
        throw notAKey(cause)
      }
    })
    keys.set(publicKey, key)
    return key
  }
  return {
    verify({ key: publicKey, algorithm, signature, data }) {
      const key = keyOf(publicKey)
      const hash = nodeHash[algorithm.hash]
      // Node accepts r and s too, but its conversion to DER costs a third of a P-256 signature.
      if (algorithm.kind === 'ECDSA') {
        // Halves of another length could encode the same numbers: several forms of one signature.
        if (publicKey.kind !== 'EC' || signature.length !== publicKey.point.length - 1) return false
        return crypto.verify(hash, data, key, ecdsaDer(signature))
      }
      const options =
        algorithm.kind === 'RSA-PSS'
          ? { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltLength }
          : { key, padding: crypto.constants.RSA_PKCS1_PADDING }
      return crypto.verify(hash, data, options, signature)
    },
    digest(hash, data) {
      return new Uint8Array(crypto.createHash(hash).update(data).digest())
    },
  }
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3) of r and s, each half of `raw`. */
function ecdsaDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  const parts = [derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half))]
  const content = concat(...parts)
  // 2 × (66 + 3) bytes of P-521 need the long form.
  return content.length < 128
    ? concat(Uint8Array.of(0x30, content.length), content)
    : concat(Uint8Array.of(0x30, 0x81, content.length), content)
}

function derInteger(magnitude: Uint8Array): Uint8Array {
  // Zero becomes an integer without bytes, which occurs in no signature.
  let start = 0
  while (magnitude[start] === 0) start++
  const value = magnitude.subarray(start)
  const sign = (value[0] ?? 0) & 0x80 ? [0] : []
  return concat(Uint8Array.of(0x02, value.length + sign.length, ...sign), value)
}

function notAKey(cause: unknown): VerificationError {
  return new VerificationError({ code: 'AlgorithmNotAllowed', message: 'Public key is not a valid key', cause })
}
