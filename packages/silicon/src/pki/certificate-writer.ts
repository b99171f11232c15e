import { digest, parsePublicKey } from '@strongroom/evidence'
import {
  bitString,
  boolean,
  implicit,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  set,
  tagged,
  time,
  utf8String,
} from './der-writer.ts'
import type { SigningKey } from './keys.ts'
import { signatureAlgorithm, signForCertificate } from './signature.ts'

/** Attributes of a name in order: `[['CN', 'ARK-Milan'], ['O', '…']]`. */
export type NameAttributes = readonly (readonly ['CN' | 'O' | 'OU' | 'L' | 'ST' | 'C', string])[]

const attributeOids = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
} as const

export interface ExtensionInput {
  oid: string
  critical?: boolean
  /** Content of the OCTET STRING. */
  value: Uint8Array
}

export function encodeName(attributes: NameAttributes): Uint8Array {
  return sequence(...attributes.map(([type, value]) => set(sequence(oid(attributeOids[type]), utf8String(value)))))
}

/** Issues an X.509 version 3 certificate (RFC 5280 section 4.1). Times are cut to the second. */
export async function issueCertificate(o: {
  serialNumber: bigint
  subject: NameAttributes
  issuer: NameAttributes
  /** DER SubjectPublicKeyInfo. */
  subjectKey: Uint8Array
  signer: SigningKey
  notBefore: Date
  notAfter: Date
  extensions: readonly ExtensionInput[]
}): Promise<Uint8Array> {
  const algorithm = signatureAlgorithm(o.signer.scheme)
  const tbs = sequence(
    tagged(0, integer(2)),
    integer(o.serialNumber),
    algorithm,
    encodeName(o.issuer),
    sequence(time(o.notBefore), time(o.notAfter)),
    encodeName(o.subject),
    o.subjectKey,
    ...(o.extensions.length === 0 ? [] : [tagged(3, encodeExtensions(o.extensions))]),
  )
  return sequence(tbs, algorithm, bitString(await signForCertificate(o.signer, tbs)))
}

export function encodeExtensions(extensions: readonly ExtensionInput[]): Uint8Array {
  return sequence(
    ...extensions.map((extension) =>
      sequence(
        oid(extension.oid),
        ...(extension.critical === true ? [boolean(true)] : []),
        octetString(extension.value),
      ),
    ),
  )
}

/** basicConstraints and keyUsage of an authority, critical both. */
export function authorityExtensions(pathLength?: number): ExtensionInput[] {
  const constraints = sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)]))
  return [
    { oid: '2.5.29.19', critical: true, value: constraints },
    { oid: '2.5.29.15', critical: true, value: namedBits([5, 6]) },
  ]
}

/** basicConstraints and keyUsage of a key that signs data only. */
export function leafExtensions(): ExtensionInput[] {
  return [
    { oid: '2.5.29.19', critical: true, value: sequence() },
    { oid: '2.5.29.15', critical: true, value: namedBits([0, 1]) },
  ]
}

/** SHA-1 of the key's bits, the first method of RFC 5280 section 4.2.1.2: names a key, protects nothing. */
export async function keyIdentifier(spki: Uint8Array): Promise<Uint8Array> {
  const key = parsePublicKey(spki)
  const bits = key.kind === 'EC' ? key.point : sequence(derUnsigned(key.modulus), derUnsigned(key.exponent))
  return digest('SHA-1', bits)
}

/** subjectKeyIdentifier and authorityKeyIdentifier. */
export async function keyIdentifierExtensions(
  subjectKey: Uint8Array,
  issuerKey: Uint8Array,
): Promise<ExtensionInput[]> {
  return [
    { oid: '2.5.29.14', value: octetString(await keyIdentifier(subjectKey)) },
    { oid: '2.5.29.35', value: sequence(implicit(0, await keyIdentifier(issuerKey))) },
  ]
}

function derUnsigned(bytes: Uint8Array): Uint8Array {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return integer(value)
}
