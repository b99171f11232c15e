import { encodeExtensions, unsigned, type Extension, type Unsigned } from './certificate.ts'
import { integer, oid, sequence, setOf, tagged } from './writer.ts'

/** PKCS#9 extensionRequest (RFC 2985 section 5.4.2). */
const extensionRequest = '1.2.840.113549.1.9.14'

/** A certification request (RFC 2986) to be signed. */
export function certificationRequest(
  algorithm: Uint8Array,
  o: {
    /** A name's DER. */
    subject: Uint8Array
    /** SubjectPublicKeyInfo (DER). */
    subjectKey: Uint8Array
    extensions: readonly Extension[]
  },
): Unsigned {
  const attribute = sequence(oid(extensionRequest), setOf(encodeExtensions(o.extensions)))
  return unsigned(algorithm, sequence(integer(0), o.subject, o.subjectKey, tagged(0, attribute)))
}
