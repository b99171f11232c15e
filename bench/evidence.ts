import * as nodeCrypto from 'node:crypto'
import { cpus } from 'node:os'
import {
  nodePrimitives,
  parseSnpReport,
  parseTdxQuote,
  VerificationCache,
  verifySnp,
  verifyTdx,
  type Primitives,
  type TdxCollateral,
} from '@strongroom/evidence'
import { anchors, hasCorpus, snpCases, tdxCases, type SnpCase, type TdxCase } from '../test/judges/corpus.ts'
import { askDcap, dcapCollateral } from '../test/judges/dcap-judge.ts'
import { missingForGoJudge, openGoJudge, type GoJudge, type JudgeCase } from '../test/judges/go-judge.ts'
import { signatureCosts } from './evidence/signatures.ts'
import { measure, measureSync, microseconds, table, type Goal, type Row } from './measure.ts'

/**
 * One core, the same bytes, processor time: this package, Google's Go libraries as Debian has them, @phala/dcap-qvl, and the bare
 * signatures in node:crypto under them, which is the floor that a verifier in Node cannot go below.
 */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const missing = missingForGoJudge()
  if (missing !== undefined) {
    process.stderr.write(`bench evidence: needs ${missing} (scripts/setup.sh --tests)\n`)
    return false
  }
  const snp = snpCases()[0] as SnpCase
  // A quote that every library accepts: the corpus has one; without it Debian's, whose platform is below every level.
  const tdx = (tdxCases().find(({ name }) => name.startsWith('Fraunhofer')) ?? tdxCases()[0]) as TdxCase
  const collateral = tdx.collateral as TdxCollateral
  const primitives = nodePrimitives(nodeCrypto)

  const judge = await openGoJudge()
  let go: Awaited<ReturnType<typeof measureGo>>
  try {
    go = await measureGo(judge, snp, tdx, collateral)
  } finally {
    await judge.close()
  }
  const signatures = signatureCosts(snp, tdx)
  const own = await measureOwn(snp, tdx, collateral, primitives)
  const dcap = dcapCollateral(collateral)
  const dcapTime = await measure(10, () => askDcap(tdx.quote, dcap, tdx.at), 3)

  const rows: Row[] = [
    { name: 'SNP, full chain: strongroom', nanoseconds: own.snpFull },
    { name: 'SNP, full chain: strongroom, WebCrypto', nanoseconds: own.snpFullWeb },
    { name: 'SNP, full chain: go-sev-guest', nanoseconds: go.snpFull },
    { name: 'SNP, full chain: signatures alone, node:crypto (3 RSA-4096, 1 P-384)', nanoseconds: signatures.snpFull },
    { name: 'SNP, chain verified before: strongroom', nanoseconds: own.snpCached },
    { name: 'SNP, chain verified before: go-sev-guest, report signature only', nanoseconds: go.snpSignature },
    { name: 'SNP, chain verified before: signature alone, node:crypto (1 P-384)', nanoseconds: signatures.p384 },
    { name: 'SNP, parsing: strongroom', nanoseconds: own.snpParse },
    { name: 'SNP, parsing: go-sev-guest', nanoseconds: go.snpParse },
    { name: 'TDX v4, full collateral: strongroom', nanoseconds: own.tdxFull },
    { name: 'TDX v4, full collateral: strongroom, WebCrypto', nanoseconds: own.tdxFullWeb },
    { name: 'TDX v4, full collateral: go-tdx-guest', nanoseconds: go.tdxFull },
    { name: 'TDX v4, full collateral: @phala/dcap-qvl', nanoseconds: dcapTime },
    { name: 'TDX v4, full collateral: signatures alone, node:crypto (10 P-256)', nanoseconds: 10 * signatures.p256 },
    { name: 'TDX v4, collateral verified before, other platform: strongroom', nanoseconds: own.tdxOther },
    { name: 'TDX v4, collateral verified before, same platform: strongroom', nanoseconds: own.tdxCached },
    { name: 'TDX v4, chain and quote without collateral: go-tdx-guest', nanoseconds: go.tdxSignatures },
    {
      name: 'TDX v4, collateral verified before: signatures alone, node:crypto (2 P-256)',
      nanoseconds: 2 * signatures.p256,
    },
    { name: 'TDX v4, parsing: strongroom', nanoseconds: own.tdxParse },
  ]
  const goals: Goal[] = [
    { name: 'SNP, full chain, against go-sev-guest', wanted: 1.2, reached: go.snpFull / own.snpFull, unit: '×' },
    {
      name: 'SNP, chain verified before, against go-sev-guest',
      wanted: 1.7,
      reached: go.snpFull / own.snpCached,
      unit: '×',
    },
    {
      name: 'TDX v4, full collateral, against go-tdx-guest',
      wanted: 1.5,
      reached: go.tdxFull / own.tdxFull,
      unit: '×',
    },
    {
      name: 'TDX v4, collateral verified before, against go-tdx-guest',
      wanted: 4,
      reached: go.tdxFull / own.tdxCached,
      unit: '×',
    },
    { name: 'TDX v4, full collateral, against @phala/dcap-qvl', wanted: 8, reached: dcapTime / own.tdxFull, unit: '×' },
    {
      name: 'TDX v4, collateral verified before, against @phala/dcap-qvl',
      wanted: 8,
      reached: dcapTime / own.tdxCached,
      unit: '×',
    },
    { name: 'SNP reports parsed', wanted: 500_000, reached: 1e9 / own.snpParse, unit: ' a second' },
  ]
  const facts = {
    processor: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    openssl: process.versions.openssl,
    snp: snp.name,
    tdx: tdx.name,
    corpus: hasCorpus,
    measure: 'processor time of one operation, best of several rounds, one process and one thread a library',
    note: 'go-sev-guest and go-tdx-guest remember no verified chain or collateral: "verified before" is held against their full verification',
  }
  process.stdout.write(
    o.json ? `${JSON.stringify({ facts, rows, goals }, undefined, 2)}\n` : describe(facts, rows, goals),
  )
  return goals.every((goal) => goal.reached >= goal.wanted)
}

