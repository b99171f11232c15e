import { encodeName, encodeExtensions, keyIdentifier, type NameAttributes } from './certificate-writer.ts'
import { bitString, implicit, integer, sequence, tagged, time } from './der-writer.ts'
import type { SigningKey } from './keys.ts'
import { signatureAlgorithm, signForCertificate } from './signature.ts'

/** Issues a revocation list version 2 (RFC 5280 section 5). Times are cut to the second. */
export async function issueCrl(o: {
  issuer: NameAttributes
  signer: SigningKey
  number: bigint
  thisUpdate: Date
  nextUpdate: Date
  revoked?: readonly { serialNumber: bigint; date: Date }[]
}): Promise<Uint8Array> {
  const algorithm = signatureAlgorithm(o.signer.scheme)
  const revoked = o.revoked ?? []
  const tbs = sequence(
    integer(1),
    algorithm,
    encodeName(o.issuer),
    time(o.thisUpdate),
    time(o.nextUpdate),
    ...(revoked.length === 0
      ? []
      : [sequence(...revoked.map((entry) => sequence(integer(entry.serialNumber), time(entry.date))))]),
    tagged(
      0,
      encodeExtensions([
        { oid: '2.5.29.35', value: sequence(implicit(0, await keyIdentifier(o.signer.spki))) },
        { oid: '2.5.29.20', value: integer(o.number) },
      ]),
    ),
  )
  return sequence(tbs, algorithm, bitString(await signForCertificate(o.signer, tbs)))
}
