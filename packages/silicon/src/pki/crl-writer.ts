import { certificateList, encodeName, type NameAttributes } from '@strongroom/der'
import { keyIdentifier } from './certificate-writer.ts'
import type { SigningKey } from './keys.ts'
import { signatureAlgorithm, signForCertificate } from './signature.ts'

/** Issues a revocation list version 2 (RFC 5280 section 5). Times are truncated to the second. */
export async function issueCrl(o: {
  issuer: NameAttributes
  signer: SigningKey
  number: bigint
  thisUpdate: Date
  nextUpdate: Date
  revoked?: readonly { serialNumber: bigint; date: Date }[]
}): Promise<Uint8Array> {
  const { toBeSigned, signed } = certificateList(signatureAlgorithm(o.signer.scheme), {
    ...o,
    issuer: encodeName(o.issuer),
    keyIdentifier: await keyIdentifier(o.signer.spki),
  })
  return signed(await signForCertificate(o.signer, toBeSigned))
}
