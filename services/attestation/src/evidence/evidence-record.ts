import { createHash } from 'node:crypto'
import { buildHclReport, toHex, type SnpChain, type TdxCollateral } from '@strongroom/evidence'
import type { BoundData } from '../core/request.ts'
import type { EvidenceRecord, SharedText } from '../store/decision-entry.ts'

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

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
      certificateChain: armoured('CERTIFICATE', vcek, ask, ark),
      ...(o.crl === undefined ? {} : { revocationList: armoured('X509 CRL', o.crl) }),
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
    shared: {
      ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, plain(text)])),
      pckCrl: armoured('X509 CRL', pckCrl),
      rootCaCrl: armoured('X509 CRL', rootCaCrl),
    },
  }
}

/**
 * A guest's record: the hardware's report with the claims that name the attestation key, and that key's quote. An SNP
 * report is stored in the paravisor's form, in which each part vouches for the next.
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
      ? { hclReport: hclReport(Buffer.from(snpReport, 'base64'), Buffer.from(runtimeClaims, 'base64')), ...rest }
      : { ...(runtimeClaims === undefined ? {} : { runtimeClaims }), ...rest }
  return {
    own: { ...isolation, tpmQuote: o.quote, attestationKeyChain: pemOf('CERTIFICATE', ...o.akChain) },
    shared: o.isolation?.shared ?? {},
  }
}

function hclReport(hardwareReport: Uint8Array, claims: Uint8Array): string {
  return toBase64(buildHclReport({ hardwareReport, reportType: 'SNP', claims }))
}

/** A TPM quote, in the members by which it is recognised. */
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

function plain(text: string): SharedText {
  return { digest: createHash('sha256').update(text).digest('base64url'), text: () => text }
}

/** Texts by the first of their source bytes: caches return the same bytes for each report of a chip. */
const armouredTexts = new WeakMap<Uint8Array, { parts: readonly Uint8Array[]; text: SharedText }>()

/** PEM of DER that nobody changes. */
function armoured(label: string, first: Uint8Array, ...others: Uint8Array[]): SharedText {
  const parts = [first, ...others]
  const known = armouredTexts.get(first)
  if (known?.parts.length === parts.length && known.parts.every((part, at) => part === parts[at])) return known.text
  const hash = createHash('sha256').update(label)
  for (const part of parts) hash.update(part)
  const text = { digest: hash.digest('base64url'), text: () => pemOf(label, ...parts) }
  armouredTexts.set(first, { parts, text })
  return text
}

function pemOf(label: string, ...parts: Uint8Array[]): string {
  return parts
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? []
      return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
    })
    .join('')
}

function boundRecord(o: { runtime: BoundData | undefined; initTime: BoundData | undefined }): Record<string, string> {
  return {
    ...(o.runtime === undefined ? {} : { runtimeClaims: toBase64(o.runtime.bytes) }),
    ...(o.initTime === undefined ? {} : { initTimeData: toBase64(o.initTime.bytes) }),
  }
}
