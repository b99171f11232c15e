import { buildHclReport, fromBase64, toBase64, toHex, type TdxCollateral } from '@strongroom/evidence'
import type { SnpChain } from '../collateral/amd.ts'
import type { BoundData } from '../evidence/request.ts'

/** Evidence as it is kept with a decision: JSON in which `strongroom evidence verify` finds every piece by what it is. */
export interface EvidenceRecord {
  /** What this evidence alone has; bytes as base64. */
  own: Record<string, unknown>
  /** Texts that much evidence has in common (certificates, revocation lists, Intel's signed texts): kept once. */
  shared: Record<string, string>
}

export function snpRecord(o: {
  report: Uint8Array
  chain: SnpChain
  crl: Uint8Array | undefined
  runtime: BoundData | undefined
  initTime: BoundData | undefined
}): EvidenceRecord {
  const { vcek, ask, ark } = o.chain
  return {
    own: { snpReport: toBase64(o.report), ...boundRecord(o) },
    shared: {
      certificateChain: pemOf(vcek, ask, ark),
      ...(o.crl === undefined ? {} : { revocationList: crlPem(o.crl) }),
    },
  }
}

export function tdxRecord(o: {
  quote: Uint8Array
  collateral: TdxCollateral
  runtime: BoundData | undefined
  initTime: BoundData | undefined
}): EvidenceRecord {
  const { pckCrl, rootCaCrl, ...texts } = o.collateral
  return {
    own: { tdQuote: toBase64(o.quote), ...boundRecord(o) },
    shared: { ...texts, pckCrl: crlPem(pckCrl), rootCaCrl: crlPem(rootCaCrl) },
  }
}

/**
 * A guest's: the hardware's report with the claims that name the attestation key, and the quote by that key. An SNP report goes into
 * the form that the paravisor gives it, in which one thing vouches for the next.
 */
export function guestRecord(o: {
  isolation: EvidenceRecord | undefined
  quote: Record<string, unknown>
  /** DER, leaf first. */
  akChain: readonly Uint8Array[]
}): EvidenceRecord {
  const { snpReport, runtimeClaims, ...rest } = o.isolation?.own ?? {}
  const isolation =
    typeof snpReport === 'string' && typeof runtimeClaims === 'string'
      ? { hclReport: hclReport(fromBase64(snpReport), fromBase64(runtimeClaims)), ...rest }
      : { ...(runtimeClaims === undefined ? {} : { runtimeClaims }), ...rest }
  return {
    own: { ...isolation, tpmQuote: o.quote, attestationKeyChain: pemOf(...o.akChain) },
    shared: o.isolation?.shared ?? {},
  }
}

function hclReport(hardwareReport: Uint8Array, claims: Uint8Array): string {
  return toBase64(buildHclReport({ hardwareReport, reportType: 'SNP', claims }))
}

/** A quote of a TPM, in the members by which it is found. */
export function tpmQuoteRecord(o: {
  message: Uint8Array
  signature: Uint8Array
  pcrs: ReadonlyMap<number, Uint8Array>
  eventLog: Uint8Array
}): Record<string, unknown> {
  return {
    quoteMessage: toBase64(o.message),
    quoteSignature: toBase64(o.signature),
    pcrs: Object.fromEntries([...o.pcrs].map(([pcr, value]) => [pcr, toHex(value)])),
    ...(o.eventLog.length === 0 ? {} : { eventLog: toBase64(o.eventLog) }),
  }
}

/** PEM of certificates in DER. */
export function pemOf(...certificates: Uint8Array[]): string {
  return certificates.map((der) => armoured(der, 'CERTIFICATE')).join('')
}

const crlPem = (der: Uint8Array): string => armoured(der, 'X509 CRL')

function armoured(der: Uint8Array, label: string): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

function boundRecord(o: { runtime: BoundData | undefined; initTime: BoundData | undefined }): Record<string, string> {
  return {
    ...(o.runtime === undefined ? {} : { runtimeClaims: toBase64(o.runtime.bytes) }),
    ...(o.initTime === undefined ? {} : { initTimeData: toBase64(o.initTime.bytes) }),
  }
}
