import { fromHex, toHex } from '../bytes/hex.ts'
import { utf8 } from '../bytes/bytes.ts'
import { VerificationError } from '../result/errors.ts'
import type { TrustAnchor } from '../result/trust-anchors.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import { verifyPath } from '../x509/path.ts'
import { parsePem } from '../x509/pem.ts'
import { verifyRawEcdsa } from '../x509/public-key.ts'
import { findExtension } from '../x509/extensions.ts'
import { pckOids } from './pck.ts'
import { splitSignedJson } from './signed-json.ts'

/** Intel's words about a platform, as its service (PCS API version 4) or a cache of it serves them. */
export interface TdxCollateral {
  /** `{"tcbInfo":{…},"signature":"…"}`, unchanged: the signature covers the text. */
  tcbInfo: string
  /** TCB signing certificate, then root. */
  tcbInfoIssuerChainPem: string
  /** `{"enclaveIdentity":{…},"signature":"…"}` of the TD quoting enclave, unchanged. */
  qeIdentity: string
  qeIdentityIssuerChainPem: string
  /** DER, by the CA that issued the PCK certificate. */
  pckCrl: Uint8Array
  /** Served with the list; not needed, as the list must be signed by an authority of the quote's own chain. */
  pckCrlIssuerChainPem: string
  /** DER, by the root. */
  rootCaCrl: Uint8Array
}

/** Production Intel SGX Root CA, by its key. */
export const genuineIntelAnchors: readonly TrustAnchor[] = [
  { name: 'Intel SGX Root CA', spkiSha256: 'a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e' },
]

/** Common name of the certificate that signs TCB info and enclave identities (Intel PCS, section on certificates). */
const tcbSigningName = 'Intel SGX TCB Signing'

/**
 * Verifies one signed text: the chain of its signer at this time, the signer's kind, the signature over the text's exact bytes.
 * @returns the text of the signed value
 * @throws VerificationError CollateralSignatureInvalid, CertificateNotForThisUse, and those of verifyPath
 */
export async function verifySignedText(o: {
  text: string
  member: 'tcbInfo' | 'enclaveIdentity'
  issuerChainPem: string
  anchors: readonly TrustAnchor[]
  crls: readonly Crl[]
  at: Date
}): Promise<string> {
  const subject = o.member === 'tcbInfo' ? 'TCB info' : 'QE identity'
  const { body, signature } = splitSignedJson(o.text, o.member)
  const chain = parsePem(o.issuerChainPem).map((der) => parseCertificate(der))
  const signer = chain[0]
  if (signer === undefined || chain.length !== 2) {
    throw new VerificationError({
      code: 'PathTooLong',
      message: `${subject}: chain of the signer has another length`,
      subject,
      expected: '2 certificates',
      found: String(chain.length),
    })
  }
  await verifyPath({ chain, anchors: o.anchors, crls: o.crls, at: o.at, requireCrls: true })
  requireTcbSigner(signer, subject)
  const key = signer.publicKey
  const valid =
    key.kind === 'EC' &&
    key.curve === 'P-256' &&
    (await verifyRawEcdsa({ key, hash: 'SHA-256', signature: fromHex(signature), data: utf8(body) }))
  if (!valid) {
    throw new VerificationError({
      code: 'CollateralSignatureInvalid',
      message: `${subject} is not as its signer signed it`,
      subject,
    })
  }
  return body
}

/** Checks that a text is of this time: issued before, next update after. @throws VerificationError */
export function requireCurrent(o: { issueDate: Date; nextUpdate: Date; at: Date; subject: string }): void {
  const { subject } = o
  if (o.at < o.issueDate) {
    throw new VerificationError({
      code: 'CollateralNotYetValid',
      message: `${subject} is of the future`,
      subject,
      expected: `at or after ${o.issueDate.toISOString()}`,
      found: o.at.toISOString(),
    })
  }
  if (o.at > o.nextUpdate) {
    throw new VerificationError({
      code: 'CollateralExpired',
      message: `${subject} is out of date`,
      subject,
      expected: `at or before ${o.nextUpdate.toISOString()}`,
      found: o.at.toISOString(),
    })
  }
}

function requireTcbSigner(signer: Certificate, subject: string): void {
  const name = signer.subject.commonName ?? ''
  const maySign = signer.keyUsage === undefined || signer.keyUsage.has('digitalSignature')
  if (name !== tcbSigningName || !maySign || findExtension(signer.extensions, pckOids.extension) !== undefined) {
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: `${subject} is signed by a certificate for another use`,
      subject,
      expected: tcbSigningName,
      found: name || toHex(signer.subject.raw),
    })
  }
}
