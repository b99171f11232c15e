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
  bitString,
  boolean,
  children,
  contentOf,
  der,
  namedBits,
  octetString,
  oid,
  sequence,
  smallInteger,
  time,
} from './der.ts'
import { alternativeNames, distinguishedName, dnsName, ipAddress } from './names.ts'

/** Those of `extendedUsages` are extended usages, the others key usages. None of them lets a key issue. */
export type CertificateUsage = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | keyof typeof extendedUsages

const dayMs = 24 * 3600_000

/** Certificates count from a little earlier: clocks of guests and clients differ. */
const backdateMs = 3600_000

/** ecdsa-with-SHA256 (RFC 5758 section 3.2) and sha256WithRSAEncryption (RFC 4055 section 5). */
const signatureAlgorithms = {
  ec: sequence(oid('1.2.840.10045.4.3.2')),
  rsa: sequence(oid('1.2.840.113549.1.1.11'), der(0x05)),
} as const

/** Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
const usageBits = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4, keyCertSign: 5, cRLSign: 6 } as const

const extendedUsages = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
} as const

export interface CertificateRequest {
  /** RFC 4514, for example `CN=vm1`. */
  subject: string
  /** SubjectPublicKeyInfo (DER), or a WebCrypto public key. */
  publicKey: webcrypto.CryptoKey | Uint8Array
  usages: CertificateUsage[]
  days: number
  dnsNames?: string[]
  ipAddresses?: string[]
  /** Further extensions: `value` is the DER that goes into the OCTET STRING. */
  extensions?: { oid: string; critical?: boolean; value: Uint8Array }[]
}

/** A self-signed authority, path length 0, with name constraints. */
export function issueAuthority(o: { installationId: string; now: Date }): { caPem: string; pkcs8: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = distinguishedName(`CN=Strongroom installation ${o.installationId}, O=Strongroom`)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const caPem = signed(privateKey, {
    issuer: name,
    subject: name,
    spki,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: new Date(o.now.getTime() + 3650 * dayMs),
    extensions: [
      extension('2.5.29.19', true, sequence(boolean(true), smallInteger(0))),
      extension('2.5.29.15', true, namedBits([usageBits.keyCertSign, usageBits.cRLSign])),
      // Not critical, against RFC 5280: verifiers of evidence that know no host names refuse critical extensions that
      // they do not understand, while TLS clients enforce the constraints either way.
      extension('2.5.29.30', false, nameConstraints()),
      extension('2.5.29.14', false, octetString(keyIdentifier(spki))),
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
    issuer: subjectOf(ca),
    subject: distinguishedName(o.subject),
    spki,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: new Date(Math.min(o.now.getTime() + o.days * dayMs, ca.validToDate.getTime())),
    extensions: [
      ...usageExtensions(o.usages),
      ...(named ? [extension('2.5.29.17', false, alternativeNames(names))] : []),
      extension('2.5.29.14', false, octetString(keyIdentifier(spki))),
      extension('2.5.29.35', false, sequence(der(0x80, keyIdentifier(authorityKey)))),
      ...(o.extensions ?? []).map((e) => extension(e.oid, e.critical ?? false, e.value)),
    ],
  })
}

/** A certificate that says whose the key is and what it is for, signed with that key itself (P-256 or RSA). @returns PEM */
export function issueSelfSigned(o: {
  /** As in CertificateRequest. */
  subject: string
  privateKey: KeyObject
  usages: CertificateUsage[]
  notBefore: Date
  notAfter: Date
}): string {
  const name = distinguishedName(o.subject)
  return signed(o.privateKey, {
    issuer: name,
    subject: name,
    spki: createPublicKey(o.privateKey).export({ type: 'spki', format: 'der' }),
    notBefore: o.notBefore,
    notAfter: o.notAfter,
    extensions: usageExtensions(o.usages),
  })
}

/** basicConstraints of a key that issues nothing, keyUsage and extKeyUsage. An extended usage brings digitalSignature with it. */
function usageExtensions(usages: readonly CertificateUsage[]): Buffer[] {
  const extended: string[] = []
  const bits = new Set<number>()
  for (const usage of usages) {
    if (usage in extendedUsages) {
      extended.push(extendedUsages[usage as keyof typeof extendedUsages])
      bits.add(usageBits.digitalSignature)
    } else bits.add(usageBits[usage as keyof typeof usageBits])
  }
  return [
    extension('2.5.29.19', true, sequence()),
    ...(bits.size === 0 ? [] : [extension('2.5.29.15', true, namedBits([...bits]))]),
    ...(extended.length === 0 ? [] : [extension('2.5.29.37', false, sequence(...extended.map(oid)))]),
  ]
}

interface Contents {
  issuer: Uint8Array
  subject: Uint8Array
  spki: Uint8Array
  notBefore: Date
  notAfter: Date
  extensions: Uint8Array[]
}

/** An X.509 certificate of version 3 (RFC 5280 section 4.1). */
function signed(key: KeyObject, o: Contents): string {
  const kind = key.asymmetricKeyType
  if (kind !== 'ec' && kind !== 'rsa') throw new TypeError(`certificates are not signed with keys of type ${kind}`)
  const signatureAlgorithm = signatureAlgorithms[kind]
  const body = sequence(
    der(0xa0, smallInteger(2)),
    serialNumber(),
    signatureAlgorithm,
    o.issuer,
    sequence(time(o.notBefore), time(o.notAfter)),
    o.subject,
    o.spki,
    der(0xa3, sequence(...o.extensions)),
  )
  return new X509Certificate(sequence(body, signatureAlgorithm, bitString(sign('sha256', body, key)))).toString()
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 section 4.1.2.2). */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return der(0x02, bytes)
}

/** Its bytes as the authority wrote them: names are compared bit by bit. */
function subjectOf(certificate: X509Certificate): Uint8Array {
  return children(children(certificate.raw)[0]!)[5]!
}

/** SHA-1 of the key's bits, the first method of RFC 5280 section 4.2.1.2: names a key, protects nothing. */
function keyIdentifier(spki: Uint8Array): Buffer {
  const bits = children(spki)[1]!
  return createHash('sha1')
    .update(bits.subarray(contentOf(bits).start + 1))
    .digest()
}

/** NameConstraints (RFC 5280 section 4.2.1.10), permitted subtrees only. */
function nameConstraints(): Buffer {
  const loopback = ipAddress(Buffer.of(127, 0, 0, 1, 255, 255, 255, 255))
  return sequence(der(0xa0, ...[dnsName(domain), dnsName('localhost'), loopback].map((base) => sequence(base))))
}
