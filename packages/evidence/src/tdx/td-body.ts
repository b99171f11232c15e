import type { ByteReader } from '../core/bytes/byte-reader.ts'

/**
 * TDATTRIBUTES bits (TDX module ABI, section 3.3). Bits 0 to 7 make a TD untrusted, 8 to 31 concern its security.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdxQuote, tdAttributes } from '@strongroom/evidence'
 *
 * const { body } = parseTdxQuote(await readFile('quote.bin'))
 * const debuggable = (body.attributes & tdAttributes.debug) !== 0n
 * debuggable // => false
 */
export const tdAttributes: Readonly<
  Record<'debug' | 'lass' | 'septVeDisable' | 'migratable' | 'pks' | 'keyLocker' | 'perfmon', bigint>
> = {
  debug: 1n,
  lass: 1n << 27n,
  septVeDisable: 1n << 28n,
  migratable: 1n << 29n,
  pks: 1n << 30n,
  keyLocker: 1n << 31n,
  perfmon: 1n << 63n,
}

/** What a quote states about a TD and its TDX module (TD quote body). All measurements are 48 bytes. */
export interface TdBody {
  /** SVNs of the TDX module and of the platform's TDX components, 16 bytes; byte 0 module SVN, byte 1 module version. */
  teeTcbSvn: Uint8Array
  mrSeam: Uint8Array
  /** Zero for a module that Intel signed. */
  mrSignerSeam: Uint8Array
  seamAttributes: Uint8Array
  attributes: bigint
  xfam: bigint
  mrTd: Uint8Array
  mrConfigId: Uint8Array
  mrOwner: Uint8Array
  mrOwnerConfig: Uint8Array
  /** RTMR0 to RTMR3. */
  rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 64 bytes. */
  reportData: Uint8Array
  /** TDX 1.5: SVNs of the module that would be loaded now, if it was updated under running TDs. */
  teeTcbSvn2?: Uint8Array
  /** TDX 1.5: digest of the service TDs bound to this TD. */
  mrServiceTd?: Uint8Array
}

/** Bytes of a TDX 1.0 and of a TDX 1.5 body. */
export const tdBodySize: Readonly<Record<'1.0' | '1.5', number>> = { '1.0': 584, '1.5': 648 }

/** Reads a TD quote body (Intel TDX DCAP quote generation library, section A.3.2; TDX 1.5: A.4.3). */
export function readTdBody(reader: ByteReader, version: '1.0' | '1.5'): TdBody {
  const body: TdBody = {
    teeTcbSvn: reader.bytes(16, 'TEE TCB SVN'),
    mrSeam: reader.bytes(48, 'MRSEAM'),
    mrSignerSeam: reader.bytes(48, 'MRSIGNERSEAM'),
    seamAttributes: reader.bytes(8, 'SEAM attributes'),
    attributes: reader.u64le('TD attributes'),
    xfam: reader.u64le('XFAM'),
    mrTd: reader.bytes(48, 'MRTD'),
    mrConfigId: reader.bytes(48, 'MRCONFIGID'),
    mrOwner: reader.bytes(48, 'MROWNER'),
    mrOwnerConfig: reader.bytes(48, 'MROWNERCONFIG'),
    rtmrs: [reader.bytes(48, 'RTMR0'), reader.bytes(48, 'RTMR1'), reader.bytes(48, 'RTMR2'), reader.bytes(48, 'RTMR3')],
    reportData: reader.bytes(64, 'report data'),
  }
  if (version === '1.0') return body
  return { ...body, teeTcbSvn2: reader.bytes(16, 'TEE TCB SVN 2'), mrServiceTd: reader.bytes(48, 'MRSERVICETD') }
}
