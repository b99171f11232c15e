import type { BootFacts, SnpEvidence, TdxEvidence } from '@strongroom/contract'
import {
  parsePem,
  parseSnpReport,
  parseTdReport,
  parseTdxQuote,
  sameTd,
  tdAttributes,
  verifySnp,
  verifyTdReportHashes,
  verifyTdx,
  type TrustAnchors,
  fromBase64Url,
  toHex,
} from '@strongroom/evidence'
import { openAdvisories, snpPlatform } from '@strongroom/evidence/advisories'
import { demand, LinkRefused, short } from './link.ts'

/** What the silicon signed; signature and chain are verified. */
export interface SiliconFinding {
  measurement: Uint8Array
  reportData: Uint8Array
  /**
   * Verifies another report of the same boot, the one in the vTPM, and returns its measurement. Only its own machine
   * can verify a TDREPORT, so its hashes and the TD's identity are compared.
   */
  verifySibling(raw: Uint8Array): Promise<Uint8Array>
  shows: string[]
}

export async function verifySilicon(
  evidence: Pick<BootFacts, 'tee' | 'silicon'>,
  anchors: TrustAnchors,
  at: Date,
): Promise<SiliconFinding> {
  const { silicon } = evidence
  demand({
    holds: silicon.kind === evidence.tee,
    message: 'The evidence comes from another kind of silicon.',
    expected: evidence.tee,
    actual: silicon.kind,
  })
  return silicon.kind === 'SNP'
    ? await verifySnpEvidence(silicon, anchors, at)
    : await verifyTdxEvidence(silicon, anchors, at)
}

async function verifySnpEvidence(silicon: SnpEvidence, anchors: TrustAnchors, at: Date): Promise<SiliconFinding> {
  const report = parseSnpReport(fromBase64Url(silicon.report))
  const [vcek, ask, ark] = parsePem(silicon.vcekChainPem)
  if (vcek === undefined || ask === undefined || ark === undefined) {
    throw new LinkRefused({
      message: 'The certificate chain is incomplete.',
      expected: 'VCEK, ASK, ARK',
      actual: `${[vcek, ask, ark].filter((each) => each !== undefined).length} certificates`,
    })
  }
  const under = { chain: { vcek, ask, ark }, anchors, crl: fromBase64Url(silicon.crl), at }
  const { product } = await verifySnp({ report, ...under })
  demand({
    holds: !report.policy.debugAllowed,
    message: 'The guest policy allows debugging: the host could read its memory.',
    expected: 'debug off',
    actual: 'debug on',
  })
  demand({
    holds: report.vmpl === 0,
    message: 'The report was not requested by the paravisor.',
    expected: 'VMPL 0',
    actual: `VMPL ${report.vmpl}`,
  })
  const lacking = openAdvisories(snpPlatform(report, product))
  demand({
    holds: lacking.length === 0,
    message: 'The platform is not up to date.',
    expected: 'the fixes of every AMD advisory that a report can show',
    actual: lacking.map(({ id, lacks }) => `${id}: ${lacks.join(', ')}`).join('; '),
  })
  return {
    measurement: report.measurement,
    reportData: report.reportData,
    verifySibling: async (sibling) => {
      const other = parseSnpReport(sibling)
      await verifySnp({ report: other, ...under })
      demand({
        holds: toHex(other.reportId) === toHex(report.reportId),
        message: "The vTPM's report belongs to another guest.",
        expected: toHex(report.reportId),
        actual: toHex(other.reportId),
      })
      return other.measurement
    },
    shows: [
      `AMD SEV-SNP report v${report.version}, chip ${short(toHex(report.chipId))}, signature and chain to a pinned ARK verified, CRL checked`,
    ],
  }
}

async function verifyTdxEvidence(silicon: TdxEvidence, anchors: TrustAnchors, at: Date): Promise<SiliconFinding> {
  const quote = parseTdxQuote(fromBase64Url(silicon.quote))
  const report = parseTdReport(fromBase64Url(silicon.tdReport))
  const body = silicon.collateral
  const verified = await verifyTdx({
    quote,
    anchors,
    at,
    collateral: {
      tcbInfo: body.tcbInfo,
      tcbInfoIssuerChainPem: body.tcbInfoIssuerChainPem,
      qeIdentity: body.qeIdentity,
      qeIdentityIssuerChainPem: body.qeIdentityIssuerChainPem,
      pckCrl: fromBase64Url(body.pckCrl),
      pckCrlIssuerChainPem: body.pckCrlIssuerChainPem,
      rootCaCrl: fromBase64Url(body.rootCaCrl),
    },
  })
  await verifyTdReportHashes(report)
  if (!sameTd(quote.body, report.body))
    throw new LinkRefused({
      message: 'Quote and TDREPORT belong to different guests.',
      expected: toHex(quote.body.mrTd),
      actual: toHex(report.body.mrTd),
    })
  demand({
    holds: (quote.body.attributes & tdAttributes.debug) === 0n,
    message: 'The TD is debuggable: the host could read its memory.',
    expected: 'debug off',
    actual: 'debug on',
  })
  demand({
    holds: verified.tcbStatus === 'UpToDate',
    message: 'The platform is not up to date.',
    expected: 'UpToDate',
    actual: verified.tcbStatus,
  })
  return {
    measurement: quote.body.mrTd,
    reportData: quote.body.reportData,
    verifySibling: async (sibling) => {
      const other = parseTdReport(sibling)
      await verifyTdReportHashes(other)
      if (!sameTd({ ...other.body, reportData: report.body.reportData }, report.body)) {
        throw new LinkRefused({
          message: "The vTPM's report belongs to another TD.",
          expected: toHex(report.body.mrTd),
          actual: toHex(other.body.mrTd),
        })
      }
      return other.body.mrTd
    },
    shows: [
      `Intel TDX quote v${quote.version}, TCB ${verified.tcbStatus}, PCK chain to a pinned root, collateral and CRLs verified`,
    ],
  }
}
