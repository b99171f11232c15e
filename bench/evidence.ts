import * as nodeCrypto from 'node:crypto'
import {
  nodePrimitives,
  parseSnpReport,
  parseTdxQuote,
  VerificationCache,
  verifySnp,
  verifyTdx,
  type VerifyContext,
  type Primitives,
  type TdxCollateral,
} from '@strongroom/evidence'
import { hasCorpus } from '../packages/evidence/src/testing/corpus-directory.ts'
import { anchors, snpCases, tdxCases, type SnpCase, type TdxCase } from '../test/judges/corpus.ts'
import { askDcap, dcapCollateral } from '../test/judges/dcap-judge.ts'
import { missingForGoJudge, openGoJudge, type GoJudge, type JudgeCase } from '../test/judges/go-judge.ts'
import { signatureCosts } from './evidence/signatures.ts'
import { measure, measureSync, microseconds, table, type Goal, type Row } from './support/measure.ts'
import { step } from './support/progress.ts'
import { machineFacts } from './support/report.ts'

/**
 * One core, the same bytes, processor time: this package, Google's Go libraries as packaged by Debian, @phala/dcap-qvl,
 * and the bare signatures in node:crypto under them, the lower bound for a verifier in Node.
 */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const missing = missingForGoJudge()
  if (missing !== undefined) {
    process.stderr.write(`bench evidence: needs ${missing} (scripts/setup.sh --tests)\n`)
    return false
  }
  const snp = snpCases()[0] as SnpCase
  // A quote that every library accepts, from the corpus; without the corpus Debian's, whose platform is below every level.
  const tdx = (tdxCases().find(({ name }) => name.startsWith('Fraunhofer')) ?? tdxCases()[0]) as TdxCase
  const collateral = tdx.collateral as TdxCollateral
  const primitives = nodePrimitives(nodeCrypto)

  step('builds or starts the judges in Go')
  const judge = await openGoJudge()
  let times: Times
  try {
    times = await measureAll(contestants(judge, snp, tdx, collateral, primitives))
  } finally {
    await judge.close()
  }
  step('measures the signatures alone')
  const signatures = signatureCosts(snp, tdx)
  const rows: Row[] = [
    { name: 'SNP, full chain: strongroom', nanoseconds: times.snpFull },
    { name: 'SNP, full chain: strongroom, WebCrypto', nanoseconds: times.snpFullWeb },
    { name: 'SNP, full chain: go-sev-guest', nanoseconds: times.snpFullGo },
    { name: 'SNP, full chain: signatures alone, node:crypto (3 RSA-4096, 1 P-384)', nanoseconds: signatures.snpFull },
    { name: 'SNP, chain verified before: strongroom', nanoseconds: times.snpCached },
    { name: 'SNP, chain verified before: go-sev-guest, report signature only', nanoseconds: times.snpSignatureGo },
    { name: 'SNP, chain verified before: signature alone, node:crypto (1 P-384)', nanoseconds: signatures.p384 },
    { name: 'SNP, parsing: strongroom', nanoseconds: times.snpParse },
    { name: 'SNP, parsing: go-sev-guest', nanoseconds: times.snpParseGo },
    { name: 'TDX v4, full collateral: strongroom', nanoseconds: times.tdxFull },
    { name: 'TDX v4, full collateral: strongroom, WebCrypto', nanoseconds: times.tdxFullWeb },
    { name: 'TDX v4, full collateral: go-tdx-guest', nanoseconds: times.tdxFullGo },
    { name: 'TDX v4, full collateral: @phala/dcap-qvl', nanoseconds: times.tdxFullDcap },
    { name: 'TDX v4, full collateral: signatures alone, node:crypto (10 P-256)', nanoseconds: 10 * signatures.p256 },
    { name: 'TDX v4, collateral verified before, other platform: strongroom', nanoseconds: times.tdxOther },
    { name: 'TDX v4, collateral verified before, same platform: strongroom', nanoseconds: times.tdxCached },
    { name: 'TDX v4, chain and quote without collateral: go-tdx-guest', nanoseconds: times.tdxSignaturesGo },
    {
      name: 'TDX v4, collateral verified before: signatures alone, node:crypto (2 P-256)',
      nanoseconds: 2 * signatures.p256,
    },
    { name: 'TDX v4, parsing: strongroom', nanoseconds: times.tdxParse },
  ]
  const goals: Goal[] = [
    { name: 'SNP, full chain, against go-sev-guest', wanted: 1.2, reached: times.snpFullGo / times.snpFull, unit: '×' },
    {
      name: 'SNP, chain verified before, against go-sev-guest',
      wanted: 1.7,
      reached: times.snpFullGo / times.snpCached,
      unit: '×',
    },
    {
      name: 'TDX v4, full collateral, against go-tdx-guest',
      wanted: 1.5,
      reached: times.tdxFullGo / times.tdxFull,
      unit: '×',
    },
    {
      name: 'TDX v4, collateral verified before, against go-tdx-guest',
      wanted: 4,
      reached: times.tdxFullGo / times.tdxCached,
      unit: '×',
    },
    {
      name: 'TDX v4, collateral verified before, against @phala/dcap-qvl',
      wanted: 8,
      reached: times.tdxFullDcap / times.tdxCached,
      unit: '×',
    },
    { name: 'SNP reports parsed', wanted: 500_000, reached: 1e9 / times.snpParse, unit: ' a second' },
  ]
  const facts = {
    ...machineFacts(),
    openssl: process.versions.openssl,
    snp: snp.name,
    tdx: tdx.name,
    corpus: hasCorpus,
    measure: 'processor time of one operation, best of eight rounds in turn, one thread a library',
    note:
      'go-sev-guest and go-tdx-guest remember no verified chain or collateral: "verified before" is compared with ' +
      'their full verification',
    keys: 'nodePrimitives keeps imported keys in all rows, so each operation checks every signature but imports known keys once',
    phala:
      `full collateral ${(times.tdxFullDcap / times.tdxFull).toFixed(1)}×; eight times would leave ` +
      `${microseconds(times.tdxFullDcap / 8)}, the ten signatures alone take ${microseconds(10 * signatures.p256)}`,
  }
  process.stdout.write(
    o.json ? `${JSON.stringify({ facts, rows, goals }, undefined, 2)}\n` : describe(facts, rows, goals),
  )
  return goals.every((goal) => goal.reached >= goal.wanted)
}

