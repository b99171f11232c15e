import {
  attestationAudience,
  collateralPaths,
  homeRegion,
  sharedAttestationHost,
  type CollateralBundle,
  type DecisionBundle,
} from '@strongroom/contract'
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
import { orError } from './providers.ts'
import { readBundle, readDecisions, vmIdOf, type Decided } from '../decisions/decisions.ts'
import { ask } from '../wire/ask.ts'
import { askService } from '../wire/data-plane.ts'
import { toWireError, WireError } from '../wire/wire-error.ts'

/** The chunk that says how far platforms are behind: it reads evidence. */

export interface PlatformTcb {
  /** Names the platform; nothing of a person is in it. */
  id: string
  kind: string
  vmIds: string[]
  /** When it was attested last. */
  at: string
  status: string
  lacks: TcbLack[]
  advisories: string[]
  /** What is wanted: an evaluation of Intel's with its date, or AMD's line. */
  against: string
  next: NextSet
}

/** What the vendor's next set will ask for. */
export type NextSet =
  | { state: 'none'; why: string }
  | { state: 'upToDate' | 'outOfDate'; edition: number; status: string; lacks: TcbLack[] }

/** Bundles that are read at most: each has evidence and collateral. */
const mostRead = 24

/** The platforms of the newest decisions, each as it was attested last. @throws WireError where no provider can be read */
export async function readPlatforms(providers: readonly string[], signal: AbortSignal): Promise<PlatformTcb[]> {
  const failed: WireError[] = []
  const lists = await Promise.all(
    providers.map(async (host) =>
      readDecisions(host, 100, signal).catch((error: unknown) => {
        failed.push(toWireError(error))
        return []
      }),
    ),
  )
  if (failed.length > 0 && failed.length === providers.length) throw failed[0]!
  const decisions = lists.flat().filter(({ outcome, type }) => outcome !== 'Refused' && type !== 'Tpm')
  const newest = newestOfEachVm(decisions).slice(0, mostRead)
  const minimum = await snpMinimum(signal)
  const early = await earlySets(signal)
  const found = new Map<string, PlatformTcb>()
  for (const decision of newest) {
    const bundle = await readBundle(decision, signal).catch(() => undefined)
    const platform = bundle && platformOf(bundle, minimum, early)
    if (platform === undefined) continue
    const vmId = vmIdOf(decision)
    const known = found.get(platform.id)
    const vmIds = [...(known?.vmIds ?? []), ...(vmId === undefined ? [] : [vmId])]
    found.set(platform.id, { ...(known ?? platform), vmIds: [...new Set(vmIds)] })
  }
  return [...found.values()]
}

function newestOfEachVm(decisions: readonly Decided[]): Decided[] {
  const seen = new Set<string>()
  return decisions
    .toSorted((a, b) => b.at.localeCompare(a.at))
    .filter((decision) => {
      const key = vmIdOf(decision) ?? decision.id
      return !seen.has(key) && seen.add(key)
    })
}

type Minimum = (line: string) => Partial<TcbVersion> | undefined
type EarlySets = ReadonlyMap<string, string>

/** What an installation asks for beyond the advisories: as its providers say (`/tcbbaselines`). */
async function snpMinimum(signal: AbortSignal): Promise<Minimum> {
  interface Baseline {
    tcbIdentifier: string
    minimum?: Partial<TcbVersion>
  }
  const url = `https://${sharedAttestationHost(homeRegion.code)}/tcbbaselines/SevSnpVm?api-version=2025-06-01`
  const { body } = await ask<{ tcbBaselines: Baseline[] }>({ url, signal })
  return (line) => body.tcbBaselines.find(({ tcbIdentifier }) => tcbIdentifier === line)?.minimum
}

