import { concat, equal } from '../core/bytes/bytes.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { VerificationError } from '../core/errors.ts'
import type { TrustAnchor, TrustAnchors } from '../x509/trust-anchors.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import { certificateOf, crlOf, publicKeyOf } from '../x509/inputs.ts'
import { digestOf, type VerifyContext } from '../x509/verify-context.ts'
import { verifyPath } from '../x509/path.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { requireCurrent, type TdxCollateral, verifySignedText } from './collateral.ts'
import { type PckExtension, readPckExtension } from './pck.ts'
import { assessQe, parseQeIdentity } from './qe-identity.ts'
import type { TdxQuote } from './quote.ts'
import { assessModule, assessPlatform, parseTcbInfo, type TcbAssessment } from './tcb-info.ts'
import { type TcbStatus, worstStatus } from './tcb-status.ts'
import type { TdBody } from './td-body.ts'
import { VerificationCache } from '../x509/verification-cache.ts'

/** A quote whose signatures, chains and collateral are genuine. `tcbStatus` shows how current its platform is. */
export interface VerifiedTdx {
  quote: TdxQuote
  body: TdBody
  /** Worst of platform, TDX module and quoting enclave. */
  tcbStatus: TcbStatus
  /** Of all three, sorted, each once. */
  advisoryIds: readonly string[]
  platform: TcbAssessment
  /** Absent for TDX modules of version 0. */
  module?: TcbAssessment & { id: string }
  quotingEnclave: TcbAssessment
  pck: PckExtension
  /** The lower of TCB info's and QE identity's. */
  tcbEvaluationDataNumber: number
  /** Earliest next update of all collateral: the verdict expires then. */
  validUntil: Date
  root: TrustAnchor
  simulated: boolean
}

/** Intel's quoting enclave. */
export const intelQeVendorId: Uint8Array = fromHex('939a7233f79c4ca9940a0db3957f0607')
/** SubjectPublicKeyInfo of a P-256 key up to the point (RFC 5480). */
const p256SpkiPrefix: Uint8Array = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004')

/**
 * Verifies a TD quote with its collateral at a time: PCK chain to a pinned root with revocation lists, PCK over QE
 * report, QE report over attestation key, attestation key over quote; then TCB info, TDX module and QE identity. An old
 * or unknown TCB is a result, not an error: the policy decides (appraiseTdx).
 * @throws VerificationError, ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromHex, genuineIntelAnchors, parseTdxQuote, verifyTdx } from '@strongroom/evidence'
 *
 * const { pckCrl, rootCaCrl, ...texts } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const o = {
 *   quote: parseTdxQuote(await readFile('quote.bin')),
 *   collateral: { ...texts, pckCrl: fromHex(pckCrl), rootCaCrl: fromHex(rootCaCrl) },
 *   anchors: { simulated: false, amd: [], intel: [...genuineIntelAnchors] },
 * }
 * const { tcbStatus, validUntil } = await verifyTdx({ ...o, at: new Date('2025-06-25') })
 * tcbStatus // => 'UpToDate'
 * validUntil.toISOString() // => '2025-07-19T10:00:35.000Z'
 * verifyTdx({ ...o, at: new Date('2025-08-25') }) // throws VerificationError CrlExpired
 */
