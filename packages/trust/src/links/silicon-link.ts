import type { BootFacts } from '@strongroom/contract'
import {
  decodeTcb,
  describeTcb,
  tdAttributes,
  toHex,
  type SnpProduct,
  type SnpReport,
  type TdxQuote,
  type TrustAnchors,
} from '@strongroom/evidence'
import { openAdvisories, snpPlatform } from '@strongroom/evidence/advisories'
import { constant, derive, same, type Known } from '../provenance/known.ts'
import { short, type Proof } from '../provenance/link.ts'
import { signedSilicon, type SignedSilicon, type VerifySibling } from '../provenance/silicon.ts'

/** What the silicon signed; signature and chain are verified. */
export interface SiliconFinding {
  kind: Known<'SNP'> | Known<'TDX'>
  measurement: Known<Uint8Array>
  reportData: Known<Uint8Array>
  /** For another report of the same boot: the one in the vTPM, or of a backup. */
  verifySibling: VerifySibling
}

export async function siliconLink(
  evidence: Pick<BootFacts, 'tee' | 'silicon'>,
  o: { anchors: TrustAnchors; at: Date; proof: Proof },
): Promise<SiliconFinding> {
  const signed = await signedSilicon(evidence, o.anchors, o.at)
  return signed.kind === 'SNP' ? snpLink(signed, o.proof) : tdxLink(signed, o.proof)
}

type Signed<K> = Extract<SignedSilicon, { kind: K }>

function snpLink({ report, product, verifySibling }: Signed<'SNP'>, proof: Proof): SiliconFinding {
  proof.demand({
    holds: report.map(({ policy }) => !policy.debugAllowed),
    message: 'The guest policy allows debugging: the host could read its memory.',
    expected: 'debug off',
    actual: 'debug on',
  })
  proof.demand({
    holds: same<number>(
      report.map(({ vmpl }) => vmpl),
      constant(0),
    ),
    message: 'The report was not requested by the paravisor.',
    expected: 'VMPL 0',
    actual: `VMPL ${report.value.vmpl}`,
  })
  const lacking = derive([report, product], (of, name) => openAdvisories(snpPlatform(of, name)))
  proof.demand({
    holds: lacking.map((list) => list.length === 0),
    message: 'The platform is not up to date.',
    expected: 'the fixes of every AMD advisory that a report can show',
    actual: lacking.value.map(({ id, lacks }) => `${id}: ${lacks.join(', ')}`).join('; '),
  })
  proof.shown(derive([report, product], snpLines))
  return {
    kind: constant('SNP'),
    measurement: report.map(({ measurement }) => measurement),
    reportData: report.map(({ reportData }) => reportData),
    verifySibling,
  }
}

/** TCB, VMPL and guest policy (SEV-SNP ABI 1.58, tables 4, 10 and 23). */
function snpLines(report: SnpReport, product: SnpProduct): string[] {
  const { raw, abiMajor, abiMinor, smtAllowed, migrationAgentAllowed } = report.policy
  return [
    `AMD SEV-SNP report v${report.version}, chip ${short(toHex(report.chipId))}, signature and chain to a pinned ARK ` +
      'verified, CRL checked',
    `reported TCB ${describeTcb(decodeTcb(report.reportedTcb, product))}; VMPL ${report.vmpl}; guest policy ` +
      `0x${raw.toString(16)}: ABI ${abiMajor}.${abiMinor} or later, SMT ${smtAllowed ? 'allowed' : 'refused'}, ` +
      `migration agent ${migrationAgentAllowed ? 'allowed' : 'refused'}, debugging refused`,
  ]
}

function tdxLink({ quote, tcbStatus, verifySibling }: Signed<'TDX'>, proof: Proof): SiliconFinding {
  proof.demand({
    holds: quote.map(({ body }) => (body.attributes & tdAttributes.debug) === 0n),
    message: 'The TD is debuggable: the host could read its memory.',
    expected: 'debug off',
    actual: 'debug on',
  })
  proof.demand({
    holds: same<string>(tcbStatus, constant('UpToDate')),
    message: 'The platform is not up to date.',
    expected: 'UpToDate',
    actual: tcbStatus.value,
  })
  proof.shown(derive([quote, tcbStatus], tdxLines))
  return {
    kind: constant('TDX'),
    measurement: quote.map(({ body }) => body.mrTd),
    reportData: quote.map(({ body }) => body.reportData),
    verifySibling,
  }
}

/** Intel TDX module ABI, TDX_TCB_SVN and ATTRIBUTES. */
const tdxLines = ({ version, body }: TdxQuote, tcbStatus: string): string[] => [
  `Intel TDX quote v${version}, TCB ${tcbStatus}, PCK chain to a pinned root, collateral and CRLs verified`,
  `TEE TCB SVN ${toHex(body.teeTcbSvn)}, TD attributes 0x${body.attributes.toString(16)}, debugging refused`,
]
