import { issuerAndSerialNumber } from './reader.ts'
import { integer, octetString, oid, sequence, setOf, tagged } from './writer.ts'

const [data, signed] = ['1.2.840.113549.1.7.1', '1.2.840.113549.1.7.2'] as const

interface Signed {
  /** Left out where the signature is detached. */
  content?: Uint8Array
  /** DER, of version 3. */
  certificate: Uint8Array
  /** AlgorithmIdentifiers. */
  digestAlgorithm: Uint8Array
  signatureAlgorithm: Uint8Array
  signature: Uint8Array
}

/**
 * CMS SignedData of version 1 (RFC 5652 section 5) by one signer, with the signer's certificate, in a ContentInfo. It has no signed
 * attributes: the signature is on the content's bytes.
 */
export function signedData(o: Signed): Uint8Array<ArrayBuffer> {
  return sequence(oid(signed), tagged(0, bareSignedData(o)))
}

/** The same without ContentInfo, as UEFI's variables carry it (UEFI 2.10, section 8.2.2). */
export function bareSignedData(o: Signed): Uint8Array<ArrayBuffer> {
  const signer = sequence(
    integer(1),
    sequence(...issuerAndSerialNumber(o.certificate)),
    o.digestAlgorithm,
    o.signatureAlgorithm,
    octetString(o.signature),
  )
  const { content } = o
  return sequence(
    integer(1),
    setOf(o.digestAlgorithm),
    sequence(oid(data), ...(content === undefined ? [] : [tagged(0, octetString(content))])),
    tagged(0, o.certificate),
    setOf(signer),
  )
}
