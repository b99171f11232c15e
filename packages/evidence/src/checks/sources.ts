import { toHex } from '../core/bytes/hex.ts'
import { productOfCpu, type SnpProduct, type TcbVersion } from '../snp/products.ts'
import type { SnpReport } from '../snp/report.ts'
import { decodeTcb } from '../snp/tcb.ts'

/** Where to get what is missing: AMD's key distribution service (57230) and Intel's PCS (API 4). Nothing is fetched. */

const kds = 'https://kdsintf.amd.com'
const pcs = 'https://api.trustedservices.intel.com'

/** Address of the certificate of the key that a report names, as far as the report determines it. */
export function vcekSource(report: SnpReport | undefined): string {
  if (report?.signingKey === 'VLEK')
    return 'get the VLEK from the cloud provider, ASVK and ARK from ' + chainSource(report)
  const product = report?.cpu && productOfCpu(report.cpu)
  const tcb = report && product && readTcb(report.reportedTcb, product)
  if (report === undefined || tcb === undefined) return `get them from ${kds}/vcek/v1/${product ?? 'PRODUCT'}/…`
  const { fmc, bootLoader, tee, snp, microcode } = tcb
  const chip = toHex(product === 'Turin' ? report.chipId.subarray(0, 8) : report.chipId)
  const first = product === 'Turin' ? `fmcSPL=${fmc}&` : ''
  const query = `${first}blSPL=${bootLoader}&teeSPL=${tee}&snpSPL=${snp}&ucodeSPL=${microcode}`
  return `get the VCEK from ${kds}/vcek/v1/${product}/${chip}?${query}, ASK and ARK from ${chainSource(report)}`
}

/** Undefined for unreadable versions, which an unsigned report may have. */
function readTcb(raw: bigint, product: SnpProduct): TcbVersion | undefined {
  try {
    return decodeTcb(raw, product)
  } catch {
    return undefined
  }
}

/** For the issuers of a report's key. */
export function chainSource(report: SnpReport | undefined): string {
  const product = (report?.cpu && productOfCpu(report.cpu)) ?? 'PRODUCT'
  return `${kds}/${report?.signingKey === 'VLEK' ? 'vlek' : 'vcek'}/v1/${product}/cert_chain`
}

export function amdCrlSource(report: SnpReport | undefined): string {
  const product = (report?.cpu && productOfCpu(report.cpu)) ?? 'PRODUCT'
  return `get it from ${kds}/${report?.signingKey === 'VLEK' ? 'vlek' : 'vcek'}/v1/${product}/crl`
}

/** @param fmspc hexadecimal; absent if the platform's certificate cannot be read */
export function tcbInfoSource(fmspc: string | undefined): string {
  return `get it from ${pcs}/tdx/certification/v4/tcb?fmspc=${fmspc ?? 'FMSPC'}, with its header TCB-Info-Issuer-Chain`
}

export const qeIdentitySource: string =
  `get it from ${pcs}/tdx/certification/v4/qe/identity, ` + 'with its header SGX-Enclave-Identity-Issuer-Chain'
export const rootCrlSource: string = 'get it from https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'

/** @param issuer common name of the PCK's issuer, which identifies one of Intel's two authorities */
export function pckCrlSource(issuer: string | undefined): string {
  const authority = issuer?.includes('Processor') === true ? 'processor' : 'platform'
  return `get it from ${pcs}/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`
}
