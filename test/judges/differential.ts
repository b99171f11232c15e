import * as nodeCrypto from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { nodePrimitives, type TdxCollateral, tcbStatuses, VerificationCache } from '@strongroom/evidence'
import { detect, type EvidencePolicy, judge, type Piece } from '@strongroom/evidence/files'
import { gunzip } from '../../apps/cli/src/evidence/gunzip.ts'
import { goSnp, goTdx, mutatedSnp, mutatedTdx } from './cases.ts'
import { anchors, type SnpCase, snpCases, type TdxCase, tdxCases } from './corpus.ts'
import { askDcap, dcapCollateral } from './dcap-judge.ts'
import { type Disagreement, explanationOf } from './disagreements.ts'
import { type GoJudge, type JudgeAnswer, openGoJudge } from './go-judge.ts'
import { mutate, numbersFrom } from './mutate.ts'

/** Result of a run: how many mutations both judged alike, and by name how often they differed. */
export interface Differences {
  judged: number
  accepted: number
  /** Sets of several machines' files, and accepted ones, whose content both judges must accept. */
  sets: number
  acceptedSets: number
  /** `judge name`, with the name from disagreements.ts. */
  explained: Map<string, number>
  unexplained: { judge: string; seed: number; what: string; ours: string; theirs: string }[]
}

const primitives = nodePrimitives(nodeCrypto)
const all = { debug: true, migrationAgent: true, cxl: true, vlek: true, provisionalFirmware: true }
/** The other judges are not asked whether evidence is wanted. */
const anyContent: EvidencePolicy = {
  snp: { measurements: 'any', reportData: 'any', vmpls: [0, 1, 2, 3], allow: all },
  tdx: {
    tcbStatuses,
    acceptedAdvisoryIds: ['any'],
    debugAllowed: true,
    migratableAllowed: true,
    septVeDisableRequired: false,
    pksAllowed: true,
    keyLockerAllowed: true,
    perfmonAllowed: true,
    noServiceTd: false,
  },
}

type Pick = (below: number) => number
type Files = [name: string, bytes: Uint8Array | string][]

/** Plain bytes, text in one of two forms, or packed: the command accepts all of them. */
function asFile(name: string, bytes: Uint8Array | string, pick: Pick): [string, Uint8Array] {
  const raw = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes)
  const form = pick(6)
  if (form === 0) return [name, gzipSync(raw, { level: 1 })]
  if (form === 1 && typeof bytes !== 'string') return [name, Buffer.from(raw.toString('hex'))]
  if (form === 2 && typeof bytes !== 'string') return [name, Buffer.from(raw.toString('base64'))]
  return [name, raw]
}

/** The command's verdict on these files: `accepted`, a code, or why there is none. */
async function verdictOf(files: Files, at: Date, pick: Pick, cache: VerificationCache): Promise<string> {
  const pieces: Piece[] = files.flatMap(([name, bytes]) => detect(...asFile(name, bytes, pick), { gunzip }))
  const found = await judge({ pieces, anchors, at, policy: anyContent, primitives, cache })
  return found.code ?? found.verdict
}

/** One mutation in this many is repeated in a set with others. */
const setEvery = 8

/**
 * The mutation again in one set with another machine's altered evidence, whole files of others, copies and junk, in any
 * order. Files are one pool: one statement must not be accepted because of another's files. Each judge must accept what
 * the set accepts.
 */
async function inASet(o: {
  snp: SnpCase[]
  tdx: TdxCase[]
  library: GoJudge
  cache: VerificationCache
  found: Differences
  pick: Pick
  seed: number
  first: Prepared
}): Promise<void> {
  const { pick, first } = o
  // Of another kind: a valid certificate of the same root would replace an altered one.
  const second =
    first.judge === 'go-sev-guest' ? preparedTdx(o.tdx, pick, o.library) : preparedSnp(o.snp, pick, o.library)
  const at = pick(2) === 0 ? first.at : second.at
  const files: Files = [...first.files]
  const parts = pick(3) === 0 ? [first] : [first, second]
  if (parts.length === 2) files.push(...second.files)
  if (pick(3) === 0) files.push(files[pick(files.length)]!)
  if (pick(6) === 0) files.push(['junk.bin', Uint8Array.from({ length: 1 + pick(2000) }, () => pick(256))])
  const shuffled = files
    .map((file) => [pick(1 << 30), file] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, [, bytes]], index): Files[number] => [`file${index}`, bytes])
  const ours = await verdictOf(shuffled, at, pick, o.cache)
  o.found.sets++
  if (ours !== 'accepted') return
  o.found.acceptedSets++
  for (const { judge: name, what, statement, theirs } of parts)
    record(o.found, o.seed, { judge: name, what: `${what}, in a set`, ours, theirs: await theirs(at), statement })
}

/**
 * Gives altered evidence to the verifier as files, as `strongroom evidence verify` accepts it, and its content to
 * another judge: go-sev-guest, go-tdx-guest, and dcap-qvl for quotes of version 5.
 * @param o.first seed of the first mutation; each seed is one
 */
