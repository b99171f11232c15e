import * as nodeCrypto from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { visibleText } from '@strongroom/contract'
import { nodePrimitives, toHex, VerificationCache } from '@strongroom/evidence'
import { explain } from '@strongroom/evidence/explain'
import { genuineAwsAnchors, judge } from '@strongroom/evidence/files'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPieces } from '../../apps/cli/src/evidence/files.ts'
import { makeBoot, makeSilicon, type Boot } from '../corpus/boot.ts'
import { anchors, at, corpus, manifest, of, present, read } from '../corpus/corpus.ts'
import { expectAccessible } from './support/accessible.ts'
import { InspectorTest } from './support/inspector.ts'
import { chromiumIsInstalled } from './support/portal.ts'

/** Files that are given together, and the time at which they are verified. */
interface Question {
  paths: string[]
  at: string
}

if (!present) process.stderr.write(`portal: the corpus of evidence is not at ${corpus}, its files are skipped\n`)

/** As `strongroom evidence verify` and `evidence explain` verify and explain these files. */
async function commandLine({ paths, at: time }: Question): Promise<object> {
  const pieces = await readPieces(paths)
  const judgement = await judge({
    pieces,
    anchors: { ...anchors, aws: [...genuineAwsAnchors] },
    at: new Date(time),
    policy: {},
    primitives: nodePrimitives(nodeCrypto),
    cache: new VerificationCache(),
  })
  return plain({ judgement, explanations: pieces.map(explain) })
}

/** Byte strings as hexadecimal. */
const plain = (value: unknown): object =>
  JSON.parse(
    JSON.stringify(value, (_, entry: unknown) => (entry instanceof Uint8Array ? toHex(entry) : entry)),
  ) as object

