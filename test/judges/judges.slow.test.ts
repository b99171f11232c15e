import * as nodeCrypto from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  EvidenceError,
  nodePrimitives,
  parseSnpReport,
  parseTdxQuote,
  VerificationCache,
  verifySnp,
  verifyTdx,
  type ParseError,
  type TdxCollateral,
} from '@strongroom/evidence'
import { anchors, snpCases, tdxCases, type SnpCase, type TdxCase } from './corpus.ts'
import { askDcap, dcapCollateral } from './dcap-judge.ts'
import { type Disagreement, disagreements, explanationOf } from './disagreements.ts'
import { missingForGoJudge, openGoJudge, type GoJudge, type JudgeAnswer } from './go-judge.ts'
import { goSnp, goTdx, mutatedSnp, mutatedTdx } from './cases.ts'
import { mutate, numbersFrom } from './mutate.ts'

/** Each seed is one mutation: a failure names its seed, and `STRONGROOM_JUDGE_SEED` runs only that one. */
const snpMutations = 12_000
const tdxMutations = 8000
const dcapMutations = 1500
const only = process.env['STRONGROOM_JUDGE_SEED']

const primitives = nodePrimitives(nodeCrypto)
/** Shared by all mutations, so that the cache is tested with the verifier: a stale entry would accept what others refuse. */
const cache = new VerificationCache({ maximumEntries: 64 })

interface Disagreed {
  judge: Disagreement['judge']
  seed: number
  what: string
  ours: string
  theirs: string
}

const seen = new Map<string, number>()
const unexplained: Disagreed[] = []

function compare(one: Omit<Disagreed, 'theirs'> & { statement: Uint8Array }, theirs: JudgeAnswer): void {
  if ((one.ours === 'accepted') === theirs.ok) return
  const known = explanationOf({ ...one, theirs })
  const name = `${one.judge} ${known?.name ?? 'unexplained'}`
  seen.set(name, (seen.get(name) ?? 0) + 1)
  if (known === undefined) {
    const { statement: _bytes, ...named } = one
    unexplained.push({ ...named, theirs: theirs.ok ? 'accepted' : (theirs.error ?? 'refused') })
  }
}

function chainOf(quote: Uint8Array): unknown {
  const { certification } = parseTdxQuote(quote)
  return certification.type === 'pckChain' ? certification.chain : certification
}

async function verdict(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
    return 'accepted'
  } catch (error) {
    // Anything but an error of the package is a bug in it.
    if (!(error instanceof EvidenceError)) throw error
    return (error as ParseError).code
  }
}

const ourSnp = (c: SnpCase): Promise<string> =>
  verdict(async () =>
    verifySnp({ report: parseSnpReport(c.report), chain: c.chain, anchors, at: c.at, primitives, cache }),
  )

const ourTdx = (c: TdxCase): Promise<string> =>
  verdict(async () =>
    verifyTdx({
      quote: parseTdxQuote(c.quote),
      collateral: c.collateral as TdxCollateral,
      anchors,
      at: c.at,
      primitives,
      cache,
    }),
  )

const seeds = (count: number, from: number): number[] =>
  only === undefined ? Array.from({ length: count }, (_, index) => from + index) : [Number(only)]

const missing = missingForGoJudge()
if (missing !== undefined) process.stderr.write(`two judges: skipped, as ${missing} is not installed\n`)

