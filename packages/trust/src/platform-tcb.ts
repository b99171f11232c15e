import type { DecisionBundle } from '@strongroom/contract'
import {
  fromBase64,
  parseCertificate,
  parseHclReport,
  parsePem,
  parseSnpReport,
  parseTdxQuote,
  readEndorsement,
  readPckExtension,
  toHex,
  type TcbVersion,
} from '@strongroom/evidence'
import {
  lineOf,
  openAdvisories,
  snpPlatform,
  snpShortfall,
  tcbMinimum,
  tdxShortfall,
  type TcbLack,
  type TdxShortfall,
} from '@strongroom/evidence/advisories'

/** How far one platform is behind its vendor's requirements, according to its evidence when it was attested. */
export interface PlatformTcb {
  /** Identifies the platform by its chip or PPID; contains no personal data. */
  id: string
  kind: string
  /** When it was attested. */
  at: string
  status: string
  lacks: TcbLack[]
  advisories: string[]
  /** The reference: an Intel evaluation with its date, or an AMD line. */
  against: string
  next: NextSet
}

/** The vendor's next requirements. */
export type NextSet =
  | { state: 'none'; why: string }
  | { state: 'upToDate' | 'outOfDate'; edition: number; status: string; lacks: TcbLack[]; advisories: string[] }

/** Requirements on platforms beyond the evidence's own collateral. */
export interface TcbWanted {
  /** Minimum versions that the installation requires beyond AMD's advisories, by processor line. */
  minimum: (line: string) => Partial<TcbVersion> | undefined
  /** Intel's early TCB infos, signed texts by FMSPC in lower-case hexadecimal. */
  early: ReadonlyMap<string, string>
}

const bytesOf = (value: unknown): Uint8Array | undefined => (typeof value === 'string' ? fromBase64(value) : undefined)

/**
 * The platform of a decision. Its evidence was verified when the decision was made.
 * @returns undefined if no vendor publishes TCB levels for this kind of evidence
 * @throws ParseError if the evidence cannot be parsed
 */
export function platformTcb(bundle: DecisionBundle, wanted: TcbWanted): PlatformTcb | undefined {
  const { snpReport, hclReport, tdQuote } = bundle.evidence
  const hcl = bytesOf(hclReport)
  const report = bytesOf(snpReport) ?? (hcl && parseHclReport(hcl).hardwareReport)
  if (report !== undefined) return snpPlatformOf(bundle, report, wanted)
  const quote = bytesOf(tdQuote)
  return quote && tdxPlatformOf(bundle, quote, wanted)
}

function snpPlatformOf(
  { decision, evidence }: DecisionBundle,
  bytes: Uint8Array,
  { minimum }: TcbWanted,
): PlatformTcb | undefined {
  const leaf = parsePem(String(evidence['certificateChain']))[0]
  if (leaf === undefined) return undefined
  const report = parseSnpReport(bytes)
  const { product } = readEndorsement(parseCertificate(leaf))
  const platform = snpPlatform(report, product)
  const line = lineOf(product, platform.cpu)
  const lacks = snpShortfall(report, product, { ...tcbMinimum(line), ...minimum(line) })
  const advisories = openAdvisories(platform).map(({ id, name }) => (name === undefined ? id : `${id} (${name})`))
  return {
    id: `SNP ${toHex(report.chipId)}`,
    kind: `AMD ${line}`,
    at: decision.at,
    status: lacks.length === 0 && advisories.length === 0 ? 'UpToDate' : 'OutOfDate',
    lacks,
    advisories,
    against: `what AMD’s advisories and this installation require of ${line}`,
    next: {
      state: 'none',
      why: 'AMD does not announce the next set: its advisories apply from the day they are published.',
    },
  }
}

function tdxPlatformOf(
  { decision, evidence }: DecisionBundle,
  bytes: Uint8Array,
  { early }: TcbWanted,
): PlatformTcb | undefined {
  const { certification, body } = parseTdxQuote(bytes)
  const tcbInfo = evidence['tcbInfo']
  if (certification.type !== 'pckChain' || typeof tcbInfo !== 'string') return undefined
  const pck = readPckExtension(parseCertificate(certification.chain[0]!))
  const fmspc = toHex(pck.fmspc)
  const now = tdxShortfall({ tcbInfo, pck, teeTcbSvn: body.teeTcbSvn })
  const ahead = early.get(fmspc)
  return {
    id: `TDX ${toHex(pck.ppid)}`,
    kind: `Intel ${fmspc}`,
    at: decision.at,
    status: now.status,
    lacks: now.lacks,
    advisories: [...now.advisoryIds],
    against: `Intel’s TCB evaluation ${now.tcbEvaluationDataNumber}, level of ${dayOf(now.wantedDate)}`,
    next:
      ahead === undefined
        ? { state: 'none', why: `Intel’s early set for ${fmspc} is not stored here.` }
        : nextOf(tdxShortfall({ tcbInfo: ahead, pck, teeTcbSvn: body.teeTcbSvn }), now),
  }
}

function nextOf(ahead: TdxShortfall, now: TdxShortfall): NextSet {
  const { tcbEvaluationDataNumber: edition, status, lacks, advisoryIds } = ahead
  if (edition <= now.tcbEvaluationDataNumber)
    return { state: 'none', why: `Intel’s early set is evaluation ${edition}, which is already in force.` }
  return {
    state: status === 'UpToDate' ? 'upToDate' : 'outOfDate',
    edition,
    status,
    lacks,
    advisories: [...advisoryIds],
  }
}

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)