export async function differential(o: {
  count: number
  first?: number
  say?: (line: string) => void
}): Promise<Differences> {
  const first = o.first ?? 1
  const found: Differences = { judged: 0, accepted: 0, sets: 0, acceptedSets: 0, explained: new Map(), unexplained: [] }
  const snp = snpCases().filter(({ report }) => report[0] !== 5)
  const tdx = tdxCases().filter(({ collateral }) => collateral !== undefined)
  const cache = new VerificationCache({ maximumEntries: 1024 })
  const library = await openGoJudge()
  const one = async (seed: number): Promise<void> => {
    const pick = numbersFrom(seed)
    const prepared = pick(2) === 0 ? preparedSnp(snp, pick, library) : preparedTdx(tdx, pick, library)
    const { judge: name, what, at, files, statement } = prepared
    const [ours, theirs] = await Promise.all([verdictOf(files, at, pick, cache), prepared.theirs(at)])
    found.judged++
    if (ours === 'accepted') found.accepted++
    record(found, seed, { judge: name, what, ours, theirs, statement })
    if (seed % setEvery === 0) await inASet({ snp, tdx, library, cache, found, pick, seed, first: prepared })
  }
  try {
    for (let at = 0; at < o.count; at += 32) {
      const seeds = Array.from({ length: Math.min(32, o.count - at) }, (_, index) => first + at + index)
      await Promise.all(seeds.map(one))
      if (o.say !== undefined && at % 32_000 === 0) o.say(summary(found))
    }
  } finally {
    await library.close()
  }
  return found
}

interface Result {
  judge: Disagreement['judge']
  what: string
  ours: string
  theirs: JudgeAnswer
  /** The report or quote. */
  statement: Uint8Array
}

/** Altered evidence as files, and another judge's verdict on its content. */
interface Prepared {
  judge: Disagreement['judge']
  what: string
  at: Date
  files: Files
  statement: Uint8Array
  theirs: (at: Date) => Promise<JudgeAnswer>
}

function preparedSnp(cases: SnpCase[], pick: Pick, library: GoJudge): Prepared {
  const [base, other] = [cases[pick(cases.length)]!, cases[pick(cases.length)]!]
  const altered = mutatedSnp(base, other, pick)
  const { report, chain, at } = altered
  const files: Files = [
    ['report.bin', report],
    ['vcek.der', chain.vcek],
    ['ask.der', chain.ask],
    ['ark.der', chain.ark],
  ]
  const theirs = (when: Date): Promise<JudgeAnswer> => goSnp(library, { ...altered, at: when })
  return { judge: 'go-sev-guest', what: base.name, at, files, statement: report, theirs }
}

function preparedTdx(cases: TdxCase[], pick: Pick, library: GoJudge): Prepared {
  const [base, other] = [cases[pick(cases.length)]!, cases[pick(cases.length)]!]
  // The second library reads quotes only as a whole with valid collateral.
  const alone = base.version === 5
  const altered = alone
    ? { ...base, quote: mutate(base.quote, pick, other.quote) }
    : oneSigner(mutatedTdx(base, other, pick), base)
  const k = altered.collateral as TdxCollateral
  const files: Files = [
    ['quote.bin', altered.quote],
    ['tcb.json', k.tcbInfo],
    ['qe.json', k.qeIdentity],
    ['signer.pem', k.tcbInfoIssuerChainPem],
    ['pck.crl', k.pckCrl],
    ['root.crl', k.rootCaCrl],
  ]
  if (k.qeIdentityIssuerChainPem !== k.tcbInfoIssuerChainPem) files.push(['signer2.pem', k.qeIdentityIssuerChainPem])
  const shared = { what: base.name, at: altered.at, files, statement: altered.quote }
  if (!alone) return { ...shared, judge: 'go-tdx-guest', theirs: (at) => goTdx(library, { ...altered, at }) }
  const theirs = (at: Date): Promise<JudgeAnswer> => Promise.resolve(askDcap(altered.quote, dcapCollateral(k), at))
  return { ...shared, judge: 'dcap-qvl', theirs }
}

/** Files are one pool, so a valid copy of a chain replaces an altered one: both judges get the altered one twice. */
function oneSigner(altered: TdxCase, base: TdxCase): TdxCase {
  const [k, before] = [altered.collateral as TdxCollateral, base.collateral as TdxCollateral]
  if (before.tcbInfoIssuerChainPem !== before.qeIdentityIssuerChainPem) return altered
  const changed =
    k.tcbInfoIssuerChainPem === before.tcbInfoIssuerChainPem ? 'qeIdentityIssuerChainPem' : 'tcbInfoIssuerChainPem'
  return { ...altered, collateral: { ...k, tcbInfoIssuerChainPem: k[changed], qeIdentityIssuerChainPem: k[changed] } }
}

function record(found: Differences, seed: number, { judge: name, what, ours, theirs, statement }: Result): void {
  if ((ours === 'accepted') === theirs.ok) return
  const known = explanationOf({ judge: name, ours, theirs, statement }, 'files')
  if (known === undefined) {
    found.unexplained.push({ judge: name, seed, what, ours, theirs: theirs.ok ? 'accepted' : (theirs.error ?? '') })
    return
  }
  const key = `${name} ${known.name}`
  found.explained.set(key, (found.explained.get(key) ?? 0) + 1)
}

/** For display: the counts, then each unexplained disagreement. */
export function summary({ judged, accepted, sets, acceptedSets, explained, unexplained }: Differences): string {
  const names = [...explained].map(([name, count]) => `  ${name}: ${count}`).toSorted()
  const strange = unexplained
    .slice(0, 20)
    .map(
      ({ judge: name, seed, what, ours, theirs }) => `  ${name}, seed ${seed}, ${what}: ours ${ours}, theirs ${theirs}`,
    )
  return [
    `${judged} mutations judged, ${accepted} accepted by us, and ${sets} sets, ${acceptedSets} accepted; explained disagreements:`,
    ...names,
    `unexplained: ${unexplained.length}`,
    ...strange,
  ].join('\n')
}
