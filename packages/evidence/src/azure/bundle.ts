import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { HashName } from '../eventlog/algorithms.ts'
import { parseEventLog } from '../eventlog/event-log.ts'
import { type VerifiedEventLog, verifyEventLog } from '../eventlog/replay.ts'
import { systemdPhases } from '../eventlog/boot-phases.ts'
import { VerificationError } from '../core/errors.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'
import { parseSnpReport } from '../snp/report.ts'
import { type SnpChain, type VerifiedSnp, verifySnp } from '../snp/verify.ts'
import type { TdxCollateral } from '../tdx/collateral.ts'
import { parseTdxQuote, type TdxQuote } from '../tdx/quote.ts'
import { parseTdReport, sameTd, type TdReport, verifyTdReportHashes } from '../tdx/td-report.ts'
import { type VerifiedTdx, verifyTdx } from '../tdx/verify.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import { type VerifiedQuote, verifyQuote } from '../tpm/quote.ts'
import type { TpmSignature } from '../tpm/signature.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { type HclReport, parseHclReport, verifyHclBinding } from './hcl-report.ts'
import { attestationKeyOf, parseRuntimeClaims, requireSameKey, type RuntimeClaims } from './runtime-claims.ts'

/** What vouches for the hardware report inside an HCL report. */
export type AzureHardware =
  | { kind: 'SNP'; chain: SnpChain; crl?: Uint8Array }
  | { kind: 'TDX'; quote: Uint8Array; collateral: TdxCollateral }

/** A quote of the VM's TPM, with everything claimed about the registers. */
export interface AzureTpmQuote {
  /** TPMS_ATTEST. */
  message: Uint8Array
  signature: Uint8Array | TpmSignature
  pcrs: ReadonlyMap<number, Uint8Array>
  /** `sha256` unless given. */
  bank?: HashName
  nonce: Uint8Array
  /** `binary_bios_measurements`. */
  eventLog?: Uint8Array
}

/** The complete evidence of an Azure confidential VM. */
export interface AzureEvidence extends VerifyContext {
  /** Content of NV index 0x01400001. */
  hclReport: Uint8Array
  hardware: AzureHardware
  /** TPM2B_PUBLIC of the attestation key. If absent, the claims alone establish that the key is one. */
  akPublic?: Uint8Array
  tpmQuote?: AzureTpmQuote
  anchors: TrustAnchors
  at: Date
}

/** One chain: silicon root → hardware report → claims → attestation key → registers → event log. */
export interface VerifiedAzure {
  hcl: HclReport
  claims: RuntimeClaims
  hardware: { kind: 'SNP'; snp: VerifiedSnp } | { kind: 'TDX'; tdx: VerifiedTdx; tdReport: TdReport }
  attestationKey: TpmPublicKey
  tpm?: { quote: VerifiedQuote; log?: VerifiedEventLog }
}

/**
 * Verifies an Azure confidential VM's evidence as one bundle: each part is bound to the previous one.
 * @throws VerificationError BindingMismatch if two parts belong to different machines, and the errors of the parts;
 * ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromHex, genuineAmdAnchors, parsePem, utf8, verifyAzureEvidence } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const pcrs: string[] = JSON.parse(await readFile('azure/pcrs.json', 'utf8'))
 * const verified = await verifyAzureEvidence({
 *   hclReport: await readFile('azure/hcl-report.bin'),
 *   hardware: { kind: 'SNP', chain: { vcek: await readFile('azure/vcek.der'), ask, ark } },
 *   tpmQuote: {
 *     message: await readFile('azure/quote.msg'),
 *     signature: { scheme: 'rsassa', hash: 'sha256', signature: await readFile('azure/quote.sig') },
 *     pcrs: new Map(pcrs.map((value, index) => [index, fromHex(value)])),
 *     nonce: utf8('challenge'),
 *   },
 *   anchors: { simulated: false, amd: [...genuineAmdAnchors], intel: [] },
 *   at: new Date('2025-06-01'),
 * })
 * verified.claims.configuration['secure-boot'] // => true
 * verified.tpm?.quote.pcrs.size // => 24
 */
export async function verifyAzureEvidence(o: AzureEvidence): Promise<VerifiedAzure> {
  const hcl = parseHclReport(o.hclReport)
  const hardware = await verifyHardware(hcl, o)
  await verifyHclBinding(hcl)
  const claims = parseRuntimeClaims(hcl.claims)
  const attestationKey = attestationKeyOf(claims)
  if (o.akPublic !== undefined) requireSameKey(o.akPublic, attestationKey)
  const base = { hcl, claims, hardware, attestationKey }
  if (o.tpmQuote === undefined) return base
  const { eventLog, ...signed } = o.tpmQuote
  const quote = await verifyQuote({ ...signed, akPublic: attestationKey })
  if (eventLog === undefined) return { ...base, tpm: { quote } }
  const log = await verifyEventLog({
    log: parseEventLog(eventLog),
    bank: quote.bank,
    registers: quote.pcrs,
    later: systemdPhases,
  })
  return { ...base, tpm: { quote, log } }
}

async function verifyHardware(hcl: HclReport, o: AzureEvidence): Promise<VerifiedAzure['hardware']> {
  const { hardware, anchors, at, primitives, cache } = o
  if (hardware.kind !== hcl.reportType) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The HCL report is of other hardware than what vouches for it',
      expected: hcl.reportType,
      found: hardware.kind,
    })
  }
  if (hardware.kind === 'SNP') {
    const report = parseSnpReport(hcl.hardwareReport)
    const crl = hardware.crl === undefined ? {} : { crl: hardware.crl }
    return {
      kind: 'SNP',
      snp: await verifySnp({ report, chain: hardware.chain, anchors, at, primitives, cache, ...crl }),
    }
  }
  const tdReport = parseTdReport(hcl.hardwareReport)
  const quote = parseTdxQuote(hardware.quote)
  const tdx = await verifyTdx({ quote, collateral: hardware.collateral, anchors, at, primitives, cache })
  await requireSameTd(quote, tdReport)
  return { kind: 'TDX', tdx, tdReport }
}

/**
 * A TDREPORT has no signature: it is only as trustworthy as a quote of the same TD with the same report data. @throws
 * VerificationError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdReport, parseTdxQuote, requireSameTd } from '@strongroom/evidence'
 *
 * const quote = parseTdxQuote(await readFile('quote.bin'))
 * const report = parseTdReport(await readFile('td-report.bin')) // of another TD
 * requireSameTd(quote, report) // throws VerificationError BindingMismatch
 */
export async function requireSameTd(quote: TdxQuote, report: TdReport): Promise<void> {
  await verifyTdReportHashes(report)
  if (sameTd(quote.body, report.body) && equal(quote.body.reportData, report.body.reportData)) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'Quote and TDREPORT are of two TDs, or bind other claims',
    subject: 'TDREPORT',
    expected: `MRTD ${toHex(quote.body.mrTd)}, report data ${toHex(quote.body.reportData)}`,
    found: `MRTD ${toHex(report.body.mrTd)}, report data ${toHex(report.body.reportData)}`,
  })
}
