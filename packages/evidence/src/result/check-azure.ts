import { requireSameTd } from '../azure/bundle.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import type { SnpPolicy } from '../snp/appraise.ts'
import type { SnpChain, VerifiedSnp } from '../snp/verify.ts'
import type { TdxPolicy } from '../tdx/appraise.ts'
import type { TdxCollateral } from '../tdx/collateral.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { parseTdReport, type TdReport, verifyTdReportHashes } from '../tdx/td-report.ts'
import type { VerifiedTdx } from '../tdx/verify.ts'
import type { VerifiedQuote } from '../tpm/quote.ts'
import type { Means } from '../x509/means.ts'
import { allOf, type Check, type Checked, skipped } from './check.ts'
import { checkHcl, type HclFinding, type HclPolicy } from './check-hcl.ts'
import { checkSnp } from './check-snp.ts'
import { checkTdx } from './check-tdx.ts'
import { checkTpmQuote, type TpmEvidence } from './check-tpm.ts'
import { Checklist } from './checklist.ts'
import type { TrustAnchors } from './trust-anchors.ts'

/** What is at hand of a confidential VM of Azure. What is absent is skipped, and there is no verdict where it is needed. */
export interface AzureParts extends Means {
  hclReport: Uint8Array
  /** For SNP. */
  chain?: SnpChain
  crl?: Uint8Array
  /** For TDX. */
  tdQuote?: Uint8Array
  collateral?: Partial<TdxCollateral>
  /** TPM2B_PUBLIC. */
  akPublic?: Uint8Array
  quotes?: readonly Omit<TpmEvidence, 'akPublic' | 'keyBoundBy'>[]
  anchors: TrustAnchors
  at: Date
  snpPolicy?: SnpPolicy
  tdxPolicy?: TdxPolicy
  hclPolicy?: HclPolicy
}

/** What held: the hardware, the claims that it binds, and every quote of the TPM. */
export interface AzureFinding extends HclFinding {
  snp?: VerifiedSnp
  tdx?: VerifiedTdx
  quotes: readonly VerifiedQuote[]
}

/** Judges Azure's evidence as one bundle: hardware report, claims, attestation key, registers, event log. */
export async function checkAzure(o: AzureParts): Promise<Checked<AzureFinding>> {
  const hcl = await checkHcl({
    report: o.hclReport,
    ...(o.akPublic === undefined ? {} : { akPublic: o.akPublic }),
    ...(o.hclPolicy === undefined ? {} : { policy: o.hclPolicy }),
  })
  const hardware = await checkHardware(o)
  const quotes = o.quotes ?? []
  const key = hcl.value?.attestationKey
  const tpm = await Promise.all(
    quotes.map((quote) =>
      checkTpmQuote({ ...quote, keyBoundBy: 'claims', ...(key === undefined ? {} : { akPublic: key }) }),
    ),
  )
  const check = allOf('azure', [...hardware.checks, hcl.check, ...tpm.map((each) => each.check)])
  if (check.outcome !== 'passed' || hcl.value === undefined) return { check, value: undefined }
  const verified = tpm.map((each) => each.value).filter((value) => value !== undefined)
  return {
    check,
    value: {
      ...hcl.value,
      ...(hardware.snp === undefined ? {} : { snp: hardware.snp }),
      ...(hardware.tdx === undefined ? {} : { tdx: hardware.tdx }),
      quotes: verified,
    },
  }
}

async function checkHardware(o: AzureParts): Promise<{ checks: Check[]; snp?: VerifiedSnp; tdx?: VerifiedTdx }> {
  const { anchors, at, primitives, cache } = o
  let type: 'SNP' | 'TDX'
  let report: Uint8Array
  try {
    ;({ reportType: type, hardwareReport: report } = parseHclReport(o.hclReport))
  } catch {
    // checkHcl says why.
    return { checks: [] }
  }
  if (type === 'SNP') {
    const { check, value } = await checkSnp({
      report,
      anchors,
      at,
      primitives,
      cache,
      ...(o.chain === undefined ? {} : { chain: o.chain }),
      ...(o.crl === undefined ? {} : { crl: o.crl }),
      ...(o.snpPolicy === undefined ? {} : { policy: o.snpPolicy }),
    })
    return { checks: [check], ...(value === undefined ? {} : { snp: value }) }
  }
  const tdReport = await checkTdReport({ report, ...(o.tdQuote === undefined ? {} : { quote: o.tdQuote }) })
  if (o.tdQuote === undefined) return { checks: [tdReport.check] }
  const { check, value } = await checkTdx({
    quote: o.tdQuote,
    anchors,
    at,
    primitives,
    cache,
    ...(o.collateral === undefined ? {} : { collateral: o.collateral }),
    ...(o.tdxPolicy === undefined ? {} : { policy: o.tdxPolicy }),
  })
  return { checks: [check, tdReport.check], ...(value === undefined ? {} : { tdx: value }) }
}

/** Judges a TDREPORT: its parts, and that a quote vouches for the same. Whether the quote is genuine is for checkTdx to say. */
export async function checkTdReport(o: { report: Uint8Array; quote?: Uint8Array }): Promise<Checked<TdReport>> {
  const list = new Checklist()
  const report = await list.run(
    'tdReport.format',
    [],
    () => parseTdReport(o.report),
    (r) => `TDX ${r.tdxVersion}`,
  )
  await list.run('tdReport.hashes', [report], verifyTdReportHashes)
  if (o.quote === undefined) {
    list.add(skipped('tdReport.quoted', 'No quote was given; its MAC can be judged on its own processor only'))
  } else {
    await list.run('tdReport.quoted', [report, o.quote], (parsed: TdReport, quote: Uint8Array) =>
      requireSameTd(parseTdxQuote(quote), parsed),
    )
  }
  return { check: list.all('tdReport'), value: list.whole ? report : undefined }
}
