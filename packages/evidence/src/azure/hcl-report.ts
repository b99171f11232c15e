import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { equal, isZero } from '../core/bytes/bytes.ts'
import { digest, digestLength, type HashName } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'

/** 'HCLA', least significant byte first. */
const magic = 0x414c4348
/** Slot of the hardware's report: always the size of an SNP report; a TDREPORT fills the first 1024 bytes. */
const slotLength = 1184
const reservedLength = 12
const headerLength = 20 + reservedLength
const dataHeaderLength = 20
/** Size of NV index 0x01400001; the host agent's buffers are larger. */
const maximumLength = 16 * 4096

const reportTypes = { VBS: 1, SNP: 2, TVM: 3, TDX: 4, CCA: 5 } as const
export type HclReportType = 'SNP' | 'TDX'
const requestTypes = { KeyRelease: 1, AkCert: 2, WrappedKey: 3 } as const
export type HclRequestType = keyof typeof requestTypes
const hashTypes: Record<number, HashName> = { 1: 'SHA-256', 2: 'SHA-384', 3: 'SHA-512' }

/**
 * Attestation report of Azure's paravisor: the hardware report, and the claims bound by its report data (OpenVMM
 * `get.rs`).
 */
export interface HclReport {
  /** Header version: 1 of the closed paravisor, 2 of OpenHCL. */
  version: 1 | 2
  requestType: HclRequestType
  status: number
  reportType: HclReportType
  hashType: HashName
  /** 1184 bytes of an SNP report or 1024 of a TDREPORT. */
  hardwareReport: Uint8Array
  /** Version 2 requests of the host agent only. */
  capabilities: number | undefined
  /** UTF-8 JSON as bound: never rewrite it before hashing. */
  claims: Uint8Array
  /** The 64 bytes of report data inside the hardware's report. */
  reportData: Uint8Array
}

const reportDataOffset: Record<HclReportType, number> = { SNP: 0x50, TDX: 128 }
const hardwareLength: Record<HclReportType, number> = { SNP: 1184, TDX: 1024 }

/**
 * Builds a report in the form that the paravisor stores in the vTPM. The caller must have bound
 * `hclReportData(claims)` as report data.
 * @param o.version header version; default 2
 * @param o.requestType default AkCert, as guests see it
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { buildHclReport, parseHclReport, utf8 } from '@strongroom/evidence'
 *
 * const claims = utf8('{"keys":[],"vm-configuration":{}}')
 * const report = buildHclReport({ hardwareReport: await readFile('report.bin'), reportType: 'SNP', claims })
 * parseHclReport(report).reportType // => 'SNP'
 */
export function buildHclReport(o: {
  hardwareReport: Uint8Array
  reportType: HclReportType
  claims: Uint8Array
  version?: 1 | 2
  requestType?: HclRequestType
  capabilities?: number | undefined
}): Uint8Array {
  const length = hardwareLength[o.reportType]
  if (o.hardwareReport.length !== length) {
    throw new RangeError(`${o.reportType} report has ${o.hardwareReport.length} bytes instead of ${length}`)
  }
  const extra = o.capabilities === undefined ? 0 : 4
  const dataLength = dataHeaderLength + extra + o.claims.length
  const writer = new ByteWriter()
    .u32le(magic)
    .u32le(o.version ?? 2)
    .u32le(headerLength + slotLength + dataLength)
    .u32le(requestTypes[o.requestType ?? 'AkCert'])
    .u32le(0)
    .zero(12)
    .padded(o.hardwareReport, slotLength)
    .u32le(dataLength)
    .u32le(extra === 0 ? 1 : 2)
    .u32le(reportTypes[o.reportType])
    .u32le(1)
    .u32le(o.claims.length)
  if (o.capabilities !== undefined) writer.u32le(o.capabilities)
  return writer.bytes(o.claims).finish()
}

