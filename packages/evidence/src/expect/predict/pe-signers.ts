import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { equal } from '../../core/bytes/bytes.ts'
import { DerReader, derTag } from '../../core/der/der-reader.ts'
import type { PeImage } from './pe.ts'
import { parseSignatureLists } from '../../eventlog/signature-list.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'
import { signedDataCertificates } from '../../x509/signed-data.ts'
import { variableData, type EfiVariable } from './variable-store.ts'

const pkcs7 = 0x0002

/**
 * Certificates (DER) in the image's signatures, in order; empty for an unsigned image. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, parseCertificate } from '@strongroom/evidence'
 * import { parsePe, signerCertificates } from '@strongroom/evidence/expected'
 *
 * const certificates = signerCertificates(parsePe(await readFile('boot.efi')))
 * certificates.map((der) => describeName(parseCertificate(der).subject)) // => ['Strongroom reference image']
 */
export function signerCertificates(image: PeImage): Uint8Array[] {
  const table = new ByteReader(image.certificates, 'certificate table')
  const certificates: Uint8Array[] = []
  while (table.remaining >= 8) {
    const length = table.u32le('length')
    table.u16le('revision')
    const type = table.u16le('type')
    const content = table.bytes(length - 8, 'signature')
    table.bytes(Math.min((8 - (length % 8)) % 8, table.remaining), 'padding')
    if (type === pkcs7) certificates.push(...signedDataCertificates(content))
  }
  return certificates
}

/**
 * The db entry by which the firmware will accept the image: the first certificate that signed it or issued a
 * certificate it contains. Undefined if db has none. This finds the entry without verifying the signature: a wrong
 * guess gives a wrong prediction, and the disk stays locked.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { findAuthority, parsePe, parseVariableStore } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * const image = parsePe(await readFile('boot.efi'))
 * findAuthority(variables, image) !== undefined // => true
 * findAuthority([], image) // => undefined
 */
export function findAuthority(variables: EfiVariable[], image: PeImage): Uint8Array | undefined {
  const signers = signerCertificates(image)
  const issuers = signers.map((signer) => namesOf(signer).issuer)
  for (const entry of parseSignatureLists(variableData(variables, 'db', efiVendor.imageSecurity))) {
    if (entry.type !== 'x509') continue
    if (signers.some((signer) => equal(signer, entry.content))) return entry.raw
    const { subject } = namesOf(entry.content)
    if (issuers.some((issuer) => equal(issuer, subject))) return entry.raw
  }
  return undefined
}

function namesOf(certificate: Uint8Array): { issuer: Uint8Array; subject: Uint8Array } {
  const tbs = new DerReader(certificate, 'certificate').sequence('Certificate').sequence('TBSCertificate')
  tbs.optional(derTag.context(0, true), 'version')
  tbs.expect(derTag.integer, 'serial number')
  tbs.expect(derTag.sequence, 'signature algorithm')
  const issuer = tbs.expect(derTag.sequence, 'issuer').raw
  tbs.expect(derTag.sequence, 'validity')
  return { issuer, subject: tbs.expect(derTag.sequence, 'subject').raw }
}
