import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  KeyObject,
  randomBytes,
  sign,
  X509Certificate,
  type webcrypto,
} from 'node:crypto'
import { domain } from '@strongroom/contract'
import {
  algorithms,
  authorityExtensions,
  basicConstraints,
  certificate,
  encodeName,
  extendedKeyUsage,
  extendedUsages,
  extensionOids,
  implicit,
  keyBits,
  keyUsage,
  octetString,
  sequence,
  subjectOf,
  tagged,
  type CertificateFields,
  type Extension,
  type KeyUsage,
} from '@strongroom/der'
import { alternativeNames, distinguishedName, dnsName, ipAddress } from './names.ts'

/** Those in `extendedUsages` are extended usages, the others key usages. None of them allows issuing. */
export type CertificateUsage = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | keyof typeof extendedUsages

const dayMs = 24 * 3600_000

/** Certificates are valid from slightly earlier, because clocks of guests and clients differ. */
const backdateMs = 3600_000

const signatureAlgorithms = { ec: algorithms.ecdsaSha256, rsa: algorithms.rsaSha256 } as const

export interface CertificateRequest {
  /** RFC 4514, for example `CN=vm1`. */
  subject: string
  /** SubjectPublicKeyInfo (DER), or a WebCrypto public key. */
  publicKey: webcrypto.CryptoKey | Uint8Array
  usages: CertificateUsage[]
  days: number
  dnsNames?: string[]
  ipAddresses?: string[]
  /** Further extensions: `value` is the DER inside the OCTET STRING. */
  extensions?: Extension[]
}

/** A self-signed authority, path length 0, with name constraints. */
export function issueAuthority(o: { installationId: string; now: Date }): IssuedAuthority {
  const loopback = ipAddress(Buffer.of(127, 0, 0, 1, 255, 255, 255, 255))
  return selfSignedAuthority({
    subject: `CN=Strongroom installation ${o.installationId}, O=Strongroom`,
    now: o.now,
    notAfter: new Date(o.now.getTime() + 3650 * dayMs),
    extensions: [
      // Not critical, contrary to RFC 5280: evidence verifiers that know no host names refuse critical extensions they
      // do not understand, while TLS clients enforce the constraints either way.
      {
        oid: extensionOids.nameConstraints,
        value: nameConstraints({ permitted: [dnsName(domain), dnsName('localhost'), loopback] }),
      },
    ],
  })
}

/**
 * A self-signed authority for TLS servers with these names and those below them, and for no addresses: its name
 * constraints are critical (RFC 5280 section 4.2.1.10).
 */
export function issueNarrowAuthority(o: {
  subject: string
  dnsNames: readonly string[]
  now: Date
  notAfter: Date
}): IssuedAuthority {
  const everyAddress = [8, 32].map((length) => ipAddress(new Uint8Array(length)))
  const constraints = nameConstraints({ permitted: o.dnsNames.map(dnsName), excluded: everyAddress })
  return selfSignedAuthority({
    subject: o.subject,
    now: o.now,
    notAfter: o.notAfter,
    extensions: [
      extendedKeyUsage([extendedUsages.serverAuth]),
      { oid: extensionOids.nameConstraints, critical: true, value: constraints },
    ],
  })
}

export interface IssuedAuthority {
  caPem: string
  /** The private key. */
  pkcs8: Uint8Array
}

function selfSignedAuthority(o: {
  subject: string
  now: Date
  notAfter: Date
  extensions: Extension[]
}): IssuedAuthority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = encodeName(distinguishedName(o.subject))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const caPem = signed(privateKey, {
    issuer: name,
    subject: name,
    subjectKey: spki,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: o.notAfter,
    extensions: [
      ...authorityExtensions(0),
      ...o.extensions,
      { oid: extensionOids.subjectKeyIdentifier, value: octetString(keyIdentifier(spki)) },
    ],
  })
  return { caPem, pkcs8: Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' })) }
}

