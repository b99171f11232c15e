import { issuerAndSerialNumber } from './reader.ts'
import { integer, octetString, oid, sequence, setOf, tagged } from './writer.ts'

const [data, signed] = ['1.2.840.113549.1.7.1', '1.2.840.113549.1.7.2'] as const

/**
 * CMS SignedData of version 1 (RFC 5652 section 5) with its data, one signer and the signer's certificate. Without
 * signed attributes: the signature covers the content's bytes.
 */
export function signedData(o: {
  content: Uint8Array
  /** DER, of version 3. */
  certificate: Uint8Array
  /** AlgorithmIdentifiers. */
  digestAlgorithm: Uint8Array
  signatureAlgorithm: Uint8Array
  signature: Uint8Array
}): Uint8Array<ArrayBuffer> {
  const signer = sequence(
    integer(1),
    sequence(...issuerAndSerialNumber(o.certificate)),
    o.digestAlgorithm,
    o.signatureAlgorithm,
    octetString(o.signature),
  )
  const body = sequence(
    integer(1),
    setOf(o.digestAlgorithm),
    sequence(oid(data), tagged(0, octetString(o.content))),
    tagged(0, o.certificate),
    setOf(signer),
  )
  return sequence(oid(signed), tagged(0, body))
}
