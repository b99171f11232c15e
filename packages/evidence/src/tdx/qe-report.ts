import { ByteReader } from '../core/bytes/byte-reader.ts'

/** SGX report body of the quoting enclave, 384 bytes (Intel SDM volume 3D, table 38-21). */
export interface QeReport {
  cpuSvn: Uint8Array
  /** 4 bytes, in memory order. */
  miscSelect: Uint8Array
  attributes: Uint8Array
  mrEnclave: Uint8Array
  mrSigner: Uint8Array
  isvProdId: number
  isvSvn: number
  /** 64 bytes. */
  reportData: Uint8Array
  raw: Uint8Array
}

const qeReportSize = 384

/** Reserved parts are covered by the PCK's signature and belong to Intel's enclave: they are ignored. */
export function readQeReport(outer: ByteReader): QeReport {
  const base = outer.offset
  const raw = outer.bytes(qeReportSize, 'QE report')
  const reader = new ByteReader(raw, 'QE report', base)
  const cpuSvn = reader.bytes(16, 'CPUSVN')
  const miscSelect = reader.bytes(4, 'MISCSELECT')
  reader.bytes(28, 'reserved')
  const attributes = reader.bytes(16, 'attributes')
  const mrEnclave = reader.bytes(32, 'MRENCLAVE')
  reader.bytes(32, 'reserved')
  const mrSigner = reader.bytes(32, 'MRSIGNER')
  reader.bytes(96, 'reserved')
  const isvProdId = reader.u16le('ISVPRODID')
  const isvSvn = reader.u16le('ISVSVN')
  reader.bytes(60, 'reserved')
  const reportData = reader.bytes(64, 'report data')
  return { cpuSvn, miscSelect, attributes, mrEnclave, mrSigner, isvProdId, isvSvn, reportData, raw }
}
