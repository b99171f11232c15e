import { existsSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anchors, snpCases, tdxCases, type SnpCase, type TdxCase } from '../judges/corpus.ts'
import * as evidence from './page.ts'
import { browserPath, bundle, openPage } from './support.ts'

type Evidence = typeof evidence

const sizeLimit = 60 * 1024

/** Byte strings as arrays of numbers, so that a case can be sent to the page and a tree back. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, entry: unknown) => (entry instanceof Uint8Array ? { bytes: [...entry] } : entry)),
  )
}

/** One byte of a case changed at each of these places: both sides must give the same refusal. */
function altered(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

type Question =
  | { kind: 'snp'; name: string; report: Uint8Array; chain: SnpCase['chain']; at: string }
  | { kind: 'tdx'; name: string; quote: Uint8Array; collateral: TdxCase['collateral']; at: string }

function questions(): Question[] {
  const snp = snpCases().flatMap(({ name, report, chain, at }): Question[] =>
    [report, ...[0, 0x34, 0x90, 0x2a0].map((place) => altered(report, place))].map((bytes) => {
      return { kind: 'snp', name, report: bytes, chain, at: at.toISOString() }
    }),
  )
  const tdx = tdxCases().flatMap(({ name, quote, collateral, at }): Question[] =>
    [quote, ...[0, 60, 200, 640, 780, 1300].map((place) => altered(quote, place))].map((bytes) => {
      return { kind: 'tdx', name, quote: bytes, collateral, at: at.toISOString() }
    }),
  )
  return [...snp, ...tdx]
}

/** Check tree of a question, and the verifier's own code. Runs here and, as text, in the page: no outer names. */
async function answer(library: Evidence, trusted: typeof anchors, question: Question): Promise<unknown> {
  const at = new Date(question.at)
  const codeOf = (error: unknown): string => (error as { code?: string }).code ?? 'Unexpected'
  if (question.kind === 'snp') {
    const { report, chain } = question
    const tree = await library.checkSnp({ report, chain, anchors: trusted, at })
    const verdict = await (async () =>
      (await library.verifySnp({ report: library.parseSnpReport(report), chain, anchors: trusted, at }))
        .product)().catch(codeOf)
    return { tree: tree.check, verdict }
  }
  const { quote, collateral } = question
  const tree = await library.checkTdx({
    quote,
    ...(collateral === undefined ? {} : { collateral }),
    anchors: trusted,
    at,
  })
  if (collateral === undefined) return { tree: tree.check }
  const verdict = await (async () =>
    (await library.verifyTdx({ quote: library.parseTdxQuote(quote), collateral, anchors: trusted, at }))
      .tcbStatus)().catch(codeOf)
  return { tree: tree.check, verdict }
}

describe('the package bundled for a browser', () => {
  it('is at most 60 KiB compressed and asks for no module of Node', async () => {
    const text = await bundle('page.ts')
    const { length } = gzipSync(text, { level: 9 })
    process.stdout.write(`Bundle: ${text.length} bytes, ${length} compressed\n`)
    expect(length).toBeGreaterThan(10_000)
    expect(length).toBeLessThanOrEqual(sizeLimit)
    expect(text).not.toMatch(/\brequire\(|["']node:/)
  })

  it('judges files in at most 84 KiB, and asks for no module of Node there either', async () => {
    const text = await bundle('files-page.ts')
    const { length } = gzipSync(text, { level: 9 })
    process.stdout.write(`Bundle with files: ${text.length} bytes, ${length} compressed\n`)
    expect(length).toBeLessThanOrEqual(84 * 1024)
    expect(text).toContain('whatIsMissing')
    expect(text).not.toMatch(/\brequire\(|["']node:/)
  })
})

if (!existsSync(browserPath)) process.stderr.write(`browser: skipped, as Debian's package chromium is not installed\n`)

describe.skipIf(!existsSync(browserPath))('Chromium', { timeout: 300_000 }, () => {
  let page: Page
  let close: (() => Promise<void>) | undefined

  beforeAll(async () => {
    ;({ page, close } = await openPage(await bundle('page.ts')))
  })

  afterAll(async () => await close?.())

  it('gives the same trees and verdicts as Node for every SNP report and TD quote, genuine and altered', async () => {
    const all = questions()
    expect(all.length).toBeGreaterThanOrEqual(12)
    const here = []
    for (const question of all) here.push(plain(await answer(evidence, anchors, question)))
    const there = await page.evaluate(
      async ({ source, trusted, sent }) => {
        const revive = (value: unknown): unknown => {
          if (typeof value !== 'object' || value === null) return value
          if (Array.isArray(value)) return value.map(revive)
          const entry = value as Record<string, unknown>
          if (Array.isArray(entry['bytes'])) return Uint8Array.from(entry['bytes'] as number[])
          return Object.fromEntries(Object.entries(entry).map(([name, part]) => [name, revive(part)]))
        }
        const library = (globalThis as unknown as { evidence: unknown }).evidence
        // oxlint-disable-next-line no-implied-eval -- the function of this test, sent as text
        const run = new Function(`return (${source})`)() as (...given: unknown[]) => Promise<unknown>
        const answers = []
        for (const question of sent as unknown[]) answers.push(await run(library, trusted, revive(question)))
        return JSON.parse(JSON.stringify(answers)) as unknown[]
      },
      { source: answer.toString(), trusted: anchors, sent: all.map(plain) },
    )
    for (const [index, question] of all.entries()) expect(there[index], question.name).toEqual(here[index])
    const verdicts = here.map((entry) => (entry as { verdict?: string }).verdict)
    expect(verdicts).toContain('Milan')
    expect(verdicts).toContain('ReportSignatureInvalid')
    expect(verdicts).toContain('QuoteSignatureInvalid')
  })
})
