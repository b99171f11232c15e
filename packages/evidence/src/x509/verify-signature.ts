import { DerReader } from '../core/der/der-reader.ts'
import { readIntegerBytes } from '../core/der/der-values.ts'
import { VerificationError } from '../core/errors.ts'
import type { SignatureHash } from './algorithms.ts'
import { webPrimitives, type Primitives, type SignatureCheck } from './primitives.ts'
import { unsigned, type Curve, type PublicKey } from './public-key.ts'

/**
 * True if `signature` (as in certificates: DER r and s for ECDSA) covers `data` under this key.
 * @throws VerificationError AlgorithmNotAllowed for keys that do not fit the algorithm or are too weak
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseCertificate, parsePem, verifySignature } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const { signatureAlgorithm: algorithm, signature, tbs: data } = ask
 * await verifySignature({ key: ark.publicKey, algorithm, signature, data, subject: 'ASK' }) // => true
 */
export async function verifySignature(
  o: SignatureCheck & { subject: string; primitives?: Primitives | undefined },
): Promise<boolean> {
  const { key, algorithm, data, primitives = webPrimitives } = o
  if (algorithm.kind === 'ECDSA') {
    if (key.kind !== 'EC') throw mismatch(o.subject, 'an elliptic-curve key', key.kind)
    const signature = rawEcdsaSignature(o.signature, key.curve)
    return signature !== undefined && primitives.verify({ key, algorithm, signature, data })
  }
  if (key.kind !== 'RSA') throw mismatch(o.subject, 'an RSA key', key.kind)
  if (key.modulusBits < 2048) throw mismatch(o.subject, 'at least 2048 bits', `${key.modulusBits} bits`)
  return primitives.verify({ key, algorithm, signature: o.signature, data })
}

/**
 * ECDSA with the signature as r and s of fixed length, most significant byte first. False for points off the curve.
 * @example
 * import { forWebCrypto, parsePublicKey, utf8, verifyRawEcdsa } from '@strongroom/evidence'
 *
 * const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
 * const key = parsePublicKey(new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)))
 * if (key.kind !== 'EC') throw new Error('an EC key is expected')
 * const data = forWebCrypto(utf8('text'))
 * const signature = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, data))
 * await verifyRawEcdsa({ key, hash: 'SHA-256', signature, data }) // => true
 * await verifyRawEcdsa({ key, hash: 'SHA-256', signature, data: utf8('other') }) // => false
 */
export async function verifyRawEcdsa(o: {
  key: PublicKey & { kind: 'EC' }
  hash: SignatureHash
  signature: Uint8Array
  data: Uint8Array
  primitives?: Primitives | undefined
}): Promise<boolean> {
  const { key, hash, signature, data, primitives = webPrimitives } = o
  return primitives.verify({ key, algorithm: { kind: 'ECDSA', hash }, signature, data })
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3) as r and s of the curve's length; undefined if malformed. */
function rawEcdsaSignature(der: Uint8Array, curve: Curve): Uint8Array | undefined {
  const size = curve === 'P-256' ? 32 : curve === 'P-384' ? 48 : 66
  try {
    const outer = new DerReader(der, 'signature')
    const values = outer.sequence('signature')
    const parts = [unsigned(readIntegerBytes(values, 'r')), unsigned(readIntegerBytes(values, 's'))]
    values.end()
    outer.end()
    const raw = new Uint8Array(2 * size)
    for (const [index, part] of parts.entries()) {
      // A number that is too long would overlap the other; zero and negative numbers occur in no valid signature.
      if (part.length > size) return undefined
      raw.set(part, (index + 1) * size - part.length)
    }
    return raw
  } catch {
    return undefined
  }
}

function mismatch(subject: string, expected: string, found: string): VerificationError {
  return new VerificationError({
    code: 'AlgorithmNotAllowed',
    message: `${subject}: signing key does not fit its algorithm`,
    subject,
    expected,
    found,
  })
}
