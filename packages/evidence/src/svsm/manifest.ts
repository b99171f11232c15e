import { ByteReader } from '../core/bytes/byte-reader.ts'
import { concat, equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { formatGuid, parseGuid } from '../core/bytes/guid.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { SnpReport } from '../snp/report.ts'

/** Services of an SVSM as its attestation lists them (AMD 58019, table 12, services manifest). */
export interface SvsmManifest {
  raw: Uint8Array
  services: readonly { guid: string; data: Uint8Array }[]
}

/**
 * First bytes of a manifest of services (AMD 58019, table 12).
 * @example
 * import { formatGuid } from '@strongroom/evidence'
 * import { svsmManifestGuid } from '@strongroom/evidence/files'
 *
 * formatGuid(svsmManifestGuid) // => '63849ebb-3d92-4670-a1ff-58f9c94b87bb'
 */
export const svsmManifestGuid: Uint8Array = parseGuid('63849ebb-3d92-4670-a1ff-58f9c94b87bb')
/** Service whose data is the public area of the vTPM's endorsement key. */
export const svsmVtpmService = 'c476f1eb-0123-45a5-9641-b4e7dde5bfe3'
const headerLength = 24
const maximumServices = 16
const maximumLength = 16 * 4096

/**
 * Reads a manifest whose data follows the entries, in order and without gaps. @throws ParseError
 * @example
 * import { ByteWriter, parseGuid } from '@strongroom/evidence'
 * import { parseSvsmManifest, svsmManifestGuid } from '@strongroom/evidence/files'
 *
 * const entry = new ByteWriter().bytes(parseGuid('c476f1eb-0123-45a5-9641-b4e7dde5bfe3')).u32le(48).u32le(1).finish()
 * const manifest = new ByteWriter().bytes(svsmManifestGuid).u32le(49).u32le(1).bytes(entry).u8(7).finish()
 * parseSvsmManifest(manifest).services.map(({ guid }) => guid) // => ['c476f1eb-0123-45a5-9641-b4e7dde5bfe3']
 */
export function parseSvsmManifest(bytes: Uint8Array): SvsmManifest {
  const fail = (code: ParseError['code'], what: string): never => {
    throw new ParseError({ code, message: `SVSM manifest ${what}` })
  }
  const raw = Uint8Array.from(bytes)
  const reader = new ByteReader(raw, 'SVSM manifest')
  if (!equal(reader.bytes(16, 'GUID'), svsmManifestGuid)) fail('WrongMagic', 'has another GUID')
  const size = reader.u32le('size')
  if (size !== raw.length || size > maximumLength) fail('WrongLength', 'has another length than it says')
  const count = reader.u32le('number of services')
  if (count === 0 || count > maximumServices) fail('InvalidValue', `has not 1 to ${maximumServices} services`)
  const entries = Array.from({ length: count }, () => ({
    guid: formatGuid(reader.bytes(16, 'service')),
    offset: reader.u32le('offset'),
    size: reader.u32le('size'),
  }))
  if (new Set(entries.map(({ guid }) => guid)).size !== count) fail('Duplicate', 'names a service twice')
  let end = headerLength * (count + 1)
  const services = entries.map(({ guid, offset, size: length }) => {
    // Bytes that no entry names would be signed but never read.
    if (offset !== end || offset + length > size) fail('InvalidValue', 'has data elsewhere than behind its entries')
    end += length
    return { guid, data: raw.subarray(offset, end) }
  })
  if (end !== size) fail('TrailingBytes', 'has bytes that belong to no service')
  return { raw, services }
}

/**
 * The report of privilege level 0 whose report data is SHA-512 over challenge and manifest.
 * @throws VerificationError BindingMismatch
 */
export async function requireManifestBinding(
  manifest: SvsmManifest,
  nonce: Uint8Array,
  reports: readonly SnpReport[],
): Promise<void> {
  const wanted = await digest('SHA-512', concat(nonce, manifest.raw))
  const own = reports.filter(({ vmpl }) => vmpl === 0)
  if (own.some(({ reportData }) => equal(reportData, wanted))) return
  const found = own.map(({ reportData }) => toHex(reportData)).join(', ') || 'no report of privilege level 0'
  const message = 'No report of the SVSM binds this manifest and this challenge'
  throw new VerificationError({ code: 'BindingMismatch', message, expected: toHex(wanted), found })
}
