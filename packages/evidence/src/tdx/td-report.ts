import { ByteReader } from '../core/bytes/byte-reader.ts'
import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { TdBody } from './td-body.ts'

/**
 * TDREPORT_STRUCT, 1024 bytes (TDX module ABI, section 3.6): what the TDX module gives a TD. Its MAC can be verified
 * only on the same processor; elsewhere, a quote replaces it.
 */
export interface TdReport {
  tdxVersion: '1.0' | '1.5'
  cpuSvn: Uint8Array
  teeTcbInfoHash: Uint8Array
  teeInfoHash: Uint8Array
  mac: Uint8Array
  /** What the MAC covers: REPORTMACSTRUCT without the MAC. */
  macCovered: Uint8Array
  teeTcbInfo: Uint8Array
  tdInfo: Uint8Array
  body: TdBody
  raw: Uint8Array
}

const tdReportSize = 1024

/**
 * Reads a TDREPORT of TDX 1.0 (version 0) or 1.5 (version 1). @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdReport } from '@strongroom/evidence'
 *
 * const { tdxVersion, body } = parseTdReport(await readFile('td-report.bin'))
 * tdxVersion // => '1.0'
 * body.rtmrs.length // => 4
 */
export function parseTdReport(bytes: Uint8Array): TdReport {
  if (bytes.length !== tdReportSize) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'TDREPORT has another length',
      expected: String(tdReportSize),
      found: String(bytes.length),
    })
  }
  const reader = new ByteReader(bytes, 'TDREPORT')
  const type = reader.u8('type')
  if (type !== 0x81)
    throw new ParseError({
      code: 'UnknownType',
      message: 'TDREPORT: not the report of a TD',
      offset: 0,
      expected: '0x81',
      found: `0x${type.toString(16)}`,
    })
  reader.zero(1, 'subtype')
  const version = reader.u8('version')
  if (version > 1)
    throw new ParseError({
      code: 'UnknownVersion',
      message: 'TDREPORT: unknown version',
      offset: 2,
      expected: '0 or 1',
      found: String(version),
    })
  reader.zero(13, 'reserved')
  const cpuSvn = reader.bytes(16, 'CPUSVN')
  const teeTcbInfoHash = reader.bytes(48, 'TEE_TCB_INFO hash')
  const teeInfoHash = reader.bytes(48, 'TD_INFO hash')
  const reportData = reader.bytes(64, 'report data')
  reader.zero(32, 'reserved')
  const mac = reader.bytes(32, 'MAC')
  const tcb = reader.structure(239, 'TEE_TCB_INFO')
  tcb.bytes(8, 'valid')
  const teeTcbSvn = tcb.bytes(16, 'TEE TCB SVN')
  const mrSeam = tcb.bytes(48, 'MRSEAM')
  const mrSignerSeam = tcb.bytes(48, 'MRSIGNERSEAM')
  const seamAttributes = tcb.bytes(8, 'SEAM attributes')
  const teeTcbSvn2 = version === 1 ? tcb.bytes(16, 'TEE TCB SVN 2') : undefined
  // Genuine modules leave values in bytes that their specification reserves here: ignored, but covered by the hash.
  reader.bytes(17, 'reserved')
  const info = reader.structure(512, 'TD_INFO')
  const body: TdBody = {
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    attributes: info.u64le('attributes'),
    xfam: info.u64le('XFAM'),
    mrTd: info.bytes(48, 'MRTD'),
    mrConfigId: info.bytes(48, 'MRCONFIGID'),
    mrOwner: info.bytes(48, 'MROWNER'),
    mrOwnerConfig: info.bytes(48, 'MROWNERCONFIG'),
    rtmrs: [info.bytes(48, 'RTMR0'), info.bytes(48, 'RTMR1'), info.bytes(48, 'RTMR2'), info.bytes(48, 'RTMR3')],
    reportData,
    ...(teeTcbSvn2 === undefined ? {} : { teeTcbSvn2, mrServiceTd: info.bytes(48, 'SERVTD_HASH') }),
  }
  return {
    tdxVersion: version === 1 ? '1.5' : '1.0',
    cpuSvn,
    teeTcbInfoHash,
    teeInfoHash,
    mac,
    macCovered: bytes.subarray(0, 224),
    teeTcbInfo: bytes.subarray(256, 256 + 239),
    tdInfo: bytes.subarray(512),
    body,
    raw: bytes,
  }
}

/**
 * Checks that the part under the MAC names the rest of the report. Does not verify the MAC.
 * @throws VerificationError BindingMismatch
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdReport, verifyTdReportHashes } from '@strongroom/evidence'
 *
 * const report = parseTdReport(await readFile('td-report.bin'))
 * await verifyTdReportHashes(report) // => undefined
 * const tdInfo = report.tdInfo.slice().fill(0, 0, 8).fill(1, 0, 1)
 * verifyTdReportHashes({ ...report, tdInfo }) // throws VerificationError BindingMismatch
 */
export async function verifyTdReportHashes(report: TdReport): Promise<void> {
  const parts = [
    ['TEE_TCB_INFO', report.teeTcbInfo, report.teeTcbInfoHash],
    ['TD_INFO', report.tdInfo, report.teeInfoHash],
  ] as const
  for (const [name, bytes, expected] of parts) {
    const found = await digest('SHA-384', bytes)
    if (!equal(found, expected)) {
      throw new VerificationError({
        code: 'BindingMismatch',
        message: `TDREPORT: ${name} is not the one that the report names`,
        subject: 'TDREPORT',
        expected: toHex(expected),
        found: toHex(found),
      })
    }
  }
}

const bodyParts = [
  'teeTcbSvn',
  'mrSeam',
  'mrSignerSeam',
  'seamAttributes',
  'mrTd',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
  'reportData',
] as const

/**
 * True if a quote describes the same TD as this report: every field of the body. Fields added by TDX 1.5 are compared
 * if both have them; quotes of version 4 omit them.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdReport, parseTdxQuote, sameTd } from '@strongroom/evidence'
 *
 * const { body } = parseTdxQuote(await readFile('quote.bin'))
 * sameTd(body, body) // => true
 * sameTd(body, parseTdReport(await readFile('td-report.bin')).body) // => false
 */
export function sameTd(left: TdBody, right: TdBody): boolean {
  const sameWhereSaid = (part: 'teeTcbSvn2' | 'mrServiceTd'): boolean => {
    const [one, other] = [left[part], right[part]]
    return one === undefined || other === undefined || equal(one, other)
  }
  return (
    left.attributes === right.attributes &&
    left.xfam === right.xfam &&
    bodyParts.every((part) => equal(left[part], right[part])) &&
    left.rtmrs.every((register, index) => equal(register, right.rtmrs[index] as Uint8Array)) &&
    sameWhereSaid('teeTcbSvn2') &&
    sameWhereSaid('mrServiceTd')
  )
}
