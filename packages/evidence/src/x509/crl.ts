import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { derTag, DerReader } from '../core/der/der-reader.ts'
import { readIntegerBytes, readSmallInteger, readTime } from '../core/der/der-values.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { describeTime } from '../core/time.ts'
import { readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.ts'
import type { Certificate } from './certificate.ts'
import { readExtensions, type Extension } from './extensions.ts'
import { factOf, type VerifyContext } from './verify-context.ts'
import { describeName, readName, sameName, type Name } from './name.ts'
import { oid } from './oids.ts'
import { verifySignature } from './verify-signature.ts'
import { readClosingExtensions, readSignature } from './signed.ts'

/** Certificate revocation list version 2 (RFC 5280 section 5). */
export interface Crl {
  raw: Uint8Array
  tbs: Uint8Array
  issuer: Name
  thisUpdate: Date
  nextUpdate: Date | undefined
  /** Serial numbers of revoked certificates, in hexadecimal as in Certificate.serialNumber, with the time of revocation. */
  revoked: ReadonlyMap<string, Date>
  extensions: Extension[]
  signatureAlgorithm: SignatureAlgorithm
  signature: Uint8Array
}

const maximumLength = 1 << 23

/**
 * Reads exactly one list. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, fromHex, parseCrl } from '@strongroom/evidence'
 *
 * const { pckCrl } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const { issuer, revoked } = parseCrl(fromHex(pckCrl))
 * describeName(issuer) // => 'Intel SGX PCK Platform CA'
 * revoked.size // => 44
 */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > maximumLength) throw new ParseError({ code: 'TooLarge', message: 'Revocation list is too large' })
  const outer = new DerReader(der, 'revocation list')
  const whole = outer.sequence('revocation list')
  outer.end()
  const tbsValue = whole.expect(derTag.sequence, 'signed part')
  const tbs = whole.enter(tbsValue, 'revocation list')
  if (readSmallInteger(tbs, 'version') !== 1) tbs.fail('UnknownVersion', 'version is not 2')
  const innerStart = tbs.offset
  const signatureAlgorithm = readSignatureAlgorithm(tbs, 'signature algorithm')
  const innerAlgorithm = der.subarray(innerStart, tbs.offset)
  const issuer = readName(tbs, 'issuer')
  const thisUpdate = readTime(tbs, 'thisUpdate')
  const hasNext = tbs.peek() === derTag.utcTime || tbs.peek() === derTag.generalizedTime
  const nextUpdate = hasNext ? readTime(tbs, 'nextUpdate') : undefined
  const revoked = tbs.peek() === derTag.sequence ? readRevoked(tbs) : new Map<string, Date>()
  const extensions = readClosingExtensions(tbs, 0)
  const signature = readSignature({ whole, der, innerAlgorithm })
  return {
    raw: der,
    tbs: tbsValue.raw,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    extensions,
    signatureAlgorithm,
    signature,
  }
}

function readRevoked(tbs: DerReader): Map<string, Date> {
  const list = tbs.sequence('revoked certificates')
  const revoked = new Map<string, Date>()
  // Authorities revoke in batches: what follows a serial number usually repeats the previous entry.
  let known: { bytes: Uint8Array; date: Date } | undefined
  while (!list.atEnd) {
    const entry = list.sequence('revoked certificate')
    const serial = toHex(readIntegerBytes(entry, 'serial number'))
    const bytes = entry.remaining
    if (known === undefined || !equal(known.bytes, bytes)) known = { bytes, date: readRevocation(entry) }
    revoked.set(serial, known.date)
  }
  return revoked
}

function readRevocation(entry: DerReader): Date {
  const date = readTime(entry, 'revocation date')
  if (!entry.atEnd) {
    const critical = readExtensions(entry, 'entry extensions').find((extension) => extension.critical)
    // A critical extension may assign the entry to another issuer (RFC 5280 section 5.3.3).
    if (critical !== undefined) entry.fail('UnknownType', `critical entry extension ${critical.oid}`)
  }
  entry.end()
  return date
}

/** Extensions that may be critical and do not change what the list covers. */
const harmless: ReadonlySet<string> = new Set([oid.crlNumber, oid.authorityKeyIdentifier])

/**
 * Checks that `issuer` signed this list and that it is current. A list without nextUpdate is never current.
 * @throws VerificationError CrlIssuerMismatch, CertificateNotForThisUse, CrlSignatureInvalid, CrlNotYetValid,
 * CrlExpired, UnknownCriticalExtension
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromHex, parseCertificate, parseCrl, parsePem, verifyCrl } from '@strongroom/evidence'
 *
 * const { rootCaCrl, pckCrlIssuerChainPem } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const issuer = parsePem(pckCrlIssuerChainPem).map(parseCertificate).at(-1)
 * if (issuer === undefined) throw new Error('a chain is expected')
 * const crl = parseCrl(fromHex(rootCaCrl))
 * await verifyCrl({ crl, issuer, at: new Date('2025-06-25') }) // => undefined
 * verifyCrl({ crl, issuer, at: new Date('2035-06-25') }) // throws VerificationError CrlExpired
 */
export async function verifyCrl(
  o: VerifyContext & { crl: Crl; issuer: Certificate; at: Date; subject?: string },
): Promise<void> {
  const { crl, issuer, at } = o
  const subject = o.subject ?? `revocation list of ${describeName(crl.issuer)}`
  if (!sameName(crl.issuer, issuer.subject)) {
    throw new VerificationError({
      code: 'CrlIssuerMismatch',
      message: `${subject} is another issuer's`,
      subject,
      expected: describeName(issuer.subject),
      found: describeName(crl.issuer),
    })
  }
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.has('cRLSign')) {
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: `${describeName(issuer.subject)} may not sign revocation lists`,
      subject,
    })
  }
  const good = await factOf(o, crl, issuer, () =>
    verifySignature({
      key: issuer.publicKey,
      algorithm: crl.signatureAlgorithm,
      signature: crl.signature,
      data: crl.tbs,
      subject,
      primitives: o.primitives,
    }),
  )
  if (!good) {
    throw new VerificationError({
      code: 'CrlSignatureInvalid',
      message: `${subject} is not signed by its issuer`,
      subject,
    })
  }
  const unknown = crl.extensions.find((extension) => extension.critical && !harmless.has(extension.oid))
  if (unknown !== undefined) {
    throw new VerificationError({
      code: 'UnknownCriticalExtension',
      message: `${subject} has a critical extension that is not understood`,
      subject,
      found: unknown.oid,
    })
  }
  // An invalid time compares false both ways: it is refused.
  if (!(at >= crl.thisUpdate)) {
    throw new VerificationError({
      code: 'CrlNotYetValid',
      message: `${subject} is of the future`,
      subject,
      expected: `at or after ${crl.thisUpdate.toISOString()}`,
      found: describeTime(at),
    })
  }
  if (crl.nextUpdate === undefined || !(at <= crl.nextUpdate)) {
    throw new VerificationError({
      code: 'CrlExpired',
      message: `${subject} is out of date`,
      subject,
      expected:
        crl.nextUpdate === undefined ? 'a time of the next update' : `at or before ${crl.nextUpdate.toISOString()}`,
      found: at.toISOString(),
    })
  }
}