/** Intel's early TCB infos that are kept, by FMSPC; none where the principal may not read collateral. */
async function earlySets(signal: AbortSignal): Promise<EarlySets> {
  const host = sharedAttestationHost(homeRegion.code)
  // Asked for its status, the service asks the vendors for their early sets.
  const url = `https://${host}/collateral`
  if ((await orError(askService({ url, audience: attestationAudience, signal }))) instanceof WireError) return new Map()
  const read = async (source: string): Promise<CollateralBundle['items']> =>
    await askService<CollateralBundle>({
      url: `https://${host}/collateral/bundle?source=${source}`,
      audience: attestationAudience,
      signal,
    }).then(
      ({ items }) => items,
      () => [],
    )
  const items = [...(await read('vendors')), ...(await read('installation'))]
  const texts = new Map<string, string>()
  for (const { path, body } of items) {
    const fmspc = /fmspc=([0-9a-f]{12})/.exec(path)?.[1]
    if (fmspc === undefined || path !== collateralPaths.tdxEarlyTcbInfo(fmspc)) continue
    texts.set(fmspc, new TextDecoder().decode(fromBase64(body)))
  }
  return texts
}

const bytesOf = (value: unknown): Uint8Array | undefined => (typeof value === 'string' ? fromBase64(value) : undefined)

/** Undefined where the evidence is of no platform that a vendor speaks of, or is read by nobody here. */
function platformOf(bundle: DecisionBundle, minimum: Minimum, early: EarlySets): PlatformTcb | undefined {
  const { snpReport, hclReport, tdQuote } = bundle.evidence
  const hcl = bytesOf(hclReport)
  const report = bytesOf(snpReport) ?? (hcl && parseHclReport(hcl).hardwareReport)
  if (report !== undefined) return snpPlatformOf(bundle, report, minimum)
  const quote = bytesOf(tdQuote)
  return quote && tdxPlatformOf(bundle, quote, early)
}

function snpPlatformOf(
  { decision, evidence }: DecisionBundle,
  bytes: Uint8Array,
  minimum: Minimum,
): PlatformTcb | undefined {
  const leaf = parsePem(String(evidence['certificateChain']))[0]
  if (leaf === undefined) return undefined
  const report = parseSnpReport(bytes)
  const { product } = readEndorsement(parseCertificate(leaf))
  const platform = snpPlatform(report, product)
  const line = lineOf(product, platform.cpu)
  const wanted = { ...tcbMinimum(line), ...minimum(line) }
  const lacks = snpShortfall(report, product, wanted)
  const advisories = openAdvisories(platform).map(({ id, name }) => (name === undefined ? id : `${id} (${name})`))
  return {
    id: `SNP ${toHex(report.chipId)}`,
    kind: `AMD ${line}`,
    vmIds: [],
    at: decision.at,
    status: lacks.length === 0 && advisories.length === 0 ? 'UpToDate' : 'OutOfDate',
    lacks,
    advisories,
    against: `what AMD’s advisories and this installation ask of ${line}`,
    next: {
      state: 'none',
      why: 'AMD announces no next set: its advisories count from the day that they are published.',
    },
  }
}

function tdxPlatformOf(
  { decision, evidence }: DecisionBundle,
  bytes: Uint8Array,
  early: EarlySets,
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
    vmIds: [],
    at: decision.at,
    status: now.status,
    lacks: now.lacks,
    advisories: [...now.advisoryIds],
    against: `Intel’s TCB evaluation ${now.tcbEvaluationDataNumber}, best level of ${dayOf(now.wantedDate)}`,
    next:
      ahead === undefined
        ? { state: 'none', why: `Intel’s early set of ${fmspc} is not kept here.` }
        : nextOf(tdxShortfall({ tcbInfo: ahead, pck, teeTcbSvn: body.teeTcbSvn }), now),
  }
}

function nextOf(ahead: TdxShortfall, now: TdxShortfall): NextSet {
  const { tcbEvaluationDataNumber: edition, status, lacks } = ahead
  if (edition <= now.tcbEvaluationDataNumber)
    return { state: 'none', why: `Intel’s early set is evaluation ${edition}, the one that counts already.` }
  return { state: status === 'UpToDate' ? 'upToDate' : 'outOfDate', edition, status, lacks }
}

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)
