import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { VerificationError } from '../../core/errors.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'
import { requireAlgorithm, verifyTokenSignature } from '../../tokens/algorithms.ts'
import { parseJws } from '../../tokens/jws.ts'
import { requireStrongRsa } from '../../tokens/keys.ts'
import { shown } from '../../tokens/shown.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { DocumentReader } from './document-reader.ts'
import { bootFileMembers, type BootFile } from './measured-boot-file.ts'
import { variableDigest } from './pcr7.ts'

/** A boot file that VMs of an image may start instead of the one they were created with, by permission of the image's publisher. */
export interface BootFileDocument {
  /** Name of the image, not its id: each build of a recipe has another id. */
  image: string
  /**
   * Security generation, from 0 (the image's own boot file). Once a boot file of a higher generation is the default,
   * the paravisor admits none below it.
   */
  generation: number
  /** Kernel release (uname -r). */
  release: string
  builtAt: Date
  bootFile: BootFile
}

/**
 * `typ` of the signed document, distinct from tokens and from documents of measurements.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws } from '@strongroom/evidence'
 * import { bootFileType } from '@strongroom/evidence/expected'
 *
 * parseJws(await readFile('update.jws', 'utf8')).header['typ'] === bootFileType // => true
 */
export const bootFileType = 'strongroom-boot-file+jws'
const version = 1
const mostGeneration = 999_999_999

/**
 * Owner GUID of our entries in db (EFI_SIGNATURE_DATA).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { formatGuid } from '@strongroom/evidence'
 * import { dbOwner, efiVendor, parseSignatureLists, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const db = variableData(parseVariableStore(await readFile('variables.fd')), 'db', efiVendor.imageSecurity)
 * parseSignatureLists(db).some(({ raw }) => formatGuid(raw.subarray(0, 16)) === dbOwner) // => true
 */
export const dbOwner = '5a1e0000-0000-4000-8000-000000000db1'

/**
 * The document that is signed: JSON, digests in hexadecimal.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { bootFileText, measureBootFile, parsePe } from '@strongroom/evidence/expected'
 *
 * const bootFile = await measureBootFile({ image: parsePe(await readFile('boot.efi')), kernel: false })
 * const text = bootFileText({ image: 'web', generation: 1, release: '6.12.57', builtAt: new Date('2026-11-28'), bootFile })
 * JSON.parse(new TextDecoder().decode(text)).generation // => 1
 */
export function bootFileText(o: BootFileDocument): Uint8Array {
  const { image, generation, release, builtAt, bootFile } = o
  const document = {
    version,
    image,
    generation,
    release,
    builtAt: builtAt.toISOString(),
    bootFile: bootFileMembers(bootFile),
  }
  return utf8(JSON.stringify(document))
}

/**
 * Verifies a signed document of a boot file (compact JWS, PS256) and reads it.
 * @param o.certificate DER, the publisher's; the caller vouches for it
 * @throws VerificationError TokenOfAnotherKind, AlgorithmNotAllowed, UnknownCriticalExtension, TokenKeyNotAllowed,
 * TokenSignatureInvalid; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { verifyBootFile } from '@strongroom/evidence/expected'
 *
 * const jws = (await readFile('update.jws', 'utf8')).trim()
 * const { image, generation, release } = await verifyBootFile({ jws, certificate: await readFile('publisher.der') })
 * image // => 'web'
 * generation // => 2
 * release // => '6.12.57-cloud-amd64'
 */
export async function verifyBootFile(o: { jws: string; certificate: Uint8Array }): Promise<BootFileDocument> {
  const jws = parseJws(o.jws)
  const { typ, alg } = jws.header
  if (typ !== bootFileType)
    throw new VerificationError({
      code: 'TokenOfAnotherKind',
      message: 'The signed document does not describe a boot file',
      subject: 'token',
      expected: bootFileType,
      found: shown(typ),
    })
  if (Object.hasOwn(jws.header, 'crit'))
    throw new VerificationError({
      code: 'UnknownCriticalExtension',
      message: 'The boot-file document has an unknown critical header',
      subject: 'token',
      found: shown(jws.header['crit']),
    })
  const algorithm = requireAlgorithm(alg, ['PS256'])
  const { publicKey } = parseCertificate(o.certificate)
  if (publicKey.kind !== 'RSA')
    throw new VerificationError({
      code: 'TokenKeyNotAllowed',
      message: 'The publisher’s key is not RSA',
      subject: 'token',
      expected: 'RSA',
      found: publicKey.kind,
    })
  requireStrongRsa(publicKey.modulus, publicKey.exponent)
  const key = { spki: publicKey.spki }
  if (!(await verifyTokenSignature({ algorithm, key, signature: jws.signature, data: jws.signingInput })))
    throw new VerificationError({
      code: 'TokenSignatureInvalid',
      message: 'The boot-file document is not signed by the publisher',
      subject: 'token',
    })
  return parseBootFile(jws.payload)
}

const reader = new DocumentReader('boot file')

/** Reads what bootFileText writes, and nothing else. @throws ParseError */
function parseBootFile(payload: Uint8Array): BootFileDocument {
  const document = reader.document(payload, {
    versions: [version],
    members: ['image', 'generation', 'release', 'builtAt', 'bootFile'],
  })
  return {
    image: reader.text(document['image'], 'image'),
    generation: reader.integer(document['generation'], 'generation', 0, mostGeneration),
    release: reader.text(document['release'], 'release'),
    builtAt: reader.time(document['builtAt'], 'builtAt'),
    bootFile: reader.bootFile(document['bootFile']),
  }
}

/**
 * What PCR 7 records in a Secure Boot boot whose boot file this publisher signed (`secureBoot.on.authority` of an
 * image's measurements): this links a document of measurements to the image's publisher.
 * @param certificate DER
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { publisherAuthority } from '@strongroom/evidence/expected'
 *
 * const authority = await publisherAuthority(await readFile('publisher.der'))
 * authority.length // => 32
 */
export async function publisherAuthority(certificate: Uint8Array): Promise<Uint8Array> {
  const data = concat(parseGuid(dbOwner), certificate)
  return await variableDigest({ name: 'db', vendor: efiVendor.imageSecurity, data })
}
