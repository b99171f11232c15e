import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import {
  algorithms,
  ascii,
  basicConstraints,
  certificate,
  certificationRequest,
  ecdsaSignature,
  encodeName,
  extendedKeyUsage,
  extensionOids,
  implicit,
  keyUsage,
  octetString,
  sequence,
  type Extension,
  type Unsigned,
} from '@strongroom/der'
import { keyIdentifier, serialNumber } from '@strongroom/platform'
import { bindingOf, type KeyVersion } from '../keys/key-version.ts'
import type { Keystore, KeyUse } from '../keystore/keystore.ts'
import { nameOf, type CertificatePolicy } from './policy.ts'

/** Verifiers' clocks may be slightly behind. */
const backdateMs = 600_000

type Sign = Extract<KeyUse, { operation: 'sign' }>['algorithm']

const schemes: Record<string, { algorithm: Sign; digest: string; identifier: Uint8Array }> = {
  RSA: { algorithm: 'RS256', digest: 'sha256', identifier: algorithms.rsaSha256 },
  'P-256': { algorithm: 'ES256', digest: 'sha256', identifier: algorithms.ecdsaSha256 },
  'P-256K': { algorithm: 'ES256K', digest: 'sha256', identifier: algorithms.ecdsaSha256 },
  'P-384': { algorithm: 'ES384', digest: 'sha384', identifier: algorithms.ecdsaSha384 },
  'P-521': { algorithm: 'ES512', digest: 'sha512', identifier: algorithms.ecdsaSha512 },
}

/** SubjectPublicKeyInfo (DER) of a key. */
export function spkiOf({ spec, publicParts }: Pick<KeyVersion, 'spec' | 'publicParts'>): Uint8Array {
  const jwk =
    spec.type === 'EC'
      ? { kty: 'EC', crv: spec.curve === 'P-256K' ? 'secp256k1' : spec.curve, ...publicParts }
      : { kty: 'RSA', ...publicParts }
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' })
}

/** A self-signed certificate for a key in the keystore. @returns DER */
export async function issueSelfSigned(o: {
  keystore: Keystore
  key: KeyVersion
  policy: CertificatePolicy
  now: Date
}): Promise<Uint8Array> {
  const { keystore, key, policy, now } = o
  const scheme = schemeOf(key)
  const subjectKey = spkiOf(key)
  const name = encodeName(nameOf(policy.subject) ?? [])
  const notBefore = new Date(now.getTime() - backdateMs)
  const unsigned = certificate(scheme.identifier, {
    serialNumber: serialNumber(),
    issuer: name,
    subject: name,
    notBefore,
    notAfter: monthsAfter(notBefore, policy.months),
    subjectKey,
    extensions: extensionsOf(policy, keyIdentifier(subjectKey)),
  })
  const der = await signedBy(keystore, key, unsigned)
  // The keystore's signature is verified before use.
  const made = new X509Certificate(der)
  if (!made.verify(made.publicKey)) throw new TypeError('the keystore signed the certificate with another key')
  return der
}

/** A certificate request for the key (PKCS#10). @returns DER */
export async function requestSigned(o: {
  keystore: Keystore
  key: KeyVersion
  policy: CertificatePolicy
}): Promise<Uint8Array> {
  const { keystore, key, policy } = o
  const subjectKey = spkiOf(key)
  const request = certificationRequest(schemeOf(key).identifier, {
    subject: encodeName(nameOf(policy.subject) ?? []),
    subjectKey,
    extensions: requestedOf(policy),
  })
  return await signedBy(keystore, key, request)
}

function schemeOf({ spec }: KeyVersion): (typeof schemes)[string] {
  const scheme = schemes[spec.type === 'EC' ? spec.curve : 'RSA']
  if (scheme === undefined) throw new TypeError(`certificates are not signed with keys of type ${spec.type}`)
  return scheme
}

async function signedBy(keystore: Keystore, key: KeyVersion, unsigned: Unsigned): Promise<Uint8Array> {
  const { spec } = key
  const { digest, algorithm } = schemeOf(key)
  const value = createHash(digest).update(unsigned.toBeSigned).digest()
  const { value: signature } = await keystore.use({
    material: key.material,
    binding: bindingOf(key),
    spec,
    use: { operation: 'sign', algorithm, value },
  })
  return unsigned.signed(spec.type === 'EC' ? ecdsaSignature(signature) : signature)
}

function extensionsOf(policy: CertificatePolicy, keyId: Uint8Array): Extension[] {
  return [
    ...requestedOf(policy),
    { oid: extensionOids.subjectKeyIdentifier, value: octetString(keyId) },
    { oid: extensionOids.authorityKeyIdentifier, value: sequence(implicit(0, keyId)) },
  ]
}

/** Extensions that the policy controls. */
function requestedOf(policy: CertificatePolicy): Extension[] {
  const names = [
    ...policy.dnsNames.map((each) => implicit(2, ascii(each))),
    ...policy.emails.map((each) => implicit(1, ascii(each))),
  ]
  return [
    basicConstraints(),
    ...(policy.keyUsage.length === 0 ? [] : [keyUsage(policy.keyUsage)]),
    ...(policy.ekus.length === 0 ? [] : [extendedKeyUsage(policy.ekus)]),
    // RFC 5280 section 4.2.1.6: critical without a subject.
    ...(names.length === 0
      ? []
      : [{ oid: extensionOids.subjectAltName, critical: policy.subject.trim() === '', value: sequence(...names) }]),
  ]
}

/** The same day of a later month, or its last day. */
function monthsAfter(from: Date, months: number): Date {
  const month = from.getUTCMonth() + months
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate()
  const at = new Date(from)
  at.setUTCDate(1)
  at.setUTCMonth(month)
  at.setUTCDate(Math.min(from.getUTCDate(), lastDay))
  return at
}
