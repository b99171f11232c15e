import { requireSameTd } from '../azure/bundle.ts'
import { hclReportData, parseHclReport } from '../azure/hcl-report.ts'
import {
  attestationKeyOf,
  describeKey,
  parseRuntimeClaims,
  type RuntimeClaims,
  sameKey,
} from '../azure/runtime-claims.ts'
import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { SnpPolicy } from '../snp/appraise.ts'
import type { SnpChain, VerifiedSnp } from '../snp/verify.ts'
import type { TdxPolicy } from '../tdx/appraise.ts'
import type { CollateralFiles } from './check-tdx-platform.ts'
import type { TdxCollateral } from '../tdx/collateral.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { parseTdReport, sameTd, type TdReport, verifyTdReportHashes } from '../tdx/td-report.ts'
import type { VerifiedTdx } from '../tdx/verify.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import type { VerifiedQuote } from '../tpm/quote.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { allOf, appraised, type Check, type Checked, skipped } from './check.ts'
import { appraiseClaims, checkHcl, describeClaims, type HclFinding, type HclPolicy } from './check-hcl.ts'
import { checkSnp } from './check-snp.ts'
import { checkTdx } from './check-tdx.ts'
import { checkTpmQuote, type TpmEvidence } from './check-tpm.ts'
import { Checklist } from './checklist.ts'
import { VerificationError } from '../core/errors.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'

/**
 * The available evidence of an Azure confidential VM. Checks of absent parts are skipped, and there is no verdict if
 * they are needed.
 */
export interface AzureParts extends VerifyContext {
  hclReport: Uint8Array
  /** For SNP. */
  chain?: SnpChain | undefined
  /** Why there is no chain, and where to get it. */
  withoutChain?: string | undefined
  crl?: Uint8Array | undefined
  /** For TDX. */
  tdQuote?: Uint8Array | undefined
  /** For a TD quote that only names its certificate, leaf first, DER. */
  pckChain?: readonly Uint8Array[] | undefined
  collateral?: Partial<TdxCollateral> | undefined
  files?: CollateralFiles | undefined
  /** A quote of the same TD over other claims, if this report’s own was never quoted (see checkTdReport). */
  tdSibling?: TdSibling | undefined
  /** TPM2B_PUBLIC. */
  akPublic?: Uint8Array | undefined
  quotes?: readonly Omit<TpmEvidence, 'akPublic' | 'keyBoundBy'>[] | undefined
  anchors: TrustAnchors
  at: Date
  snpPolicy?: SnpPolicy | undefined
  tdxPolicy?: TdxPolicy | undefined
  hclPolicy?: HclPolicy | undefined
}

/** What was verified: the hardware, the claims it binds, and every quote of the TPM. */
export interface AzureFinding extends HclFinding {
  snp?: VerifiedSnp | undefined
  tdx?: VerifiedTdx | undefined
  quotes: readonly VerifiedQuote[]
}

/**
 * Verifies Azure's evidence as one bundle: hardware report, claims, attestation key, registers, event log.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkAzure, genuineAmdAnchors, parsePem } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const { check } = await checkAzure({
 *   hclReport: await readFile('azure/hcl-report.bin'),
 *   chain: { vcek: await readFile('azure/vcek.der'), ask, ark },
 *   anchors: { simulated: false, amd: [...genuineAmdAnchors], intel: [] },
 *   at: new Date('2025-06-01'),
 * })
 * check.outcome // => 'passed'
 * check.children.map(({ id, outcome }) => `${id}: ${outcome}`) // => ['snp: passed', 'hcl: passed']
 */
export async function checkAzure(o: AzureParts): Promise<Checked<AzureFinding>> {
  const hcl = await checkHcl({
    report: o.hclReport,
    akPublic: o.akPublic,
    policy: o.hclPolicy,
  })
  const hardware = await checkHardware(o)
  const quotes = o.quotes ?? []
  const key = hcl.value?.attestationKey
  const tpm = await Promise.all(quotes.map((quote) => checkTpmQuote({ ...quote, keyBoundBy: 'claims', akPublic: key })))
  const check = allOf('azure', [...hardware.checks, hcl.check, ...tpm.map((each) => each.check)])
  if (check.outcome !== 'passed' || hcl.value === undefined) return { check, value: undefined }
  const verified = tpm.map((each) => each.value).filter((value) => value !== undefined)
  return {
    check,
    value: {
      ...hcl.value,
      snp: hardware.snp,
      tdx: hardware.tdx,
      quotes: verified,
    },
  }
}

async function checkHardware(
  o: AzureParts,
): Promise<{ checks: Check[]; snp?: VerifiedSnp | undefined; tdx?: VerifiedTdx | undefined }> {
  const { anchors, at, primitives, cache } = o
  let type: 'SNP' | 'TDX'
  let report: Uint8Array
  try {
    ;({ reportType: type, hardwareReport: report } = parseHclReport(o.hclReport))
  } catch {
    // checkHcl reports why.
    return { checks: [] }
  }
  if (type === 'SNP') {
    const { check, value } = await checkSnp({
      report,
      anchors,
      at,
      primitives,
      cache,
      chain: o.chain,
      withoutChain: o.withoutChain,
      crl: o.crl,
      policy: o.snpPolicy,
    })
    return { checks: [check], snp: value }
  }
  const tdReport = await checkTdReport({
    report,
    quote: o.tdQuote,
    sibling: o.tdSibling,
  })
  if (o.tdQuote === undefined) return { checks: [tdReport.check] }
  const { check, value } = await checkTdx({
    quote: o.tdQuote,
    pckChain: o.pckChain,
    anchors,
    at,
    primitives,
    cache,
    collateral: o.collateral,
    files: o.files,
    policy: o.tdxPolicy,
  })
  return { checks: [check, tdReport.check], tdx: value }
}

