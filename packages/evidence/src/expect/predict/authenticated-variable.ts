import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { formatGuid, parseGuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'
import { authenticatedAttributes, variableVendor, type SecureBootVariable } from './secure-boot-variables.ts'

/**
 * What writes a Secure Boot variable: EFI_VARIABLE_AUTHENTICATION_2 (UEFI 2.10, section 8.2.2) and the new data behind it. Files called
 * .auth hold it, and so do Microsoft's updates of dbx; `efi-updatevar` and fwupd write it through efivarfs.
 */
export interface AuthenticatedVariable {
  /** EFI_TIME, 16 bytes. */
  timestamp: Uint8Array
  /** PKCS #7 SignedData, detached. */
  signedData: Uint8Array
  /** Signature lists. */
  data: Uint8Array
}

const pkcs7 = '4aafd29d-68df-49ee-8aa9-347d375665a7'
const winCertificate = { header: 24, revision: 0x0200, type: 0x0ef1 } as const
/** Larger than what any firmware takes of one variable. */
const mostBytes = 1 << 18

/** EFI_VARIABLE_APPEND_WRITE: is signed, and not kept. */
const appendAttribute = 0x40

/**
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAuthenticatedVariable, parseSignatureLists } from '@strongroom/evidence/expected'
 *
 * const { data } = parseAuthenticatedVariable(await readFile('dbx.auth'))
 * parseSignatureLists(data).map(({ type }) => type) // => ['sha256']
 */
export function parseAuthenticatedVariable(bytes: Uint8Array): AuthenticatedVariable {
  if (bytes.length > mostBytes)
    throw new ParseError({ code: 'TooLarge', message: 'authenticated variable: larger than firmware takes' })
  const reader = new ByteReader(bytes, 'authenticated variable')
  const timestamp = reader.bytes(16, 'time')
  requirePlainTime(timestamp)
  const offset = reader.offset
  const length = reader.u32le('certificate length')
  const revision = reader.u16le('certificate revision')
  const type = reader.u16le('certificate type')
  const kind = formatGuid(reader.bytes(16, 'kind of certificate'))
  if (revision !== winCertificate.revision || type !== winCertificate.type || kind !== pkcs7)
    throw new ParseError({
      code: 'UnknownType',
      message: 'authenticated variable: its certificate is not a PKCS #7 signature',
      offset,
      expected: `revision 0x0200, type 0x0ef1, ${pkcs7}`,
      found: `revision 0x${revision.toString(16)}, type 0x${type.toString(16)}, ${kind}`,
    })
  if (length < winCertificate.header)
    throw new ParseError({
      code: 'WrongLength',
      message: 'authenticated variable: certificate is shorter than its header',
      offset,
    })
  const signedData = reader.bytes(length - winCertificate.header, 'signature')
  const data = reader.bytes(reader.remaining, 'data')
  return { timestamp, signedData, data }
}

/** Fraction, zone, daylight saving and padding are zero (section 8.2.2), so that times compare. */
function requirePlainTime(timestamp: Uint8Array): void {
  if (timestamp.subarray(7).every((byte) => byte === 0)) return
  throw new ParseError({
    code: 'ReservedNotZero',
    message: 'authenticated variable: its time has a fraction or a zone',
    offset: 7,
  })
}

/**
 * EFI_TIME of a moment, to the second.
 * @example
 * import { efiTime } from '@strongroom/evidence/expected'
 *
 * efiTime(new Date('2026-11-29T06:00:00Z'))[0] // => 0xea
 */
export function efiTime(at: Date): Uint8Array<ArrayBuffer> {
  return new ByteWriter()
    .u16le(at.getUTCFullYear())
    .u8(at.getUTCMonth() + 1)
    .u8(at.getUTCDate())
    .u8(at.getUTCHours())
    .u8(at.getUTCMinutes())
    .u8(at.getUTCSeconds())
    .zero(9)
    .finish()
}

/** Year, month, day, hour, minute and second count, in this order. @returns below, at or above zero, as of numbers */
export function compareEfiTimes(a: Uint8Array, b: Uint8Array): number {
  const numbers = (time: Uint8Array): number[] => [(time[1] ?? 0) * 256 + (time[0] ?? 0), ...time.subarray(2, 7)]
  const [left, right] = [numbers(a), numbers(b)]
  const at = left.findIndex((value, index) => value !== right[index])
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0)
}

/**
 * What the signature covers: name, vendor, attributes, time and data.
 * @example
 * import { authenticatedContent, efiTime } from '@strongroom/evidence/expected'
 *
 * const timestamp = efiTime(new Date('2026-11-29'))
 * authenticatedContent({ variable: 'dbx', append: true, timestamp, data: new Uint8Array(76) }).length // => 118
 */
export function authenticatedContent(o: {
  variable: SecureBootVariable
  append: boolean
  timestamp: Uint8Array
  data: Uint8Array
}): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  for (let index = 0; index < o.variable.length; index++) writer.u16le(o.variable.charCodeAt(index))
  return writer
    .bytes(parseGuid(variableVendor(o.variable)))
    .u32le(authenticatedAttributes + (o.append ? appendAttribute : 0))
    .bytes(o.timestamp)
    .bytes(o.data)
    .finish()
}

/**
 * @param o.signedData PKCS #7 SignedData over `authenticatedContent`
 * @example
 * import { efiTime, parseAuthenticatedVariable, writeAuthenticatedVariable } from '@strongroom/evidence/expected'
 *
 * const parts = { timestamp: efiTime(new Date('2026-11-29')), signedData: new Uint8Array(300), data: new Uint8Array(76) }
 * parseAuthenticatedVariable(writeAuthenticatedVariable(parts)).signedData.length // => 300
 */
export function writeAuthenticatedVariable(o: AuthenticatedVariable): Uint8Array<ArrayBuffer> {
  return new ByteWriter()
    .bytes(o.timestamp)
    .u32le(winCertificate.header + o.signedData.length)
    .u16le(winCertificate.revision)
    .u16le(winCertificate.type)
    .bytes(parseGuid(pkcs7))
    .bytes(o.signedData)
    .bytes(o.data)
    .finish()
}
