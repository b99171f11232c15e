import type { BootFacts, SnpEvidence, TdxEvidence } from '@strongroom/contract'
import {
  fromBase64Url,
  parsePem,
  parseSnpReport,
  parseTdReport,
  parseTdxQuote,
  sameTd,
  toHex,
  verifySnp,
  verifyTdReportHashes,
  verifyTdx,
  type SnpProduct,
  type SnpReport,
  type TdxQuote,
  type TcbStatus,
  type TrustAnchors,
} from '@strongroom/evidence'
import { vouch, type Known } from './known.ts'
import { LinkRefused, refuseUnless } from './link.ts'

/** What the silicon signed; signature and chain are verified, its content is not judged. */
export type SignedSilicon =
  | { kind: 'SNP'; report: Known<SnpReport>; product: Known<SnpProduct>; verifySibling: VerifySibling }
  | { kind: 'TDX'; quote: Known<TdxQuote>; tcbStatus: Known<TcbStatus>; verifySibling: VerifySibling }

/**
 * Verifies another report of the same guest.
 * @param quote of that report, TDX: only its own machine can verify a TDREPORT, whose report data nobody else vouches for
 * @returns `reportData` undefined where nobody vouches for it
 */
export type VerifySibling = (
  raw: Uint8Array,
  quote?: Uint8Array,
) => Promise<{ measurement: Known<Uint8Array>; reportData: Known<Uint8Array> | undefined }>

/** @throws LinkRefused, VerificationError, ParseError */
export async function signedSilicon(
  { tee, silicon }: Pick<BootFacts, 'tee' | 'silicon'>,
  anchors: TrustAnchors,
  at: Date,
): Promise<SignedSilicon> {
  refuseUnless(silicon.kind === tee, {
    message: 'The evidence comes from another kind of silicon.',
    expected: tee,
    actual: silicon.kind,
  })
  return silicon.kind === 'SNP' ? await signedSnp(silicon, anchors, at) : await signedTdx(silicon, anchors, at)
}

async function signedSnp(silicon: SnpEvidence, anchors: TrustAnchors, at: Date): Promise<SignedSilicon> {
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
  return {
    kind: 'SNP',
    report: vouch(report, 'silicon'),
    product: vouch(product, 'silicon'),
    verifySibling: async (sibling) => {
      const other = parseSnpReport(sibling)
      await verifySnp({ report: other, ...under })
      refuseUnless(toHex(other.reportId) === toHex(report.reportId), {
        message: "The vTPM's report belongs to another guest.",
        expected: toHex(report.reportId),
        actual: toHex(other.reportId),
      })
      return { measurement: vouch(other.measurement, 'silicon'), reportData: vouch(other.reportData, 'silicon') }
    },
  }
}

async function signedTdx(silicon: TdxEvidence, anchors: TrustAnchors, at: Date): Promise<SignedSilicon> {
  const quote = parseTdxQuote(fromBase64Url(silicon.quote))
  const report = parseTdReport(fromBase64Url(silicon.tdReport))
  const under = { anchors, at, collateral: collateralOf(silicon) }
  const { tcbStatus } = await verifyTdx({ quote, ...under })
  await verifyTdReportHashes(report)
  refuseUnless(sameTd(quote.body, report.body), {
    message: 'Quote and TDREPORT belong to different guests.',
    expected: toHex(quote.body.mrTd),
    actual: toHex(report.body.mrTd),
  })
  return {
    kind: 'TDX',
    quote: vouch(quote, 'silicon'),
    tcbStatus: vouch(tcbStatus, 'silicon', 'pinned key'),
    verifySibling: async (sibling, ofSibling) => {
      const other = parseTdReport(sibling)
      await verifyTdReportHashes(other)
      requireSameTd({ ...other.body, reportData: report.body.reportData }, report.body)
      const measurement = vouch(quote.body.mrTd, 'silicon')
      if (ofSibling === undefined) return { measurement, reportData: undefined }
      const second = parseTdxQuote(ofSibling)
      await verifyTdx({ quote: second, ...under })
      requireSameTd(second.body, other.body)
      return { measurement, reportData: vouch(second.body.reportData, 'silicon') }
    },
  }
}

type Td = Parameters<typeof sameTd>[0]

function requireSameTd(found: Td, expected: Td): void {
  refuseUnless(sameTd(found, expected), {
    message: "The vTPM's report belongs to another TD.",
    expected: toHex(expected.mrTd),
    actual: toHex(found.mrTd),
  })
}

function collateralOf({ collateral: body }: TdxEvidence): Parameters<typeof verifyTdx>[0]['collateral'] {
  return {
    tcbInfo: body.tcbInfo,
    tcbInfoIssuerChainPem: body.tcbInfoIssuerChainPem,
    qeIdentity: body.qeIdentity,
    qeIdentityIssuerChainPem: body.qeIdentityIssuerChainPem,
    pckCrl: fromBase64Url(body.pckCrl),
    pckCrlIssuerChainPem: body.pckCrlIssuerChainPem,
    rootCaCrl: fromBase64Url(body.rootCaCrl),
  }
}
