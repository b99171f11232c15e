import { ByteReader } from '../core/bytes/byte-reader.ts'
import { concat } from '../core/bytes/bytes.ts'
import { forWebCrypto } from '../core/bytes/digest.ts'
import { type HashName, hashAlgorithmById, hashAlgorithmByName } from '../eventlog/algorithms.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { readSized } from './attest.ts'
import type { EccCurve, TpmPublicKey } from './public.ts'
import { jwkOfTpmKey } from './spki.ts'

export type TpmSignature =
  | { scheme: 'rsassa' | 'rsapss'; hash: HashName; signature: Uint8Array }
  | { scheme: 'ecdsa'; hash: HashName; r: Uint8Array; s: Uint8Array }

/**
 * Reads a TPMT_SIGNATURE (TPM 2.0 part 2, section 11.3.4): RSASSA, RSAPSS or ECDSA. @throws ParseError
 * @example
 * import { fromHex, parseTpmtSignature } from '@strongroom/evidence'
 *
 * // RSASSA with SHA-256 and 256 bytes, as a TPM gives it.
 * const signature = parseTpmtSignature(fromHex('0014000b0100' + '03'.repeat(256)))
 * signature.scheme // => 'rsassa'
 * signature.hash // => 'sha256'
 */
export function parseTpmtSignature(bytes: Uint8Array): TpmSignature {
  const reader = new ByteReader(bytes, 'TPMT_SIGNATURE')
  const scheme = reader.u16be('scheme')
  const hashId = reader.u16be('hash')
  const hash = hashAlgorithmById(hashId)
  if (hash === undefined)
    throw new ParseError({
      code: 'UnknownType',
      message: 'TPMT_SIGNATURE: unknown hash',
      offset: 2,
      found: `0x${hashId.toString(16)}`,
    })
  let signature: TpmSignature
  if (scheme === 0x0014 || scheme === 0x0016) {
    signature = {
      scheme: scheme === 0x0014 ? 'rsassa' : 'rsapss',
      hash: hash.name,
      signature: readSized(reader, 'signature', 512),
    }
  } else if (scheme === 0x0018) {
    signature = { scheme: 'ecdsa', hash: hash.name, r: readSized(reader, 'r', 66), s: readSized(reader, 's', 66) }
  } else {
    throw new ParseError({
      code: 'UnknownType',
      message: 'TPMT_SIGNATURE: scheme is not RSASSA, RSAPSS or ECDSA',
      offset: 0,
      found: `0x${scheme.toString(16)}`,
    })
  }
  reader.end()
  return signature
}

const curveSizes: Record<EccCurve, number> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 }

/**
 * Checks a TPM's signature over a message.
 * @throws VerificationError TpmKeyNotAllowed for a key of the wrong kind or below 2048 bits, AlgorithmNotAllowed for
 * SHA-1, TpmSignatureInvalid
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { attestationKeyOf, parseHclReport, parseRuntimeClaims, utf8, verifyTpmSignature } from '@strongroom/evidence'
 *
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const key = attestationKeyOf(parseRuntimeClaims(claims))
 * const signature = { scheme: 'rsassa', hash: 'sha256', signature: await readFile('azure/quote.sig') } as const
 * await verifyTpmSignature({ key, signature, message: await readFile('azure/quote.msg') }) // => undefined
 * verifyTpmSignature({ key, signature, message: utf8('another message') }) // throws VerificationError TpmSignatureInvalid
 */
export async function verifyTpmSignature(o: {
  key: TpmPublicKey
  signature: TpmSignature
  message: Uint8Array
}): Promise<void> {
  const { key, signature } = o
  const { webCrypto } = hashAlgorithmByName(signature.hash)
  if (webCrypto === undefined || signature.hash === 'sha1') {
    throw new VerificationError({
      code: 'AlgorithmNotAllowed',
      message: 'Hash of the TPM signature is not allowed',
      subject: 'TPM signature',
      expected: 'sha256, sha384 or sha512',
      found: signature.hash,
    })
  }
  const message = forWebCrypto(o.message)
  let valid: boolean
  if (key.kind === 'rsa' && signature.scheme !== 'ecdsa') {
    if (key.modulus.length < 256 || key.exponent < 65537 || key.exponent % 2 === 0) {
      throw new VerificationError({
        code: 'TpmKeyNotAllowed',
        message: 'RSA key of the TPM is too weak',
        expected: 'at least 2048 bits, exponent 65537 or larger and odd',
        found: `${key.modulus.length * 8} bits, exponent ${key.exponent}`,
      })
    }
    const name = signature.scheme === 'rsassa' ? 'RSASSA-PKCS1-v1_5' : 'RSA-PSS'
    const imported = await importKey(key, { name, hash: webCrypto })
    // A TPM uses the largest salt that fits, or the digest's size (part 1, annex B.7: digest size unless FIPS differs): both are tried.
    const digestSize = hashAlgorithmByName(signature.hash).size
    const largest = key.modulus.length - digestSize - 2
    const bytes = forWebCrypto(signature.signature)
    valid = await crypto.subtle.verify({ name, saltLength: digestSize }, imported, bytes, message)
    if (!valid && name === 'RSA-PSS')
      valid = await crypto.subtle.verify({ name, saltLength: largest }, imported, bytes, message)
  } else if (key.kind === 'ecc' && signature.scheme === 'ecdsa') {
    const size = curveSizes[key.curve]
    if (signature.r.length > size || signature.s.length > size) invalid()
    const imported = await importKey(key, { name: 'ECDSA', namedCurve: key.curve })
    const bytes = concat(
      new Uint8Array(size - signature.r.length),
      signature.r,
      new Uint8Array(size - signature.s.length),
      signature.s,
    )
    valid = await crypto.subtle.verify({ name: 'ECDSA', hash: webCrypto }, imported, bytes, message)
  } else {
    throw new VerificationError({
      code: 'TpmKeyNotAllowed',
      message: 'Signature scheme does not go with the key',
      expected: key.kind,
      found: signature.scheme,
    })
  }
  if (!valid) invalid()
}

function invalid(): never {
  throw new VerificationError({
    code: 'TpmSignatureInvalid',
    message: 'The signature is not by this TPM key over this message',
    subject: 'TPM signature',
  })
}

async function importKey(key: TpmPublicKey, algorithm: RsaHashedImportParams | EcKeyImportParams): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('jwk', jwkOfTpmKey(key), algorithm, false, ['verify'])
  } catch (cause) {
    throw new VerificationError({
      code: 'TpmKeyNotAllowed',
      message: 'The TPM key is not a valid key',
      subject: 'TPM key',
      cause,
    })
  }
}