/** A quote over runtime claims, and the key that the TDREPORT’s own claims name. */
export interface TdSibling {
  quote: Uint8Array
  /** What the quote’s report data binds. */
  claims: Uint8Array
  attestationKey: TpmPublicKey
}

/**
 * Checks a TDREPORT: its parts, and that a quote vouches for the same TD. checkTdx verifies the quote.
 * @param o.sibling used if no quote covers the report itself: a TDREPORT has no signature, so only the quoted claims
 * are trusted, and the report must not contradict them
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkTdReport } from '@strongroom/evidence'
 *
 * const { check } = await checkTdReport({ report: await readFile('td-report.bin') })
 * // Its parts hold; no quote vouches for it.
 * const parts = check.children.map(({ id, outcome }) => `${id}: ${outcome}`)
 * parts // => ['tdReport.format: passed', 'tdReport.hashes: passed', 'tdReport.quoted: skipped']
 */
export async function checkTdReport(o: {
  report: Uint8Array
  quote?: Uint8Array | undefined
  sibling?: TdSibling | undefined
}): Promise<Checked<TdReport>> {
  const list = new Checklist()
  const report = await list.run(
    'tdReport.format',
    [],
    () => parseTdReport(o.report),
    (r) => `TDX ${r.tdxVersion}`,
  )
  await list.run('tdReport.hashes', [report], verifyTdReportHashes)
  if (o.quote !== undefined) {
    await list.run('tdReport.quoted', [report, o.quote], (parsed: TdReport, quote: Uint8Array) =>
      requireSameTd(parseTdxQuote(quote), parsed),
    )
  } else if (o.sibling === undefined) {
    list.add(skipped('tdReport.quoted', 'No quote was given; its MAC can be judged on its own processor only'))
  } else {
    await list.run('tdReport.sibling', [report, o.sibling], requireSibling)
  }
  return { check: list.all('tdReport'), value: list.whole ? report : undefined }
}

async function requireSibling(report: TdReport, { quote, claims, attestationKey }: TdSibling): Promise<void> {
  const { body } = parseTdxQuote(quote)
  if (!sameTd({ ...report.body, reportData: body.reportData }, body)) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'Quote and TDREPORT are of two TDs',
      subject: 'TDREPORT',
      expected: `MRTD ${toHex(body.mrTd)}`,
      found: `MRTD ${toHex(report.body.mrTd)}`,
    })
  }
  await requireBoundClaims(claims, [body.reportData])
  const quoted = attestationKeyOf(parseRuntimeClaims(claims))
  if (!sameKey(quoted, attestationKey)) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The quoted claims name another attestation key',
      subject: 'TDREPORT',
      expected: describeKey(quoted),
      found: describeKey(attestationKey),
    })
  }
}

/**
 * Checks runtime claims without the report that contains them.
 * @param o.reportData of the available hardware reports; if empty, the owner of the claims is unknown
 * @param o.attestationKeys named by the available paravisor reports
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkRuntimeClaims, missingChecks, parseHclReport, parseSnpReport } from '@strongroom/evidence'
 *
 * const { claims, hardwareReport } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const { reportData } = parseSnpReport(hardwareReport)
 * const { check } = await checkRuntimeClaims({ claims, reportData: [reportData] })
 * check.outcome // => 'passed'
 * const alone = await checkRuntimeClaims({ claims, reportData: [] })
 * missingChecks(alone.check).map(({ id }) => id) // => ['claims.binding']
 */
export async function checkRuntimeClaims(o: {
  claims: Uint8Array
  reportData: readonly Uint8Array[]
  attestationKeys?: readonly TpmPublicKey[] | undefined
  policy?: HclPolicy | undefined
}): Promise<Checked<RuntimeClaims>> {
  const list = new Checklist()
  const claims = await list.run('claims.format', [], () => parseRuntimeClaims(o.claims), describeClaims)
  if (o.reportData.length === 0) list.skip('claims.binding', 'No hardware report was given')
  else
    await list.run('claims.binding', [claims], (parsed: RuntimeClaims) => requireBoundClaims(parsed.raw, o.reportData))
  const { attestationKeys = [] } = o
  if (attestationKeys.length > 0) {
    await list.run('claims.key', [claims], (parsed: RuntimeClaims) => requireOneKey(parsed, attestationKeys))
  }
  if (o.policy !== undefined) {
    if (claims === undefined) list.skip('claims.policy', 'The claims cannot be read')
    else list.add(appraised('claims.policy', appraiseClaims(claims, o.policy)))
  }
  return { check: list.all('claims'), value: list.whole ? claims : undefined }
}

function requireOneKey(claims: RuntimeClaims, keys: readonly TpmPublicKey[]): void {
  const own = attestationKeyOf(claims)
  if (keys.some((key) => sameKey(key, own))) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The paravisor’s report names another attestation key',
    subject: 'runtime claims',
    expected: describeKey(own),
    found: keys.map(describeKey).join(', '),
  })
}

async function requireBoundClaims(claims: Uint8Array, reportData: readonly Uint8Array[]): Promise<void> {
  const expected = await hclReportData(claims)
  if (reportData.some((data) => equal(data, expected))) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'No hardware report binds these claims',
    subject: 'runtime claims',
    expected: toHex(expected),
    found: reportData.map(toHex).join(', '),
  })
}
