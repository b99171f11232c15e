import { tdAttributes, toHex, type TdxQuote, type VerifiedTdx } from '@strongroom/evidence'
import { dataClaims } from './compliance.ts'
import type { BoundData } from '../core/request.ts'

/** Claims of a TD quote, flat, in Azure's EAT profile (facts section 5.4). Bytes are lower-case hexadecimal. */
export function tdxClaims(
  quote: TdxQuote,
  { tcbStatus, advisoryIds }: VerifiedTdx,
  data: { runtime: BoundData | undefined; initTime: BoundData | undefined },
): Record<string, unknown> {
  const { body } = quote
  const has = (bit: bigint): boolean => (body.attributes & bit) !== 0n
  return {
    ...dataClaims(data.runtime, data.initTime),
    attester_tcb_status: tcbStatus,
    // Our addition to Azure's claims: the reason for the status.
    ...(advisoryIds.length === 0 ? {} : { attester_advisory_ids: advisoryIds }),
    dbgstat: has(tdAttributes.debug) ? 'enabled' : 'disabled',
    eat_profile: 'https://aka.ms/maa-eat-profile-tdxvm',
    intuse: 'generic',
    tdx_mrconfigid: toHex(body.mrConfigId),
    tdx_mrowner: toHex(body.mrOwner),
    tdx_mrownerconfig: toHex(body.mrOwnerConfig),
    tdx_mrseam: toHex(body.mrSeam),
    tdx_mrsignerseam: toHex(body.mrSignerSeam),
    tdx_mrtd: toHex(body.mrTd),
    tdx_report_data: toHex(body.reportData),
    tdx_rtmr0: toHex(body.rtmrs[0]),
    tdx_rtmr1: toHex(body.rtmrs[1]),
    tdx_rtmr2: toHex(body.rtmrs[2]),
    tdx_rtmr3: toHex(body.rtmrs[3]),
    tdx_seam_attributes: toHex(body.seamAttributes),
    tdx_seamsvn: moduleSvn(body.teeTcbSvn),
    tdx_td_attributes: littleEndianHex(body.attributes),
    tdx_td_attributes_debug: has(tdAttributes.debug),
    tdx_td_attributes_key_locker: has(tdAttributes.keyLocker),
    tdx_td_attributes_perfmon: has(tdAttributes.perfmon),
    tdx_td_attributes_protection_keys: has(tdAttributes.pks),
    tdx_td_attributes_septve_disable: has(tdAttributes.septVeDisable),
    tdx_tee_tcb_svn: toHex(body.teeTcbSvn),
    tdx_xfam: littleEndianHex(body.xfam),
  }
}

/** SVN and major version of the TDX module as one number, low byte first. */
function moduleSvn(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[0]! + 256 * teeTcbSvn[1]!
}

/** The eight bytes in quote order. */
function littleEndianHex(value: bigint): string {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return toHex(bytes)
}