const names = [
  'snpFull',
  'snpFullWeb',
  'snpFullGo',
  'snpCached',
  'snpSignatureGo',
  'snpParse',
  'snpParseGo',
  'tdxFull',
  'tdxFullWeb',
  'tdxFullGo',
  'tdxFullDcap',
  'tdxOther',
  'tdxCached',
  'tdxSignaturesGo',
  'tdxParse',
] as const
type Times = Record<(typeof names)[number], number>
/** One round of one contestant: nanoseconds per operation. */
type Contestants = Record<(typeof names)[number], () => Promise<number> | number>

/** Rounds of all contestants in turn, so that a temporary slowdown affects all of them; the best of each counts. */
async function measureAll(all: Contestants, rounds = 8): Promise<Times> {
  const best = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Times
  for (let round = 0; round < rounds; round++) {
    step(`round ${round + 1} of ${rounds}: ${names.length} operations in turn`)
    for (const name of names) best[name] = Math.min(best[name], await all[name]())
  }
  return best
}

function contestants(
  judge: GoJudge,
  snp: SnpCase,
  tdx: TdxCase,
  collateral: TdxCollateral,
  primitives: Primitives,
): Contestants {
  const { chain, at, report, vlek } = snp
  const { quote } = tdx
  const judgeSnp = (context: VerifyContext): Promise<unknown> =>
    verifySnp({ report: parseSnpReport(report), chain, anchors, at, ...context })
  const judgeTdx = (context: VerifyContext): Promise<unknown> =>
    verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors, at: tdx.at, ...context })
  const go = async (question: JudgeCase): Promise<number> => {
    const { nanoseconds = Number.POSITIVE_INFINITY } = await judge.ask(question)
    return nanoseconds
  }
  const goChain = { leaf: chain.vcek, ask: chain.ask, ark: chain.ark, vlek, at }
  const goCollateral = {
    tcbInfo: collateral.tcbInfo,
    tcbInfoChain: collateral.tcbInfoIssuerChainPem,
    qeIdentity: collateral.qeIdentity,
    qeIdentityChain: collateral.qeIdentityIssuerChainPem,
    pckCrl: collateral.pckCrl,
    pckCrlChain: collateral.pckCrlIssuerChainPem,
    rootCrl: collateral.rootCaCrl,
  }
  const pins = anchors.amd.map((anchor) => anchor.spkiSha256)
  const cache = new VerificationCache()
  const known = { primitives, cache }
  const dcap = dcapCollateral(collateral)
  return {
    snpFull: () => measure(100, () => judgeSnp({ primitives }), 1),
    snpFullWeb: () => measure(50, () => judgeSnp({}), 1),
    snpFullGo: () => go({ kind: 'snp', report, ...goChain, pins, repeat: 100 }),
    snpCached: () => measure(100, () => judgeSnp(known), 1),
    snpSignatureGo: () => go({ kind: 'snp-signature', report, leaf: chain.vcek, repeat: 100 }),
    snpParse: () => measureSync(50_000, () => parseSnpReport(report), 1),
    snpParseGo: () => go({ kind: 'snp-parse', report, repeat: 20_000 }),
    tdxFull: () => measure(100, () => judgeTdx({ primitives }), 1),
    tdxFullWeb: () => measure(40, () => judgeTdx({}), 1),
    tdxFullGo: () => go({ kind: 'tdx', quote, at: tdx.at, ...goCollateral, repeat: 100 }),
    tdxFullDcap: () => measure(10, () => askDcap(quote, dcap, tdx.at), 1),
    tdxOther: () => measureOtherPlatform(judgeTdx, tdx, primitives, collateral),
    tdxCached: () => measure(200, () => judgeTdx(known), 1),
    tdxSignaturesGo: () => go({ kind: 'tdx-signatures', quote, at: tdx.at, repeat: 100 }),
    tdxParse: () => measureSync(2000, () => parseTdxQuote(quote), 1),
  }
}