export async function verifyTdx(
  o: VerifyContext & {
    quote: TdxQuote
    /** PCK chain for a quote that only names its certificate (certification data 1 to 3), leaf first, DER. */
    pckChain?: readonly Uint8Array[] | undefined
    collateral: TdxCollateral
    anchors: TrustAnchors
    at: Date
  },
): Promise<VerifiedTdx> {
  const { quote, collateral, at } = o
  const anchors = o.anchors.intel
  requireVendor(quote)
  // Root, signer and lists occur in several chains: each signature is checked once per call, with or without the caller's cache.
  const context: VerifyContext = {
    primitives: o.primitives,
    cache: o.cache ?? new VerificationCache({ maximumEntries: 32 }),
  }
  const rootCrl = crlOf(collateral.rootCaCrl, context)
  const pckCrl = crlOf(collateral.pckCrl, context)
  const { root, pck } = await verifySignatures({
    quote,
    pckChain: o.pckChain,
    anchors,
    crls: [pckCrl, rootCrl],
    at,
    ...context,
  })

  const signedBy = { anchors, crls: [rootCrl], at, ...context }
  const tcbInfo = await verifySignedText({
    ...signedBy,
    text: collateral.tcbInfo,
    member: 'tcbInfo',
    issuerChainPem: collateral.tcbInfoIssuerChainPem,
    read: parseTcbInfo,
  })
  const identity = await verifySignedText({
    ...signedBy,
    text: collateral.qeIdentity,
    member: 'enclaveIdentity',
    issuerChainPem: collateral.qeIdentityIssuerChainPem,
    read: parseQeIdentity,
  })
  requireCurrent({ ...tcbInfo, at, subject: 'TCB info' })
  requireCurrent({ ...identity, at, subject: 'QE identity' })
  requireSame('FmspcMismatch', 'TCB info is of another kind of platform', tcbInfo.fmspc, pck.fmspc)
  requireSame('PceIdMismatch', 'TCB info is of another provisioning certification enclave', tcbInfo.pceId, pck.pceId)

  const module = assessModule(tcbInfo, quote.body)
  const platform = assessPlatform({ tcbInfo, pck, teeTcbSvn: quote.body.teeTcbSvn })
  const quotingEnclave = assessQe(identity, quote.qeReport)
  const parts = [platform, quotingEnclave, ...(module === undefined ? [] : [module])]
  return {
    quote,
    body: quote.body,
    tcbStatus: worstStatus(parts.map((part) => part.status)),
    advisoryIds: [...new Set(parts.flatMap((part) => part.advisoryIds))].toSorted(),
    platform,
    ...(module === undefined ? {} : { module }),
    quotingEnclave,
    pck,
    tcbEvaluationDataNumber: Math.min(tcbInfo.tcbEvaluationDataNumber, identity.tcbEvaluationDataNumber),
    validUntil: earliest([tcbInfo.nextUpdate, identity.nextUpdate, pckCrl.nextUpdate, rootCrl.nextUpdate]),
    root,
    simulated: o.anchors.simulated,
  }
}

/**
 * The part that needs no TCB info: chain and the three signatures of a quote.
 * @param o.crls undefined skips revocation, for callers that verify signatures only
 */
export async function verifySignatures(
  o: VerifyContext & {
    quote: TdxQuote
    pckChain?: readonly Uint8Array[] | undefined
    anchors: readonly TrustAnchor[]
    crls?: readonly Crl[]
    at: Date
  },
): Promise<{ root: TrustAnchor; pck: PckExtension }> {
  const { quote } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const chain = pckChainOf(quote, o.pckChain).map((der) => certificateOf(der, context))
  const root = await verifyPath({
    chain,
    anchors: o.anchors,
    at: o.at,
    crls: o.crls,
    requireCrls: o.crls !== undefined,
    ...context,
  })
  const leaf = chain[0] as Certificate
  requirePckAuthority(chain)
  const pck = readPckExtension(leaf)
  requireNamedPck(quote, pck)
  await requireQeSignature(quote, leaf, context)
  await requireVouchedKey(quote, context)
  await requireQuoteSignature(quote, context)
  return { root, pck }
}

/** @throws VerificationError QeVendorMismatch */
export function requireVendor({ qeVendorId }: TdxQuote): void {
  requireSame('QeVendorMismatch', 'Another vendor’s quoting enclave made the quote', intelQeVendorId, qeVendorId)
}

/** The PCK signed the report of the quoting enclave. @throws VerificationError AlgorithmNotAllowed, QeReportSignatureInvalid */
export async function requireQeSignature(
  { qeReport, qeReportSignature }: TdxQuote,
  { publicKey: key }: Certificate,
  { primitives }: VerifyContext,
): Promise<void> {
  if (key.kind !== 'EC' || key.curve !== 'P-256') {
    throw new VerificationError({
      code: 'AlgorithmNotAllowed',
      message: 'The PCK is not a P-256 key',
      subject: 'PCK',
      expected: 'P-256',
      found: key.kind,
    })
  }
  if (await verifyRawEcdsa({ key, hash: 'SHA-256', signature: qeReportSignature, data: qeReport.raw, primitives }))
    return
  throw new VerificationError({
    code: 'QeReportSignatureInvalid',
    message: 'The QE report is not signed by the PCK',
    subject: 'TD quote',
  })
}

