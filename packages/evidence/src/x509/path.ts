import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { VerificationError, type VerificationErrorCode } from '../core/errors.ts'
import { describeTime } from '../core/time.ts'
import type { TrustAnchor } from './trust-anchors.ts'
import type { Certificate } from './certificate.ts'
import { verifyCrl, type Crl } from './crl.ts'
import { digestOf, factOf, type VerifyContext } from './verify-context.ts'
import { describeName, sameName } from './name.ts'
import { oid } from './oids.ts'
import { verifySignature } from './verify-signature.ts'

/** Extensions that `verifyPath` applies, or that do not restrict a path. */
const understood: ReadonlySet<string> = new Set([
  oid.basicConstraints,
  oid.keyUsage,
  oid.extendedKeyUsage,
  oid.subjectKeyIdentifier,
  oid.authorityKeyIdentifier,
])

/**
 * SHA-256 of a certificate's public key in hexadecimal, which anchors pin.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors, parseCertificate, parsePem, spkiSha256 } from '@strongroom/evidence'
 *
 * const [, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * ark && (await spkiSha256(ark)) === genuineAmdAnchors[0]?.spkiSha256 // => true
 */
export async function spkiSha256(certificate: Certificate, context: VerifyContext = {}): Promise<string> {
  const { publicKey } = certificate
  return factOf(context, certificate, publicKey, async () => toHex(await digestOf(context, 'SHA-256', publicKey.spki)))
}

/**
 * Checks a chain, leaf first and root last, at a time (RFC 5280 section 6, for chains whose order is given): root
 * pinned and self-signed, every signature, name chaining, validity, cA, keyCertSign, path lengths, critical extensions,
 * revocation. Lists are matched to issuers by name; one that matches no certificate of the chain is refused.
 * @param o.requireCrls every certificate below the root must be covered by a list
 * @param o.leafMayBeCa for chains whose leaf is itself an authority
 * @param o.cache remembers signatures only; everything else is checked each time
 * @returns the anchor that pins the root
 * @throws VerificationError; `subject` is the failing certificate's common name
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors, parseCertificate, parsePem, verifyPath } from '@strongroom/evidence'
 *
 * const chain = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * const path = { chain, anchors: genuineAmdAnchors, leafMayBeCa: true }
 * const anchor = await verifyPath({ ...path, at: new Date('2024-01-01') })
 * anchor.name // => 'ARK-Milan'
 * verifyPath({ ...path, at: new Date('2099-01-01') }) // throws VerificationError CertificateExpired
 */
export async function verifyPath(
  o: VerifyContext & {
    chain: readonly Certificate[]
    anchors: readonly TrustAnchor[]
    at: Date
    crls?: readonly Crl[] | undefined
    requireCrls?: boolean
    leafMayBeCa?: boolean
  },
): Promise<TrustAnchor> {
  const { chain, anchors, at } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const root = chain.at(-1)
  if (root === undefined) refuse('UntrustedRoot', 'Chain is empty')
  if (chain.length > 6)
    refuse('PathTooLong', 'Chain is longer than any vendor makes', root, 'at most 6', `${chain.length}`)
  if (anchors.length === 0) refuse('NoTrustAnchors', 'No root is trusted', root)
  const pin = await spkiSha256(root, context)
  const trusted = anchors.find((anchor) => anchor.spkiSha256 === pin)
  if (trusted === undefined) {
    const expected = anchors.map((anchor) => `${anchor.name} ${anchor.spkiSha256}`).join(', ')
    if (sameName(root.subject, root.issuer))
      refuse('UntrustedRoot', 'Chain ends at a root that is not trusted', root, expected, pin)
    const missing = describeName(root.issuer)
    refuse(
      'UntrustedRoot',
      `Chain ends before a root: the certificate of ${missing} was not given`,
      root,
      expected,
      missing,
    )
  }
  for (let index = chain.length - 1; index >= 0; index--) {
    const certificate = chain[index] as Certificate
    const issuer = chain[index + 1] ?? certificate
    await checkIssued(certificate, issuer, context)
    checkValidity(certificate, at)
    checkCriticalExtensions(certificate)
    if (index > 0 || issuer === certificate) checkAuthority(certificate, index - 1)
    else if (o.leafMayBeCa !== true && certificate.basicConstraints?.ca === true) {
      refuse('CertificateNotForThisUse', 'Leaf is an authority', certificate, 'not an authority', 'cA true')
    }
  }
  await checkRevocation(chain, o.crls ?? [], at, o.requireCrls === true, context)
  return trusted
}

