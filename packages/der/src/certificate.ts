import {
  bitString,
  boolean,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  setOf,
  tagged,
  time,
  utf8String,
} from './writer.ts'

type Bytes = Uint8Array<ArrayBuffer>

const attributeOids = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
} as const

/** Attributes of a name in order: `[['CN', 'ARK-Milan'], ['O', '…']]`. */
export type NameAttributes = readonly (readonly [keyof typeof attributeOids, string])[]

export function encodeName(attributes: NameAttributes): Bytes {
  return sequence(...attributes.map(([type, value]) => setOf(sequence(oid(attributeOids[type]), utf8String(value)))))
}

export interface Extension {
  oid: string
  critical?: boolean
  /** Content of the OCTET STRING. */
  value: Uint8Array
}

export const extensionOids = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
} as const

/** Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
export const keyUsageBits = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const

export type KeyUsage = keyof typeof keyUsageBits

/** Usages of ExtKeyUsage (RFC 5280 section 4.2.1.12). */
export const extendedUsages = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
} as const

export function keyUsage(usages: readonly KeyUsage[]): Extension {
  return { oid: extensionOids.keyUsage, critical: true, value: namedBits(usages.map((usage) => keyUsageBits[usage])) }
}

/** @param usages object identifiers */
export function extendedKeyUsage(usages: readonly string[]): Extension {
  return { oid: extensionOids.extKeyUsage, value: sequence(...usages.map(oid)) }
}

/**
 * Basic constraints of a CA key, optionally with the number of authorities allowed below it; without `authority`, of a
 * key that may not issue.
 */
export function basicConstraints(authority?: { pathLength?: number | undefined }): Extension {
  const limit = authority?.pathLength === undefined ? [] : [integer(authority.pathLength)]
  const value = authority === undefined ? sequence() : sequence(boolean(true), ...limit)
  return { oid: extensionOids.basicConstraints, critical: true, value }
}

/** basicConstraints and keyUsage of an authority. */
export function authorityExtensions(pathLength?: number): Extension[] {
  return [basicConstraints({ pathLength }), keyUsage(['keyCertSign', 'cRLSign'])]
}

export function encodeExtensions(extensions: readonly Extension[]): Bytes {
  return sequence(
    ...extensions.map((each) =>
      sequence(oid(each.oid), ...(each.critical === true ? [boolean(true)] : []), octetString(each.value)),
    ),
  )
}

export interface CertificateFields {
  /** As bytes: its magnitude. */
  serialNumber: bigint | Uint8Array
  /** A name's DER, as `subject`. */
  issuer: Uint8Array
  subject: Uint8Array
  notBefore: Date
  notAfter: Date
  /** DER SubjectPublicKeyInfo. */
  subjectKey: Uint8Array
  extensions: readonly Extension[]
}

/**
 * An X.509 certificate of version 3 (RFC 5280 section 4.1), in two steps, because keys may sign synchronously or not:
 * the bytes to sign, then the whole. Times are truncated to the second.
 * @param algorithm AlgorithmIdentifier of the signature
 */
export function certificate(algorithm: Uint8Array, o: CertificateFields): Unsigned {
  return unsigned(
    algorithm,
    sequence(
      tagged(0, integer(2)),
      integer(o.serialNumber),
      algorithm,
      o.issuer,
      sequence(time(o.notBefore), time(o.notAfter)),
      o.subject,
      o.subjectKey,
      ...(o.extensions.length === 0 ? [] : [tagged(3, encodeExtensions(o.extensions))]),
    ),
  )
}

/** A structure that is not yet signed. */
export interface Unsigned {
  toBeSigned: Bytes
  /** @param signature as in certificates: ECDSA-Sig-Value for ECDSA */
  signed: (signature: Uint8Array) => Bytes
}

export function unsigned(algorithm: Uint8Array, toBeSigned: Bytes): Unsigned {
  return { toBeSigned, signed: (signature) => sequence(toBeSigned, algorithm, bitString(signature)) }
}