async function measureOwn(
  snp: SnpCase,
  tdx: TdxCase,
  collateral: TdxCollateral,
  primitives: Primitives,
): Promise<
  Record<
    | 'snpFull'
    | 'snpFullWeb'
    | 'snpCached'
    | 'snpParse'
    | 'tdxFull'
    | 'tdxFullWeb'
    | 'tdxCached'
    | 'tdxOther'
    | 'tdxParse',
    number
  >
> {
  const { chain, at } = snp
  const judgeSnp = (cache?: VerificationCache, means: Primitives | undefined = primitives): Promise<unknown> =>
    verifySnp({ report: parseSnpReport(snp.report), chain, anchors, at, cache, primitives: means })
  const judgeTdx = (cache?: VerificationCache, means: Primitives | undefined = primitives): Promise<unknown> =>
    verifyTdx({ quote: parseTdxQuote(tdx.quote), collateral, anchors, at: tdx.at, cache, primitives: means })
  const cache = new VerificationCache()
  return {
    snpFull: await measure(200, () => judgeSnp()),
    snpFullWeb: await measure(100, async () => verifySnp({ report: parseSnpReport(snp.report), chain, anchors, at })),
    snpCached: await measure(200, () => judgeSnp(cache)),
    snpParse: measureSync(100_000, () => parseSnpReport(snp.report)),
    tdxFull: await measure(100, () => judgeTdx()),
    tdxFullWeb: await measure(50, () =>
      verifyTdx({ quote: parseTdxQuote(tdx.quote), collateral, anchors, at: tdx.at }),
    ),
    tdxCached: await measure(300, () => judgeTdx(cache)),
    // Collateral is known, but platform and attestation key were never seen: their certificate, its signature and the keys are new.
    tdxOther: await measureOtherPlatform(judgeTdx, tdx, collateral, primitives),
    tdxParse: measureSync(5000, () => parseTdxQuote(tdx.quote)),
  }
}

/** Time with known collateral and an unknown platform: full verification less what a cache saves that saw only the collateral. */
async function measureOtherPlatform(
  judge: (cache: VerificationCache) => Promise<unknown>,
  tdx: TdxCase,
  collateral: TdxCollateral,
  primitives: Primitives,
): Promise<number> {
  const caches: VerificationCache[] = []
  for (let index = 0; index < 400; index++) {
    const cache = new VerificationCache()
    const other = tdxCases().find(({ name, quote }) => name !== tdx.name && quote[0] === 4) ?? tdx
    // Fails for another platform's quote only after the collateral's own signatures were checked, or succeeds.
    await verifyTdx({ quote: parseTdxQuote(other.quote), collateral, anchors, at: tdx.at, cache, primitives }).catch(
      () => undefined,
    )
    caches.push(cache)
    if (index >= 40) continue
  }
  let next = 0
  return measure(60, () => judge(caches[next++] ?? new VerificationCache()), 4)
}

async function measureGo(
  judge: GoJudge,
  snp: SnpCase,
  tdx: TdxCase,
  k: TdxCollateral,
): Promise<Record<'snpFull' | 'snpSignature' | 'snpParse' | 'tdxFull' | 'tdxSignatures', number>> {
  const pins = anchors.amd.map((anchor) => anchor.spkiSha256)
  const { chain, report, vlek, at } = snp
  const best = async (question: JudgeCase): Promise<number> => {
    let least = Number.POSITIVE_INFINITY
    for (let round = 0; round < 5; round++) least = Math.min(least, (await judge.ask(question)).nanoseconds ?? least)
    return least
  }
  const full = {
    tcbInfo: k.tcbInfo,
    tcbInfoChain: k.tcbInfoIssuerChainPem,
    qeIdentity: k.qeIdentity,
    qeIdentityChain: k.qeIdentityIssuerChainPem,
    pckCrl: k.pckCrl,
    pckCrlChain: k.pckCrlIssuerChainPem,
    rootCrl: k.rootCaCrl,
  }
  const { quote } = tdx
  return {
    snpFull: await best({
      kind: 'snp',
      report,
      leaf: chain.vcek,
      ask: chain.ask,
      ark: chain.ark,
      vlek,
      at,
      pins,
      repeat: 200,
    }),
    snpSignature: await best({ kind: 'snp-signature', report, leaf: chain.vcek, repeat: 200 }),
    snpParse: await best({ kind: 'snp-parse', report, repeat: 20_000 }),
    tdxFull: await best({ kind: 'tdx', quote, at: tdx.at, ...full, repeat: 100 }),
    tdxSignatures: await best({ kind: 'tdx-signatures', quote, at: tdx.at, repeat: 100 }),
  }
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