describe.skipIf(!chromiumIsInstalled)('the inspector', { timeout: 600_000 }, () => {
  let test: InspectorTest
  let page: Page
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strongroom-inspected-'))
    test = await InspectorTest.open()
    page = await test.page()
    // As text: an import that a test writes does not resolve in the page.
    await page.evaluate(
      `import(new URL(${JSON.stringify(test.verifier)}, location.href).href).then((all) => void (globalThis.verifier = all))`,
    )
  }, 300_000)
  afterAll(async () => {
    await test?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The answer of the page's own code, from the same chunk that its controls use. */
  async function inPage(question: Question & { files: { name: string; base64: string }[] }): Promise<unknown> {
    return await page.evaluate(async ({ files, at: time }) => {
      const { inspect } = (
        globalThis as unknown as { verifier: typeof import('../../apps/portal/src/inspector/inspect.ts') }
      ).verifier
      const given = files.map(({ name, base64 }) => ({
        name,
        bytes: Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)),
      }))
      const { judgement, pieces } = await inspect(given, { at: new Date(time) })
      const hex = (_: string, value: unknown): unknown =>
        value instanceof Uint8Array ? Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('') : value
      const answer = { judgement, explanations: pieces.map(({ explanation }) => explanation) }
      return JSON.parse(JSON.stringify(answer, hex)) as unknown
    }, question)
  }

  async function same(questions: Question[], load: (path: string) => Uint8Array): Promise<object[]> {
    const answers: object[] = []
    for (const question of questions) {
      const files = question.paths.map((path) => ({ name: path, base64: Buffer.from(load(path)).toString('base64') }))
      const there = await inPage({ ...question, files })
      const here = await commandLine(question)
      expect(there, question.paths.join(' ')).toEqual(here)
      answers.push(here)
    }
    return answers
  }

  it.skipIf(!present)(
    'gives the verdict, the checks and the fields of the command line for every file of the corpus',
    async () => {
      const all = (path: string): string => join(corpus, path)
      const load = (path: string): Uint8Array => read(path.slice(corpus.length + 1))
      const alone = manifest.map(({ path, expected }) => ({
        paths: [all(path)],
        at: at(expected.validFrom ?? '2026-03-20T00:00:00Z').toISOString(),
      }))
      const chains = of('cert-chain').map(([path]) => path)
      const together = of('snp-report', 'hcl-report').flatMap(([path, { expected }]) => {
        const beside = chains.filter((chain) => chain.split('/')[0] === path.split('/')[0])
        const paths = [...new Set([path, expected.signerCert ?? path, ...beside])].map(all)
        return [{ paths, at: at(expected.validFrom ?? '2026-03-20T00:00:00Z').toISOString() }]
      })
      expect(alone.length).toBeGreaterThan(200)
      const answers = await same([...alone, ...together], load)
      const verdicts = answers.map((answer) => (answer as { judgement: { verdict: string } }).judgement.verdict)
      expect([...new Set(verdicts)].toSorted()).toEqual(['accepted', 'nothing', 'refused', 'unjudged'])
    },
  )

  it('gives those of the command line for hostile sets of files', async () => {
    const silicon = await makeSilicon()
    const boot: Boot = await makeBoot('SNP', silicon)
    const { vcekChainPem, report } = boot.evidence.silicon as { vcekChainPem: string; report: string }
    const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'))
    const sets: Record<string, Record<string, string | Uint8Array>> = {
      'a boot whole': { 'boot.json': JSON.stringify(boot.evidence), 'chain.pem': vcekChainPem },
      'a report cut short': { 'report.bin': bytes(report).subarray(0, 1183), 'chain.pem': vcekChainPem },
      'a report twice': { 'a.bin': bytes(report), 'b.bin': bytes(report), 'chain.pem': vcekChainPem },
      'markup for a name': { '<img src=x onerror=alert(1)>.bin': bytes(report) },
      'two members of one name': { 'a.json': '{"report":"AA","report":"BB"}' },
      'nesting without end': { 'deep.json': '['.repeat(50_000) },
      'a key set with markup': {
        'certs.json': JSON.stringify({ keys: [{ kid: '<img onerror=alert(1)>', kty: 'RSA' }] }),
      },
      'no claims': { 'token.jwt': 'eyJhbGciOiJub25lIn0.e30.' },
      nothing: { empty: '' },
    }
    for (const [what, files] of Object.entries(sets)) {
      const paths = Object.entries(files).map(([name, content]) => {
        const path = join(folder, name)
        writeFileSync(path, content)
        return path
      })
      const load = (path: string): Uint8Array => {
        const content = files[path.slice(folder.length + 1)]!
        return typeof content === 'string' ? new Uint8Array(Buffer.from(content)) : content
      }
      const [answer] = await same([{ paths, at: boot.at.toISOString() }], load)
      expect((answer as { judgement: { verdict: string } }).judgement.verdict, what).not.toBe('accepted')
    }
  })

  const paste = async (text: string): Promise<void> => {
    await page.getByRole('textbox', { name: /^Paste/ }).fill(text)
    await page.getByRole('button', { name: 'Inspect the text' }).click()
  }
  const verdict = (): ReturnType<Page['getByRole']> => page.getByRole('region', { name: 'Verdict' })

  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const tokenOf = (claims: object): string =>
    `${part({ alg: 'RS256', kid: 'k', typ: 'JWT' })}.${part(claims)}.${Buffer.alloc(256, 1).toString('base64url')}`

  it('decodes a token that it cannot verify, and says what is missing', async () => {
    const now = Math.floor(Date.now() / 1000)
    const times = { iat: now - 60, nbf: now - 60, exp: now + 3600 }
    await paste(
      tokenOf({ iss: 'https://sharedweu.weu.attest.azure.net', ...times, 'x-ms-attestation-type': 'sevsnpvm' }),
    )
    await verdict().getByRole('heading', { name: 'Cannot be judged' }).waitFor()
    expect(await verdict().textContent()).toContain('What is missing')
    const fields = page.getByRole('table')
    expect(await fields.textContent()).toContain('sevsnpvm')
  })

  it('shows hostile text as text, in every field, and sends nothing of it anywhere', async () => {
    const hostile = '<img src=x onerror="document.title=\'ran\'">'
    const before = test.requested.length
    for (const value of [hostile, 'safe\u202Eevil\u2066', 'A'.repeat(10_000)]) {
      await paste(tokenOf({ iss: value, sub: value, [value.slice(0, 200)]: value }))
      await verdict().waitFor()
      await expect.poll(() => page.getByRole('table').textContent()).toContain(visibleText(value.slice(0, 200)))
    }
    await page.getByLabel(/choose them/).setInputFiles({
      name: hostile.replaceAll('/', ''),
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(tokenOf({ iss: hostile })),
    })
    await expect.poll(() => page.locator('.piece-name').first().textContent()).toContain('<img')
    expect(await page.title()).toBe('Inspector · Strongroom')
    expect(await page.locator('img').count()).toBe(0)
    expect(test.requested.slice(before)).toEqual([])
    expect(test.faults).toEqual([])
  })

  it('may connect to nothing, whatever runs in it', async () => {
    const before = test.faults.length
    const refused = await page.evaluate(async () => await fetch('/some/place/icon.svg').then(() => 'answered', String))
    expect(refused).toContain('TypeError')
    expect(test.faults.splice(before).join(' ')).toContain('Content Security Policy')
  })

  it('takes several files at once, marks a field in the bytes, and works by keyboard alone', async () => {
    const bytes = Buffer.alloc(1184)
    bytes.writeUInt32LE(2, 0)
    bytes.writeBigUInt64LE(0x30000n, 8)
    bytes.writeUInt32LE(1, 0x34)
    Buffer.from('00112233445566778899aabbccddeeff'.repeat(3), 'hex').copy(bytes, 0x90)
    await page.getByLabel(/choose them/).setInputFiles([
      { name: 'report.bin', mimeType: 'application/octet-stream', buffer: bytes },
      { name: 'token.jwt', mimeType: 'text/plain', buffer: Buffer.from(tokenOf({ iss: 'https://a.example' })) },
    ])
    await expect.poll(() => page.locator('.piece').count()).toBe(2)
    const field = page.getByRole('button', { name: 'measurement', exact: true })
    await field.focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('.hex mark').allTextContents()).toHaveLength(3)
    expect(await page.getByText('marked: 144 to 191').count()).toBe(1)
    await page.getByRole('textbox', { name: /^Paste/ }).fill('')
    await page.keyboard.type(tokenOf({ iss: 'https://b.example' }))
    await page.keyboard.press('Control+Enter')
    await expect.poll(() => page.locator('.piece').count()).toBe(1)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Inspect the text')
  })

  it('is accessible, empty and with a verdict', async () => {
    await expectAccessible(page)
    await page.reload()
    await page.getByRole('heading', { name: 'Inspector' }).waitFor()
    await expectAccessible(page)
  })
})
