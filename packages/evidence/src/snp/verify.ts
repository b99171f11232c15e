import { concat, reversed } from '../core/bytes/bytes.ts'
import { EvidenceError, ParseError, VerificationError, type VerificationErrorCode } from '../core/errors.ts'
import type { TrustAnchor, TrustAnchors } from '../x509/trust-anchors.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import { certificateOf, crlOf } from '../x509/inputs.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { describeName, sameName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import { requireChip, requireCommitted } from './consistency.ts'
import { readEndorsement, type SnpEndorsement } from './endorse.ts'
import { mayBeOf, type SnpProduct, type TcbVersion } from './products.ts'
import type { SnpReport } from './report.ts'
import { decodeTcb, describeTcb, tcbParts } from './tcb.ts'

/** DER certificates of one chain; `vcek` is the VLEK and `ask` the ASVK for reports signed by a provider's key. */
export interface SnpChain {
  vcek: Uint8Array
  ask: Uint8Array
  ark: Uint8Array
}

/** A report made by a processor under a trusted root. Its content is not yet appraised. */
export interface VerifiedSnp {
  report: SnpReport
  product: SnpProduct
  endorsement: SnpEndorsement
  /** Root that the chain ends at. */
  anchor: TrustAnchor
  reportedTcb: TcbVersion
  currentTcb: TcbVersion
  committedTcb: TcbVersion
  launchTcb: TcbVersion
  /** The root's list, valid at the time of judgement, was available. */
  revocationChecked: boolean
}

/**
 * Checks that a report is genuine: chain to a pinned root at a time, revocation, the key's product, provider and chip
 * against the report's, the reported versions against the endorsed, and the signature.
 * @param o.cache remembers the chain: a second report of the same chip costs one signature
 * @param o.crl revocation list of the root, DER. If absent, revocation is not checked: a deliberate choice of the
 * caller.
 * @throws VerificationError; ParseError if a certificate or list is malformed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeTcb, genuineAmdAnchors, parsePem, parseSnpReport, verifySnp } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const report = parseSnpReport(await readFile('report.bin'))
 * const o = { report, anchors: { simulated: false, amd: [...genuineAmdAnchors], intel: [] }, at: new Date('2024-01-01') }
 * const { product, reportedTcb } = await verifySnp({ ...o, chain: { vcek: await readFile('vcek.der'), ask, ark } })
 * product // => 'Milan'
 * describeTcb(reportedTcb) // => 'fmc 0, bootLoader 3, tee 0, snp 8, microcode 115'
 * // The key of another chip.
 * verifySnp({ ...o, chain: { vcek: await readFile('azure/vcek.der'), ask, ark } }) // throws VerificationError ChipMismatch
 */
export async function verifySnp(
  o: VerifyContext & {
    report: SnpReport
    chain: SnpChain
    anchors: TrustAnchors
    crl?: Uint8Array | undefined
    at: Date
  },
): Promise<VerifiedSnp> {
  const { report } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const leaf = certificateOf(o.chain.vcek, context)
  const ask = certificateOf(o.chain.ask, context)
  const ark = certificateOf(o.chain.ark, context)
  const crls = o.crl === undefined ? [] : [crlOf(o.crl, context)]
  for (const crl of crls) requireListOf(crl, ark)
  const anchor = await verifyPath({ chain: [leaf, ask, ark], anchors: o.anchors.amd, at: o.at, crls, ...context })

  const endorsement = endorsementOf(leaf)
  const { product } = endorsement
  requireNames({ ask, ark }, endorsement)
  requireSigner(report, endorsement)
  requireProcessor(report, endorsement)
  const reportedTcb = decode(report.reportedTcb, product)
  requireEndorsedTcb(reportedTcb, endorsement)
  requireChip(report, endorsement)
  const [currentTcb, committedTcb] = [decode(report.currentTcb, product), decode(report.committedTcb, product)]
  requireCommitted(report, product)
  await requireReportSignature(report, leaf, context)
  return {
    report,
    product,
    endorsement,
    anchor,
    reportedTcb,
    currentTcb,
    committedTcb,
    launchTcb: decode(report.launchTcb, product),
    revocationChecked: crls.length > 0,
  }
}

/** Only the root's list shows whether the intermediate is revoked. @throws VerificationError CrlIssuerMismatch */
export function requireListOf(crl: Crl, ark: Certificate): void {
  if (sameName(crl.issuer, ark.subject)) return
  const [expected, found] = [describeName(ark.subject), describeName(crl.issuer)]
  refuse('CrlIssuerMismatch', 'Revocation list is not the root’s', expected, found)
}

/** @throws VerificationError EndorsementInvalid */
export function endorsementOf(leaf: Certificate): SnpEndorsement {
  try {
    return readEndorsement(leaf)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new VerificationError({ code: 'EndorsementInvalid', message: cause.message, subject: 'VCEK', cause })
  }
}

/**
 * A root of one line must not vouch for another: their security versions mean different things.
 * @throws VerificationError ProductMismatch
 */
export function requireNames(
  { ask, ark }: { ask: Certificate; ark: Certificate },
  { product, signer }: SnpEndorsement,
): void {
  const wanted = [signer === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`, `ARK-${product}`]
  const found = [ask.subject.commonName, ark.subject.commonName]
  if (found[0] !== wanted[0] || found[1] !== wanted[1]) {
    refuse('ProductMismatch', 'Chain belongs to another product', wanted.join(', '), found.join(', '))
  }
}

/** @throws VerificationError SigningKeyMismatch */
export function requireSigner({ signingKey }: SnpReport, { signer }: SnpEndorsement): void {
  if (signingKey !== signer) refuse('SigningKeyMismatch', 'Report names another kind of key', signer, signingKey)
}

/** @throws VerificationError ProductMismatch */
export function requireProcessor({ cpu }: SnpReport, { product }: SnpEndorsement): void {
  if (mayBeOf(product, cpu)) return
  const identity = cpu === undefined ? 'none' : `family ${cpu.family}, model ${cpu.model}, stepping ${cpu.stepping}`
  refuse('ProductMismatch', 'Report comes from another product', product, identity)
}

/** @throws VerificationError TcbMismatch */
export function requireEndorsedTcb(reported: TcbVersion, { tcb }: SnpEndorsement): void {
  if (tcbParts.every((part) => reported[part] === tcb[part])) return
  refuse('TcbMismatch', 'Reported TCB is not the endorsed one', describeTcb(tcb), describeTcb(reported))
}

/** @throws VerificationError AlgorithmNotAllowed, ReportSignatureInvalid */
export async function requireReportSignature(
  report: SnpReport,
  leaf: Certificate,
  { primitives }: VerifyContext,
): Promise<void> {
  const key = leaf.publicKey
  if (key.kind !== 'EC' || key.curve !== 'P-384')
    return refuse('AlgorithmNotAllowed', 'Signing key is not on P-384', 'P-384', key.kind)
  const signature = concat(reversed(report.signatureR), reversed(report.signatureS))
  if (!(await verifyRawEcdsa({ key, hash: 'SHA-384', signature, data: report.signed, primitives }))) {
    refuse('ReportSignatureInvalid', 'Report is not signed by the endorsed key')
  }
}

function decode(raw: bigint, product: SnpProduct): TcbVersion {
  try {
    return decodeTcb(raw, product)
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause
    throw new VerificationError({ code: 'TcbMismatch', message: cause.message, subject: 'SNP report', cause })
  }
}

function refuse(code: VerificationErrorCode, message: string, expected?: string, found?: string): never {
  throw new VerificationError({
    code,
    message: `SNP report: ${message}`,
    subject: 'SNP report',
    expected,
    found,
  })
}
