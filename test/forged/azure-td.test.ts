import {
  buildHclReport,
  checkAzure,
  checkTdReport,
  digest,
  hclReportData,
  utf8,
  type TrustAnchors,
} from '@strongroom/evidence'
import type { EvidencePolicy } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { measuredLog, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueReport, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import {
  issueCollateral,
  issueQuote,
  openIntelHierarchy,
  type IntelHierarchy,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { openMakers } from './support/makers.ts'
import { claimsOf, quoteBy } from './support/paravisor.ts'
import { faultsOf, judgeFiles, treeOf, type Files } from './support/judged.ts'

/** A confidential VM in Azure's form on TDX: a TDREPORT has no signature, so a quote must vouch for it. */
const tpm = new SoftwareTpm()
const stranger = new SoftwareTpm()
const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
let amd: Hierarchy
let intel: IntelHierarchy
let otherIntel: IntelHierarchy
let anchors: TrustAnchors
let chain: string
beforeAll(async () => {
  ;({ amd, intel, anchors, chain } = await openMakers())
  otherIntel = await openIntelHierarchy()
})
const judged = async (files: Files, policy?: EvidencePolicy): ReturnType<typeof judgeFiles> =>
  await judgeFiles(files, { anchors, at: now, policy })
const verdict = async (files: Files, policy?: EvidencePolicy): Promise<string[]> => {
  const found = await judged(files, policy)
  return [found.verdict, ...faultsOf(found)]
}

describe('evidence of a paravisor on TDX', () => {
  const td = async (
    data: Uint8Array,
    change: (body: Uint8Array) => void = () => {},
  ): Promise<{ quote: Uint8Array; report: Uint8Array }> => {
    const quote = await issueQuote(intel, {
      td: (bytes) => {
        bytes.set(data, 568)
        change(bytes)
      },
    })
    const body = quote.subarray(48, 48 + 584)
    const report = new Uint8Array(1024)
    report[0] = 0x81
    report.set(data, 128)
    report.set(body.subarray(0, 120), 264)
    report.set(body.subarray(120, 520), 512)
    report.set(await digest('SHA-384', report.subarray(256, 495)), 32)
    report.set(await digest('SHA-384', report.subarray(512)), 80)
    return { quote, report }
  }
  const hcl = (hardwareReport: Uint8Array, claims = claimsOf(tpm)): Uint8Array =>
    buildHclReport({ hardwareReport, reportType: 'TDX', claims })
  const collateral = async (): Promise<Files> => {
    const given = await issueCollateral(intel)
    return {
      'tcb.json': given.tcbInfo,
      'qe.json': given.qeIdentity,
      'signer.pem': given.tcbInfoIssuerChainPem,
      'pck.crl': given.pckCrl,
      'root.crl': given.rootCaCrl,
    }
  }
  const policy: EvidencePolicy = { tdx: { septVeDisableRequired: false } }

  it('is judged as one bundle with the quote that is over its report', async () => {
    const { quote, report } = await td(await hclReportData(claimsOf(tpm)))
    const all = { ...(await collateral()), 'hcl.bin': hcl(report), 'quote.bin': quote, 'tpm.json': quoteBy(tpm, pcrs) }
    const found = await judged(all, policy)
    expect([found.verdict, treeOf(found)]).toEqual(['accepted', [['azure passed']]])
    expect(found.check.children[0]!.children.map(({ id }) => id)).toEqual(['tdx', 'tdReport', 'hcl', 'tpm'])
    expect(found.check.children[0]!.children[1]!.children.map(({ id, actual }) => [id, actual])).toEqual([
      ['tdReport.format', 'TDX 1.0'],
      ['tdReport.hashes', undefined],
      ['tdReport.quoted', undefined],
    ])
    // Without a quote the report's origin is unknown.
    expect(await verdict({ ...all, 'quote.bin': undefined }, policy)).toEqual(
      expect.arrayContaining(['unjudged', 'tdReport.quoted skipped']),
    )
    const other = await td(await hclReportData(claimsOf(tpm)), (bytes) => bytes.fill(7, 48 + 136, 48 + 184))
    expect(await verdict({ ...all, 'quote.bin': other.quote }, policy)).toEqual([
      'refused',
      'tdReport.quoted BindingMismatch',
    ])
    // Of two quotes, the one over the report belongs to it, whichever comes first.
    for (const two of [
      { 'a.bin': other.quote, ...all },
      { ...all, 'z.bin': other.quote },
    ] as Files[])
      expect(treeOf(await judged(two, policy))).toEqual([['azure passed'], ['tdx passed']])
    // Claims beside it are its own: the quote over the report itself vouches for it.
    const beside = await judged({ ...all, 'claims.json': claimsOf(tpm) }, policy)
    expect(treeOf(beside)).toEqual([['azure passed'], ['claims passed']])
    expect(beside.check.children[0]!.children.map(({ id }) => id)).toEqual(['tdx', 'tdReport', 'hcl', 'tpm'])
    const broken = Uint8Array.from(report)
    broken[700]! ^= 1
    expect(await verdict({ ...all, 'hcl.bin': hcl(broken) }, policy)).toEqual([
      'refused',
      'tdReport.hashes BindingMismatch',
      'tdReport.quoted BindingMismatch',
    ])
    const typed = Uint8Array.from(report)
    typed[0] = 0x80
    for (const more of [{}, { 'claims.json': claimsOf(tpm) }] as Files[])
      expect((await verdict({ ...all, 'hcl.bin': hcl(typed), ...more }, policy)).slice(0, 2)).toEqual([
        'refused',
        'tdReport.format UnknownType',
      ])
  })

  it('hands out the quote that held, and takes no quote of another TD for a sibling', async () => {
    const own = claimsOf(tpm)
    const { quote, report } = await td(await hclReportData(own))
    const good = { hclReport: hcl(report), tdQuote: quote, collateral: await issueCollateral(intel), anchors, at: now }
    expect((await checkAzure(good)).value).toMatchObject({ tdx: { tcbStatus: 'UpToDate' }, quotes: [] })
    expect((await checkAzure({ ...good, tdQuote: undefined })).value).toBeUndefined()
    const { attestationKey } = (await checkAzure(good)).value!
    const other = await td(await hclReportData(own), (bytes) => bytes.fill(7, 48 + 136, 48 + 184))
    const sibling = { quote, claims: own, attestationKey }
    expect((await checkTdReport({ report, sibling })).value).toBeDefined()
    const { check, value } = await checkTdReport({ report, sibling: { ...sibling, quote: other.quote } })
    expect([check.outcome, value]).toEqual(['failed', undefined])
    const mrTd = { expected: `MRTD ${'07'.repeat(48)}`, actual: `MRTD ${'00'.repeat(48)}` }
    expect(check.children.at(-1)).toMatchObject({ code: 'BindingMismatch', ...mrTd })
  })

  it('may be vouched for by a quote of the same TD over other claims that name its key', async () => {
    const own = claimsOf(tpm)
    const beside = claimsOf(tpm, { 'user-data': 'CD'.repeat(64) })
    const { quote } = await td(await hclReportData(beside))
    const { report } = await td(await hclReportData(own))
    const all = { ...(await collateral()), 'hcl.bin': hcl(report, own), 'quote.bin': quote, 'claims.json': beside }
    const found = await judged(all, policy)
    expect([found.verdict, treeOf(found)]).toEqual(['accepted', [['azure passed'], ['tdx passed'], ['claims passed']]])
    expect(found.check.children[0]!.children.map(({ id, children }) => [id, children.at(-1)?.id])).toEqual([
      ['tdReport', 'tdReport.sibling'],
      ['hcl', 'hcl.key'],
    ])
    // Its TPM shows how it booted: the quote that vouches for it needs no separate log.
    const measured = measuredLog([[4, 4, new Uint8Array(4)]])
    const booted = { ...all, 'tpm.json': quoteBy(tpm, measured.pcrs), 'tpm.log': measured.log }
    expect(await verdict(booted, { ...policy, boot: { applications: [] } })).toEqual(['accepted'])
    // Both must have the required values: the report names the key, and the quoted claims are what hardware signed.
    const userData = new Uint8Array(64).fill(0xcd)
    const same = hcl(
      (await td(await hclReportData(claimsOf(tpm, { 'user-data': 'CD'.repeat(64), x: 1 })))).report,
      claimsOf(tpm, { 'user-data': 'CD'.repeat(64), x: 1 }),
    )
    expect(await verdict({ ...all, 'hcl.bin': same }, { ...policy, hcl: { userData } })).toEqual(['accepted'])
    expect(await verdict(all, { ...policy, hcl: { userData: new Uint8Array(64).fill(0xab) } })).toEqual([
      'refused',
      'claims.policy failed',
      'policy.userData NotEqual',
    ])
    const foreign = claimsOf(stranger)
    const theirs = await td(await hclReportData(foreign))
    expect((await verdict({ ...all, 'quote.bin': theirs.quote, 'claims.json': foreign }, policy)).slice(0, 2)).toEqual([
      'refused',
      'tdReport.sibling BindingMismatch',
    ])
    const unbound = await verdict({ ...all, 'claims.json': claimsOf(tpm, { 'user-data': 'EF'.repeat(64) }) }, policy)
    expect(unbound).toEqual(['refused', 'tdReport.sibling BindingMismatch', 'claims.binding BindingMismatch'])
    const another = await td(await hclReportData(beside), (bytes) => bytes.fill(7, 48 + 136, 48 + 184))
    expect((await verdict({ ...all, 'quote.bin': another.quote }, policy)).slice(0, 2)).toEqual([
      'refused',
      'tdReport.quoted BindingMismatch',
    ])
  })

  it('is vouched for by no such quote without its claims, its key or its own report', async () => {
    const beside = claimsOf(tpm, { 'user-data': 'CD'.repeat(64) })
    const { quote } = await td(await hclReportData(beside))
    const of = async (claims: Uint8Array, more: Files): Promise<string[]> => {
      const { report } = await td(await hclReportData(claims))
      const all = { ...(await collateral()), 'hcl.bin': hcl(report, claims), 'quote.bin': quote }
      return await verdict({ ...more, ...all }, policy)
    }
    expect(await of(claimsOf(tpm), {})).toEqual(['refused', 'tdReport.quoted BindingMismatch'])
    expect(await of(utf8('{"keys":[]}'), { 'claims.json': beside })).toEqual([
      'refused',
      'tdReport.quoted BindingMismatch',
      'hcl.key Missing',
    ])
    // An unreadable quote hides none of the others from it.
    const junk = { 'a.bin': quote.subarray(0, 600), 'claims.json': beside }
    const found = await of(claimsOf(tpm), junk)
    expect(found.filter((each) => !each.endsWith(' skipped'))).toEqual(['refused', 'tdx.format Truncated'])
  })

  it('is not made of an SNP VM’s report and a quote of a TD: each is judged for itself', async () => {
    const claims = claimsOf(tpm)
    const data = await hclReportData(claims)
    const hardwareReport = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
    const snp = { 'hcl.bin': buildHclReport({ hardwareReport, reportType: 'SNP', claims }), 'chain.pem': chain }
    const own = { ...snp, ...(await collateral()), 'quote.bin': await issueQuote(intel) }
    expect(treeOf(await judged(own, policy))).toEqual([['azure passed'], ['tdx passed']])
    expect(await verdict({ ...own, 'quote.bin': await issueQuote(otherIntel) }, policy)).toContain('refused')
    // One TPM's log does not show how the other machine booted.
    const measured = measuredLog([[4, 4, new Uint8Array(4)]])
    const booted = { ...own, 'tpm.json': quoteBy(tpm, measured.pcrs), 'tpm.log': measured.log }
    expect(await verdict(booted, { ...policy, boot: { applications: [] } })).toEqual([
      'unjudged',
      'policy.used skipped',
    ])
    const cut = await judged({ ...own, 'hcl.bin': snp['hcl.bin'].subarray(0, 200) }, policy)
    expect(treeOf(cut).map(([group]) => group)).toEqual(['azure failed', 'tdx passed', 'file.used skipped'])
  })
})