/** The quoting enclave's report is over the attestation key. @throws VerificationError QeReportDataMismatch */
export async function requireVouchedKey(quote: TdxQuote, context: VerifyContext): Promise<void> {
  const hash = await digestOf(context, 'SHA-256', concat(quote.attestationKey, quote.qeAuthenticationData))
  const message = 'The quoting enclave did not vouch for this attestation key'
  requireSame('QeReportDataMismatch', message, concat(hash, new Uint8Array(32)), quote.qeReport.reportData)
}

/** The attestation key signed the quote. @throws VerificationError QuoteSignatureInvalid */
export async function requireQuoteSignature(quote: TdxQuote, context: VerifyContext): Promise<void> {
  const key = publicKeyOf(concat(p256SpkiPrefix, quote.attestationKey), context) as PublicKey & { kind: 'EC' }
  let good = false
  try {
    const { signature, signed: data } = quote
    good = await verifyRawEcdsa({ key, hash: 'SHA-256', signature, data, primitives: context.primitives })
  } catch (error) {
    // A key that is not on the curve signs nothing.
    if (!(error instanceof VerificationError)) throw error
  }
  if (good) return
  throw new VerificationError({
    code: 'QuoteSignatureInvalid',
    message: 'The quote is not signed by its attestation key',
    subject: 'TD quote',
  })
}

const pckAuthorities = ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA']

/** Intel's root also certifies other things: only its two platform authorities issue PCK certificates (PCS, certificates). */
export function requirePckAuthority(chain: readonly Certificate[]): void {
  const found = chain[1]?.subject.commonName ?? 'none'
  if (chain.length === 3 && pckAuthorities.includes(found)) return
  throw new VerificationError({
    code: 'CertificateNotForThisUse',
    message: 'The PCK certificate is not issued by an authority for platforms',
    subject: 'PCK',
    expected: `a chain of three over ${pckAuthorities.join(' or ')}`,
    found: `a chain of ${chain.length} over ${found}`,
  })
}

/** The chain in the quote, or the one given for it. @throws VerificationError CertificationDataNotSupported */
export function pckChainOf(
  { certification }: TdxQuote,
  given: readonly Uint8Array[] | undefined,
): readonly Uint8Array[] {
  if (certification.type === 'pckChain') return certification.chain
  if (given !== undefined && given.length > 0) return given
  throw new VerificationError({
    code: 'CertificationDataNotSupported',
    message: 'The quote names its PCK certificate and does not carry it',
    subject: 'TD quote',
    expected: 'certification data of type 5, or the certificate beside the quote',
    found: `type ${certification.kind}`,
  })
}

/** A quote that names its certificate must name this one: by versions and PCE, and by the platform if that is in clear. */
export function requireNamedPck({ certification: named }: TdxQuote, pck: PckExtension): void {
  if (named.type === 'pckChain') return
  const parts: [field: string, expected: string, found: string][] = [
    ['CPUSVN', toHex(named.cpuSvn), toHex(pck.cpuSvn)],
    ['PCESVN', `${named.pceSvn}`, `${pck.pceSvn}`],
    ['PCE id', toHex(named.pceId), toHex(pck.pceId)],
    ...(named.kind === 1 ? [['PPID', toHex(named.ppid), toHex(pck.ppid)] as [string, string, string]] : []),
  ]
  for (const [field, expected, found] of parts) {
    if (expected === found) continue
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: `The quote names another PCK certificate: ${field} differs`,
      subject: 'PCK',
      expected,
      found,
    })
  }
}

function requireSame(
  code: 'QeVendorMismatch' | 'FmspcMismatch' | 'PceIdMismatch' | 'QeReportDataMismatch',
  message: string,
  expected: Uint8Array,
  found: Uint8Array,
): void {
  if (equal(expected, found)) return
  throw new VerificationError({ code, message, subject: 'TD quote', expected: toHex(expected), found: toHex(found) })
}

function earliest(times: readonly (Date | undefined)[]): Date {
  return new Date(Math.min(...times.map((time) => time?.getTime() ?? Number.NEGATIVE_INFINITY)))
}
