/**
 * Paths of https://collateral.strongroom.internal (`collateralHost`), anonymous: those of AMD's Key Distribution
 * Service and of Intel's Provisioning Certification Service 4. Only the revocation list of Intel's root has our own
 * path: Intel serves it at another host.
 */
export const collateralPaths = {
  /** PEM: ASK, then ARK. */
  snpCertificateChain: (product: string): string => `/vcek/v1/${product}/cert_chain`,
  /** DER. */
  snpRevocationList: (product: string): string => `/vcek/v1/${product}/crl`,
  /**
   * DER of a VCEK. `hwid` is the chip id of the report in lower-case hexadecimal; the levels are those of the reported
   * TCB. Turin's ids have eight bytes, and the additional level `fmc`.
   */
  snpVcek: (o: {
    product: string
    hwid: string
    fmc?: number
    bootLoader: number
    tee: number
    snp: number
    microcode: number
  }): string => {
    const levels = `blSPL=${o.bootLoader}&teeSPL=${o.tee}&snpSPL=${o.snp}&ucodeSPL=${o.microcode}`
    return o.product === 'Turin'
      ? `/vcek/v1/Turin/${o.hwid.slice(0, 16)}?fmcSPL=${o.fmc ?? 0}&${levels}`
      : `/vcek/v1/${o.product}/${o.hwid}?${levels}`
  },
  /** JSON text; the issuer's chain is in the header `TCB-Info-Issuer-Chain`. `fmspc`: 12 lower-case hexadecimal digits. */
  tdxTcbInfo: (fmspc: string): string => `/tdx/certification/v4/tcb?fmspc=${fmspc}`,
  /** Of the vendor's next set, which is not in force yet. */
  tdxEarlyTcbInfo: (fmspc: string): string => `/tdx/certification/v4/tcb?fmspc=${fmspc}&update=early`,
  /** JSON text; chain in `SGX-Enclave-Identity-Issuer-Chain`. */
  tdxQeIdentity: '/tdx/certification/v4/qe/identity',
  /** DER; chain in `SGX-PCK-CRL-Issuer-Chain`. */
  tdxPckRevocationList: (authority: 'platform' | 'processor'): string =>
    `/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`,
  /** DER. */
  tdxRootRevocationList: '/sgx/certification/v4/rootcacrl',
} as const

/** Response headers with the issuer's chain: PEM, percent-encoded, leaf first. */
export const collateralChainHeaders = {
  tcbInfo: 'tcb-info-issuer-chain',
  qeIdentity: 'sgx-enclave-identity-issuer-chain',
  pckCrl: 'sgx-pck-crl-issuer-chain',
} as const

export const collateralBundleFormat = 'strongroom-collateral'

/** Vendors' collateral stored by the attestation service; stated by `attestationWire`. */
export type {
  CollateralBundle,
  CollateralBundleItem,
  CollateralImport,
  CollateralItemStatus,
  CollateralSourceStatus,
  CollateralStatus,
} from './wires/attestation/collateral.ts'