/** A certificate for the holder of the requested key, signed by the authority and not outliving it. @returns PEM */
export function issueLeaf(o: CertificateRequest & { caPem: string; pkcs8: Uint8Array; now: Date }): string {
  const ca = new X509Certificate(o.caPem)
  const publicKey =
    o.publicKey instanceof Uint8Array
      ? createPublicKey({ key: Buffer.from(o.publicKey), format: 'der', type: 'spki' })
      : KeyObject.from(o.publicKey)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const authorityKey = ca.publicKey.export({ type: 'spki', format: 'der' })
  const names = { dnsNames: o.dnsNames ?? [], ipAddresses: o.ipAddresses ?? [] }
  const named = names.dnsNames.length + names.ipAddresses.length > 0
  return signed(createPrivateKey({ key: Buffer.from(o.pkcs8), format: 'der', type: 'pkcs8' }), {
    issuer: subjectOf(ca.raw),
    subject: encodeName(distinguishedName(o.subject)),
    subjectKey: spki,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: new Date(Math.min(o.now.getTime() + o.days * dayMs, ca.validToDate.getTime())),
    extensions: [
      ...usageExtensions(o.usages),
      ...(named ? [{ oid: extensionOids.subjectAltName, value: alternativeNames(names) }] : []),
      { oid: extensionOids.subjectKeyIdentifier, value: octetString(keyIdentifier(spki)) },
      { oid: extensionOids.authorityKeyIdentifier, value: sequence(implicit(0, keyIdentifier(authorityKey))) },
      ...(o.extensions ?? []),
    ],
  })
}

/** A self-signed certificate with the key's owner and usage (P-256 or RSA). @returns PEM */
export function issueSelfSigned(o: {
  /** As in CertificateRequest. */
  subject: string
  privateKey: KeyObject
  usages: CertificateUsage[]
  notBefore: Date
  notAfter: Date
}): string {
  const name = encodeName(distinguishedName(o.subject))
  return signed(o.privateKey, {
    issuer: name,
    subject: name,
    subjectKey: createPublicKey(o.privateKey).export({ type: 'spki', format: 'der' }),
    notBefore: o.notBefore,
    notAfter: o.notAfter,
    extensions: usageExtensions(o.usages),
  })
}

/** basicConstraints of a non-issuing key, keyUsage and extKeyUsage. An extended usage implies digitalSignature. */
function usageExtensions(usages: readonly CertificateUsage[]): Extension[] {
  const extended: string[] = []
  const plain = new Set<KeyUsage>()
  for (const usage of usages) {
    if (isExtended(usage)) extended.push(extendedUsages[usage])
    plain.add(isExtended(usage) ? 'digitalSignature' : usage)
  }
  return [
    basicConstraints(),
    ...(plain.size === 0 ? [] : [keyUsage([...plain])]),
    ...(extended.length === 0 ? [] : [extendedKeyUsage(extended)]),
  ]
}

const isExtended = (usage: CertificateUsage): usage is keyof typeof extendedUsages => usage in extendedUsages

/** Signs a certificate with a new serial number. @returns PEM */
function signed(key: KeyObject, fields: Omit<CertificateFields, 'serialNumber'>): string {
  const kind = key.asymmetricKeyType
  if (kind !== 'ec' && kind !== 'rsa') throw new TypeError(`certificates are not signed with keys of type ${kind}`)
  const unsigned = certificate(signatureAlgorithms[kind], { ...fields, serialNumber: serialNumber() })
  return new X509Certificate(unsigned.signed(sign('sha256', unsigned.toBeSigned, key))).toString()
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 section 4.1.2.2). */
export function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes
}

/** SHA-1 of the key's bits: an identifier, not a protection. */
export function keyIdentifier(spki: Uint8Array): Buffer {
  return createHash('sha1').update(keyBits(spki)).digest()
}

/** NameConstraints (RFC 5280 section 4.2.1.10) of general names. */
function nameConstraints(o: { permitted: Uint8Array[]; excluded?: Uint8Array[] }): Uint8Array {
  const subtrees = (tag: number, bases: Uint8Array[]): Uint8Array[] =>
    bases.length === 0 ? [] : [tagged(tag, ...bases.map((base) => sequence(base)))]
  return sequence(...subtrees(0, o.permitted), ...subtrees(1, o.excluded ?? []))
}
