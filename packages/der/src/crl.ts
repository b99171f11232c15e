import { encodeExtensions, extensionOids, unsigned, type Unsigned } from './certificate.ts'
import { implicit, integer, sequence, tagged, time } from './writer.ts'

/**
 * A revocation list of version 2 (RFC 5280 section 5) to be signed. Times are truncated to the second.
 * @param algorithm AlgorithmIdentifier of the signature
 */
export function certificateList(
  algorithm: Uint8Array,
  o: {
    /** A name's DER. */
    issuer: Uint8Array
    /** Of the signing key. */
    keyIdentifier: Uint8Array
    number: bigint
    thisUpdate: Date
    nextUpdate: Date
    revoked?: readonly { serialNumber: bigint; date: Date }[]
  },
): Unsigned {
  const revoked = (o.revoked ?? []).map((entry) => sequence(integer(entry.serialNumber), time(entry.date)))
  const extensions = encodeExtensions([
    { oid: extensionOids.authorityKeyIdentifier, value: sequence(implicit(0, o.keyIdentifier)) },
    { oid: extensionOids.crlNumber, value: integer(o.number) },
  ])
  return unsigned(
    algorithm,
    sequence(
      integer(1),
      algorithm,
      o.issuer,
      time(o.thisUpdate),
      time(o.nextUpdate),
      ...(revoked.length === 0 ? [] : [sequence(...revoked)]),
      tagged(0, extensions),
    ),
  )
}