/**
 * Parses a report, with or without the zero padding of its NV index.
 * @throws ParseError WrongMagic, UnknownVersion, UnknownType, WrongLength, TrailingBytes, ReservedNotZero, Truncated
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseHclReport } from '@strongroom/evidence'
 *
 * const { reportType, hardwareReport, claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * reportType // => 'SNP'
 * hardwareReport.length // => 1184
 * JSON.parse(new TextDecoder().decode(claims)).keys.length // => 2
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  if (bytes.length > maximumLength) throw new ParseError({ code: 'TooLarge', message: 'HCL report is too large' })
  const all = Uint8Array.from(bytes)
  const r = new ByteReader(all, 'HCL report')
  const found = r.u32le('signature')
  if (found !== magic) refuse('WrongMagic', 'is not an HCL report', 0, '0x414c4348', `0x${found.toString(16)}`)
  const version = r.u32le('version')
  if (version !== 1 && version !== 2) refuse('UnknownVersion', 'version', 4, '1 or 2', `${version}`)
  const size = r.u32le('report size')
  const request = r.u32le('request type')
  const requestType = (Object.keys(requestTypes) as HclRequestType[]).find((name) => requestTypes[name] === request)
  if (requestType === undefined) refuse('UnknownType', 'request type', 12, '1, 2 or 3', `${request}`)
  const status = r.u32le('status')
  // Some versions write the header without its reserved bytes: the size says which.
  const header = isShort(all, size) ? headerLength - reservedLength : headerLength
  if (header === headerLength) r.zero(reservedLength, 'reserved')
  const slotOffset = r.offset
  const slot = r.bytes(slotLength, 'hardware report')
  const dataLength = r.u32le('data size')
  const dataVersion = r.u32le('request data version')
  if (dataVersion !== 1 && dataVersion !== 2)
    refuse('UnknownVersion', 'request data version', header + slotLength + 4, '1 or 2', `${dataVersion}`)
  const type = r.u32le('report type')
  const reportType = type === reportTypes.SNP ? 'SNP' : type === reportTypes.TDX ? 'TDX' : undefined
  if (reportType === undefined)
    refuse('UnknownType', 'report type', header + slotLength + 8, '2 (SNP) or 4 (TDX)', `${type}`)
  const hash = r.u32le('hash type')
  const hashType = hashTypes[hash]
  if (hashType === undefined) refuse('UnknownType', 'hash type', header + slotLength + 12, '1, 2 or 3', `${hash}`)
  const claimsLength = r.u32le('claims size')
  const capabilities = dataVersion === 2 ? r.u32le('capabilities') : undefined
  const claims = r.bytes(claimsLength, 'claims')
  const used = dataHeaderLength + (dataVersion === 2 ? 4 : 0) + claimsLength
  if (dataLength !== used) refuse('WrongLength', 'data size', header + slotLength, `${used}`, `${dataLength}`)
  if (size !== header + slotLength + used) {
    refuse('WrongLength', 'report size', 8, `${header + slotLength + used}`, `${size}`)
  }
  const end = r.offset
  if (!isZero(r.rest())) refuse('TrailingBytes', 'bytes after its end are not zero', end)
  const length = hardwareLength[reportType]
  if (!isZero(slot.subarray(length)))
    refuse('ReservedNotZero', 'slot is not zero after the TDREPORT', slotOffset + length)
  const hardwareReport = slot.subarray(0, length)
  const at = reportDataOffset[reportType]
  const reportData = hardwareReport.subarray(at, at + 64)
  return { version, requestType, status, reportType, hashType, hardwareReport, capabilities, claims, reportData }
}

/** Header of 20 bytes: the sizes agree under it, and not under the longer one. */
function isShort(bytes: Uint8Array, size: number): boolean {
  const view = new DataView(bytes.buffer)
  const agrees = (header: number): boolean =>
    bytes.length >= header + slotLength + 4 && size === header + slotLength + view.getUint32(header + slotLength, true)
  return agrees(headerLength - reservedLength) && !agrees(headerLength)
}

/**
 * Report data that bind these claims: their digest followed by zeros, 64 bytes.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal, hclReportData, parseHclReport, parseSnpReport } from '@strongroom/evidence'
 *
 * const { claims, hardwareReport } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * equal(await hclReportData(claims), parseSnpReport(hardwareReport).reportData) // => true
 */
export async function hclReportData(claims: Uint8Array, hash: HashName = 'SHA-256'): Promise<Uint8Array> {
  const data = new Uint8Array(64)
  data.set(await digest(hash, claims))
  return data
}

/**
 * Checks that the hardware report binds the claims. @throws VerificationError BindingMismatch, AlgorithmNotAllowed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseHclReport, parseSnpReport, utf8, verifyHclBinding } from '@strongroom/evidence'
 *
 * const report = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const { reportData } = parseSnpReport(report.hardwareReport)
 * await verifyHclBinding(report, reportData) // => undefined
 * verifyHclBinding({ ...report, claims: utf8('{"keys":[]}') }, reportData) // throws VerificationError BindingMismatch
 */
export async function verifyHclBinding(report: HclReport, reportData: Uint8Array = report.reportData): Promise<void> {
  if (digestLength[report.hashType] < 32) {
    throw new VerificationError({ code: 'AlgorithmNotAllowed', message: 'HCL report: digest is too weak' })
  }
  const wanted = await hclReportData(report.claims, report.hashType)
  if (!equal(wanted, reportData)) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'HCL report: claims are not the ones that the hardware report binds',
      subject: 'HCL report',
      expected: toHex(wanted),
      found: toHex(reportData),
    })
  }
}

function refuse(code: ParseError['code'], what: string, offset: number, expected?: string, found?: string): never {
  throw new ParseError({
    code,
    message: `HCL report: ${what}`,
    offset,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  })
}