async function checkIssued(certificate: Certificate, issuer: Certificate, context: VerifyContext): Promise<void> {
  const subject = describeName(certificate.subject)
  if (!sameName(certificate.issuer, issuer.subject)) {
    const expected = describeName(issuer.subject)
    refuse(
      'IssuerMismatch',
      'Certificate names another issuer',
      certificate,
      expected,
      describeName(certificate.issuer),
    )
  }
  // The fact is about the two certificates, not the key: the key's own fact is its pin.
  const good = await factOf(context, certificate, issuer, () =>
    verifySignature({
      key: issuer.publicKey,
      algorithm: certificate.signatureAlgorithm,
      signature: certificate.signature,
      data: certificate.tbs,
      subject,
      primitives: context.primitives,
    }),
  )
  if (!good) refuse('CertificateSignatureInvalid', 'Certificate is not signed by its issuer', certificate)
}

function checkValidity(certificate: Certificate, at: Date): void {
  // An invalid time compares false both ways: it is refused.
  if (!(at >= certificate.notBefore)) {
    const expected = `at or after ${certificate.notBefore.toISOString()}`
    refuse('CertificateNotYetValid', 'Certificate is not valid yet', certificate, expected, describeTime(at))
  }
  if (at > certificate.notAfter) {
    const expected = `at or before ${certificate.notAfter.toISOString()}`
    refuse('CertificateExpired', 'Certificate has expired', certificate, expected, at.toISOString())
  }
}

function checkCriticalExtensions(certificate: Certificate): void {
  const unknown = certificate.extensions.find((extension) => extension.critical && !understood.has(extension.oid))
  if (unknown !== undefined) {
    refuse('UnknownCriticalExtension', 'Critical extension is not understood', certificate, undefined, unknown.oid)
  }
}

/** @param below number of authorities between this one and the leaf */
function checkAuthority(certificate: Certificate, below: number): void {
  const { basicConstraints, keyUsage } = certificate
  if (basicConstraints?.ca !== true) {
    refuse('CertificateNotForThisUse', 'Issuer is not an authority', certificate, 'cA true', 'cA false')
  }
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    refuse(
      'CertificateNotForThisUse',
      'Issuer may not sign certificates',
      certificate,
      'keyCertSign',
      [...keyUsage].join(', '),
    )
  }
  const { pathLength = Number.POSITIVE_INFINITY } = basicConstraints
  if (below > pathLength)
    refuse('PathTooLong', 'Chain is longer than its authority allows', certificate, `${pathLength}`, `${below}`)
}

async function checkRevocation(
  chain: readonly Certificate[],
  crls: readonly Crl[],
  at: Date,
  required: boolean,
  context: VerifyContext,
): Promise<void> {
  const issuers = chain.slice(1)
  for (const crl of crls) {
    const issuer = issuers.find((candidate) => sameName(candidate.subject, crl.issuer))
    if (issuer === undefined) {
      const subject = `revocation list of ${describeName(crl.issuer)}`
      const expected = issuers.map((candidate) => describeName(candidate.subject)).join(', ')
      throw new VerificationError({
        code: 'CrlIssuerMismatch',
        message: 'Revocation list belongs to no authority of this chain',
        subject,
        expected,
        found: describeName(crl.issuer),
      })
    }
    await verifyCrl({ crl, issuer, at, ...context })
  }
  for (const certificate of chain) {
    const covering = crls.filter((crl) => equal(crl.issuer.raw, certificate.issuer.raw))
    for (const crl of covering) {
      const date = crl.revoked.get(certificate.serialNumber)
      if (date !== undefined) {
        refuse('CertificateRevoked', 'Certificate is revoked', certificate, undefined, `since ${date.toISOString()}`)
      }
    }
    if (required && covering.length === 0 && certificate !== chain.at(-1)) {
      refuse('CollateralMissing', 'No revocation list covers this certificate', certificate)
    }
  }
}

function refuse(
  code: VerificationErrorCode,
  message: string,
  certificate?: Certificate,
  expected?: string,
  found?: string,
): never {
  const subject = certificate === undefined ? undefined : describeName(certificate.subject)
  throw new VerificationError({
    code,
    message: subject === undefined ? message : `${subject}: ${message}`,
    subject,
    expected,
    found,
  })
}