/**
 * Collateral is cached, the platform is new: its certificate, that certificate's signature and both keys. Each
 * operation has a separate cache, filled beforehand by another platform's quote.
 */
async function measureOtherPlatform(
  judge: (context: VerifyContext) => Promise<unknown>,
  tdx: TdxCase,
  primitives: Primitives,
  collateral: TdxCollateral,
): Promise<number> {
  const other = tdxCases().find(({ name, at }) => name !== tdx.name && at.getTime() === tdx.at.getTime()) ?? tdx
  const caches: VerificationCache[] = []
  for (let index = 0; index < 60; index++) {
    const cache = new VerificationCache()
    await verifyTdx({ quote: parseTdxQuote(other.quote), collateral, anchors, at: tdx.at, primitives, cache })
    caches.push(cache)
  }
  return measure(50, () => judge({ primitives, cache: caches.pop() ?? new VerificationCache() }), 1)
}

function describe(facts: Record<string, unknown>, rows: readonly Row[], goals: readonly Goal[]): string {
  const head = Object.entries(facts).map(([name, value]) => `${name}: ${String(value)}`)
  const figures = table([
    ['operation', 'time', 'a second'],
    ...rows.map(({ name, nanoseconds }) => [
      name,
      microseconds(nanoseconds),
      Math.floor(1e9 / nanoseconds).toLocaleString('en'),
    ]),
  ])
  const show = (value: number, unit: string): string =>
    `${value >= 1000 ? Math.floor(value).toLocaleString('en') : value.toFixed(2)}${unit}`
  const verdicts = table([
    ['goal', 'wanted', 'reached', ''],
    ...goals.map(({ name, wanted, reached, unit }) => [
      name,
      show(wanted, unit),
      show(reached, unit),
      reached >= wanted ? 'met' : 'MISSED',
    ]),
  ])
  return `${head.join('\n')}\n\n${figures}\n\n${verdicts}\n`
}
