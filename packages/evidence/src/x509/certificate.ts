import { toHex } from '../core/bytes/hex.ts'
import { derTag, DerReader } from '../core/der/der-reader.ts'
import { readIntegerBytes, readSmallInteger, readTime } from '../core/der/der-values.ts'
import { ParseError } from '../core/errors.ts'
import { readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.ts'
import {
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
  type BasicConstraints,
  type Extension,
  type KeyUsage,
} from './extensions.ts'
import { readName, type Name } from './name.ts'
import { readPublicKey, type PublicKey } from './public-key.ts'
import { readClosingExtensions, readSignature } from './signed.ts'

/** X.509 version 3 certificate (RFC 5280 section 4.1). */
export interface Certificate {
  raw: Uint8Array
  /** The signed bytes. */
  tbs: Uint8Array
  /** Two's-complement bytes in hexadecimal, as in revocation lists. */
  serialNumber: string
  issuer: Name
  subject: Name
  notBefore: Date
  notAfter: Date
  publicKey: PublicKey
  signatureAlgorithm: SignatureAlgorithm
  signature: Uint8Array
  extensions: Extension[]
  basicConstraints: BasicConstraints | undefined
  /** Undefined if the extension is absent: then every usage is allowed. */
  keyUsage: ReadonlySet<KeyUsage> | undefined
  extendedKeyUsage: string[] | undefined
}

const maximumLength = 1 << 16

/**
 * Reads exactly one certificate. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, parseCertificate } from '@strongroom/evidence'
 *
 * const { subject, notAfter, publicKey } = parseCertificate(await readFile('vcek.der'))
 * describeName(subject) // => 'SEV-VCEK'
 * notAfter.getUTCFullYear() // => 2030
 * publicKey.kind // => 'EC'
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > maximumLength) throw new ParseError({ code: 'TooLarge', message: 'Certificate is too large' })
  const outer = new DerReader(der, 'certificate')
  const whole = outer.sequence('certificate')
  outer.end()
  const tbsValue = whole.expect(derTag.sequence, 'signed part')
  const tbs = whole.enter(tbsValue, 'certificate')

  const versionValue = tbs.expect(derTag.context(0, true), 'version')
  const versionReader = tbs.enter(versionValue, 'version')
  if (readSmallInteger(versionReader, 'version') !== 2) tbs.fail('UnknownVersion', 'version is not 3')
  versionReader.end()
  const serialNumber = toHex(readIntegerBytes(tbs, 'serial number'))
  const innerStart = tbs.offset
  const signatureAlgorithm = readSignatureAlgorithm(tbs, 'signature algorithm')
  const innerAlgorithm = der.subarray(innerStart, tbs.offset)
  const issuer = readName(tbs, 'issuer')
  const validity = tbs.sequence('validity')
  const notBefore = readTime(validity, 'notBefore')
  const notAfter = readTime(validity, 'notAfter')
  validity.end()
  const subject = readName(tbs, 'subject')
  const publicKey = readPublicKey(tbs, 'public key')
  const extensions = readClosingExtensions(tbs, 3)
  const signature = readSignature({ whole, der, innerAlgorithm })
  return {
    raw: der,
    tbs: tbsValue.raw,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    signatureAlgorithm,
    signature,
    extensions,
    basicConstraints: readBasicConstraints(extensions),
    keyUsage: readKeyUsage(extensions),
    extendedKeyUsage: readExtendedKeyUsage(extensions),
  }
}
