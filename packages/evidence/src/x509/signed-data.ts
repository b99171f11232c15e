import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { DerReader, derTag } from '../core/der/der-reader.ts'
import { readOid, readOctets, readSmallInteger } from '../core/der/der-values.ts'
import { ParseError } from '../core/errors.ts'
import { parseCertificate, type Certificate } from './certificate.ts'
import { oid } from './oids.ts'
import { verifySignature } from './verify-signature.ts'

const signedDataType = '1.2.840.113549.1.7.2'
const messageDigestType = '1.2.840.113549.1.9.4'

/** One SignerInfo (RFC 2315 section 9.2). */
interface SignerInfo {
  /** DER of the issuer's name, and of the serial number behind it. */
  issuerAndSerial: Uint8Array
  digestAlgorithm: string
  /** DER of the SET that is signed in place of the content, where there is one. */
  signedAttributes: Uint8Array | undefined
  messageDigest: Uint8Array | undefined
  signatureAlgorithm: string
  signature: Uint8Array
}

/** PKCS #7 SignedData (RFC 2315 section 9.1) with or without a ContentInfo around it, as Authenticode and UEFI carry it. */
export interface SignedData {
  /** DER. */
  certificates: Uint8Array[]
  signers: SignerInfo[]
}

/** @throws ParseError */
export function parseSignedData(bytes: Uint8Array): SignedData {
  const { certificates, rest } = readCertificates(bytes)
  const signers: SignerInfo[] = []
  const infos = rest.set('signers')
  while (!infos.atEnd) signers.push(readSigner(infos.sequence('SignerInfo')))
  rest.end()
  return { certificates, signers }
}

/**
 * The certificates alone (DER), whoever signed: tools that sign boot files write signers in forms of their own.
 * @throws ParseError
 */
export function signedDataCertificates(bytes: Uint8Array): Uint8Array[] {
  return readCertificates(bytes).certificates
}

function readCertificates(bytes: Uint8Array): { certificates: Uint8Array[]; rest: DerReader } {
  const outer = new DerReader(bytes, 'signed data')
  const first = outer.sequence('SignedData')
  // Anything may follow: the structures around it pad it.
  const body = first.peek() === derTag.oid ? contentOf(first) : first
  readSmallInteger(body, 'version')
  body.expect(derTag.set, 'digest algorithms')
  body.expect(derTag.sequence, 'content info')
  const certificates: Uint8Array[] = []
  const held = body.optional(derTag.context(0, true), 'certificates')
  if (held !== undefined) {
    const reader = body.enter(held, 'certificates')
    while (!reader.atEnd) certificates.push(reader.next('certificate').raw)
  }
  body.optional(derTag.context(1, true), 'revocation lists')
  return { certificates, rest: body }
}

function contentOf(info: DerReader): DerReader {
  const type = readOid(info, 'content type')
  if (type !== signedDataType) info.fail('UnknownType', 'content is not SignedData', signedDataType, type)
  const explicit = info.enter(info.expect(derTag.context(0, true), 'content'), 'content')
  return explicit.sequence('SignedData')
}

function readSigner(info: DerReader): SignerInfo {
  readSmallInteger(info, 'version')
  const issuerAndSerial = info.expect(derTag.sequence, 'issuer and serial number').content
  const digestAlgorithm = readOid(info.sequence('digest algorithm'), 'digest algorithm')
  const attributes = info.optional(derTag.context(0, true), 'signed attributes')
  let signedAttributes: Uint8Array | undefined
  let messageDigest: Uint8Array | undefined
  if (attributes !== undefined) {
    // What is signed has the tag of the SET that it is (section 9.3).
    signedAttributes = attributes.raw.slice()
    signedAttributes[0] = derTag.set
    const reader = info.enter(attributes, 'signed attributes')
    while (!reader.atEnd) {
      const attribute = reader.sequence('attribute')
      const type = readOid(attribute, 'attribute type')
      const values = attribute.set('attribute values')
      if (type !== messageDigestType) continue
      if (messageDigest !== undefined) reader.fail('Duplicate', 'message digest occurs twice')
      messageDigest = readOctets(values, 'message digest').content
    }
    if (messageDigest === undefined) reader.fail('Missing', 'signed attributes have no message digest')
  }
  const signatureAlgorithm = readOid(info.sequence('signature algorithm'), 'signature algorithm')
  const signature = readOctets(info, 'signature').content
  info.optional(derTag.context(1, true), 'other attributes')
  info.end()
  return { issuerAndSerial, digestAlgorithm, signedAttributes, messageDigest, signatureAlgorithm, signature }
}

/**
 * Who made a detached signature over this content: RSA and SHA-256, which is all that UEFI's variables take (UEFI 2.10, section 8.2.2).
 * Whether the signer counts is for the caller to say.
 * @returns the signer's certificate and those beside it; undefined where no signature of it holds
 * @throws ParseError
 */
export async function signerOf(
  data: SignedData,
  content: Uint8Array,
): Promise<{ signer: Certificate; others: Certificate[] } | undefined> {
  for (const info of data.signers) {
    if (info.digestAlgorithm !== oid.sha256) continue
    if (info.signatureAlgorithm !== oid.rsaEncryption && info.signatureAlgorithm !== oid.sha256WithRsa) continue
    const index = data.certificates.findIndex((der) => equal(issuerAndSerialOf(der), info.issuerAndSerial))
    const der = data.certificates[index]
    if (der === undefined) continue
    if (info.messageDigest !== undefined && !equal(await digest('SHA-256', content), info.messageDigest)) continue
    const signer = parseCertificate(der)
    if (signer.publicKey.kind !== 'RSA') continue
    const holds = await verifySignature({
      key: signer.publicKey,
      algorithm: { kind: 'RSA-PKCS1', hash: 'SHA-256' },
      signature: info.signature,
      data: info.signedAttributes ?? content,
      subject: 'signer',
    })
    if (holds) return { signer, others: data.certificates.toSpliced(index, 1).flatMap(readable) }
  }
  return undefined
}

/** A certificate that cannot be read vouches for nobody. */
export function readable(der: Uint8Array): Certificate[] {
  try {
    return [parseCertificate(der)]
  } catch (error) {
    if (error instanceof ParseError) return []
    throw error
  }
}

function issuerAndSerialOf(certificate: Uint8Array): Uint8Array {
  const tbs = new DerReader(certificate, 'certificate').sequence('certificate').sequence('signed part')
  tbs.optional(derTag.context(0, true), 'version')
  const serial = tbs.expect(derTag.integer, 'serial number').raw
  tbs.expect(derTag.sequence, 'signature algorithm')
  const issuer = tbs.expect(derTag.sequence, 'issuer').raw
  const both = new Uint8Array(issuer.length + serial.length)
  both.set(issuer)
  both.set(serial, issuer.length)
  return both
}