describe.skipIf(missing !== undefined)('two judges of the same evidence', { timeout: 900_000 }, () => {
  let judge: GoJudge
  const snp = snpCases()
  const tdx = tdxCases().filter(({ collateral }) => collateral !== undefined)
  beforeAll(async () => {
    judge = await openGoJudge()
  }, 600_000)
  afterAll(async () => judge.close())

  it('agree on all genuine evidence, but for what is explained', async () => {
    expect(snp.length).toBeGreaterThan(0)
    expect(tdx.length).toBeGreaterThan(0)
    for (const c of snp) {
      const ours = await ourSnp(c)
      expect(ours, c.name).toBe('accepted')
      compare({ judge: 'go-sev-guest', seed: 0, what: c.name, ours, statement: c.report }, await goSnp(judge, c))
    }
    for (const c of tdx) {
      const ours = await ourTdx(c)
      expect(ours, c.name).toBe('accepted')
      compare({ judge: 'go-tdx-guest', seed: 0, what: c.name, ours, statement: c.quote }, await goTdx(judge, c))
      const dcap = askDcap(c.quote, dcapCollateral(c.collateral as TdxCollateral), c.at)
      compare({ judge: 'dcap-qvl', seed: 0, what: c.name, ours, statement: c.quote }, dcap)
    }
    expect(unexplained).toEqual([])
  })

  it(`agree on ${snpMutations} altered SNP reports and chains`, async () => {
    // Of a version that the other judge reads.
    const bases = snp.filter(({ report }) => report[0] !== 5)
    await inBatches(seeds(snpMutations, 1), async (seed) => {
      const pick = numbersFrom(seed)
      const [base, other] = [bases[pick(bases.length)] as SnpCase, bases[pick(bases.length)] as SnpCase]
      const altered = mutatedSnp(base, other, pick)
      const [ours, theirs] = await Promise.all([ourSnp(altered), goSnp(judge, altered)])
      compare({ judge: 'go-sev-guest', seed, what: base.name, ours, statement: altered.report }, theirs)
    })
    expect(unexplained.slice(0, 20)).toEqual([])
  })

  it(`agree on ${tdxMutations} altered TD quotes and collateral`, async () => {
    const bases = tdx.filter(({ version }) => version === 4)
    await inBatches(seeds(tdxMutations, 1_000_001), async (seed) => {
      const pick = numbersFrom(seed)
      const [base, other] = [bases[pick(bases.length)] as TdxCase, bases[pick(bases.length)] as TdxCase]
      const altered = mutatedTdx(base, other, pick)
      const [ours, theirs] = await Promise.all([ourTdx(altered), goTdx(judge, altered)])
      compare({ judge: 'go-tdx-guest', seed, what: base.name, ours, statement: altered.quote }, theirs)
      // However its text ends, acceptance rests on the whole chain.
      if (ours === 'accepted') expect(chainOf(altered.quote)).toEqual(chainOf(base.quote))
      if (ours === 'accepted' && !theirs.ok) {
        const signatures = await judge.ask({ kind: 'tdx-signatures', quote: altered.quote, at: altered.at })
        compare(
          { judge: 'go-tdx-guest', seed, what: `${base.name}, signatures`, ours, statement: altered.quote },
          signatures,
        )
      }
    })
    expect(unexplained.slice(0, 20)).toEqual([])
  })

  it.skipIf(!tdx.some(({ version }) => version === 5))(
    `agree on ${dcapMutations} altered TD quotes of version 5, which only @phala/dcap-qvl takes`,
    async () => {
      const bases = tdx.filter(({ version }) => version === 5)
      for (const seed of seeds(dcapMutations, 2_000_001)) {
        const pick = numbersFrom(seed)
        const [base, other] = [bases[pick(bases.length)] as TdxCase, bases[pick(bases.length)] as TdxCase]
        const altered = { ...base, quote: mutate(base.quote, pick, other.quote) }
        const ours = await ourTdx(altered)
        const theirs = askDcap(altered.quote, dcapCollateral(base.collateral as TdxCollateral), base.at)
        compare({ judge: 'dcap-qvl', seed, what: base.name, ours, statement: altered.quote }, theirs)
      }
      expect(unexplained.slice(0, 20)).toEqual([])
    },
  )

  it('disagree only in ways that docs/proof/evidence.md explains by name', () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/proof/evidence.md'), 'utf8')
    for (const { name } of disagreements) expect(text).toContain(`\`${name}\``)
    const lines = [...seen].map(([name, count]) => `  ${name}: ${count}`)
    process.stdout.write(`Explained disagreements met:\n${lines.toSorted().join('\n')}\n`)
  })
})

/** Several cases in parallel, so that both processes have work. */
async function inBatches(all: readonly number[], run: (seed: number) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += 32) await Promise.all(all.slice(at, at + 32).map(run))
}
