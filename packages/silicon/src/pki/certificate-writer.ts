import {
  basicConstraints,
  certificate,
  encodeName,
  extensionOids,
  implicit,
  keyBits,
  keyUsage,
  octetString,
  sequence,
  type Extension,
  type NameAttributes,
} from '@strongroom/der'
import { digest } from '@strongroom/evidence'
import type { SigningKey } from './keys.ts'
import { signatureAlgorithm, signForCertificate } from './signature.ts'

/** Issues an X.509 version 3 certificate (RFC 5280 section 4.1). Times are truncated to the second. */
export async function issueCertificate(o: {
  serialNumber: bigint
  subject: NameAttributes
  issuer: NameAttributes
  /** DER SubjectPublicKeyInfo. */
  subjectKey: Uint8Array
  signer: SigningKey
  notBefore: Date
  notAfter: Date
  extensions: readonly Extension[]
}): Promise<Uint8Array> {
  const { toBeSigned, signed } = certificate(signatureAlgorithm(o.signer.scheme), {
    ...o,
    issuer: encodeName(o.issuer),
    subject: encodeName(o.subject),
  })
  return signed(await signForCertificate(o.signer, toBeSigned))
}

/** basicConstraints and keyUsage of a data-signing key. */
export function leafExtensions(): Extension[] {
  return [basicConstraints(), keyUsage(['digitalSignature', 'nonRepudiation'])]
}

/** SHA-1 of the key's bits: an identifier, not a protection. */
export async function keyIdentifier(spki: Uint8Array): Promise<Uint8Array> {
  return digest('SHA-1', keyBits(spki))
}

/** subjectKeyIdentifier and authorityKeyIdentifier. */
export async function keyIdentifierExtensions(subjectKey: Uint8Array, issuerKey: Uint8Array): Promise<Extension[]> {
  const [subject, issuer] = await Promise.all([keyIdentifier(subjectKey), keyIdentifier(issuerKey)])
  return [
    { oid: extensionOids.subjectKeyIdentifier, value: octetString(subject) },
    { oid: extensionOids.authorityKeyIdentifier, value: sequence(implicit(0, issuer)) },
  ]
}
