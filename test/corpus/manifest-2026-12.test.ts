import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseEventLog, parseSnpReport, parseTdxQuote } from '@strongroom/evidence'
import { parseCcaToken } from '@strongroom/evidence/files'
import { detect } from '../../packages/evidence/src/bundle/detect.ts'
import type { Piece } from '../../packages/evidence/src/bundle/pieces/piece.ts'
import { corpusDirectory } from '../../packages/evidence/src/testing/corpus-directory.ts'
import { failedCodes, find, judgeFiles, loadPieces, shows } from './corpus.ts'

interface Entry {
  path: string
  kind: string
  product: string
  split: string
  expected: { outcome: string; reportData?: string; pcr00?: string; signerCert?: string }
}

const path = join(corpusDirectory, 'MANIFEST-2026-12.json')
const present = existsSync(path)
const entries = present
  ? (JSON.parse(readFileSync(path, 'utf8')) as Entry[]).filter(({ split }) => split === 'public')
  : []
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(corpusDirectory, name)))
const found = (name: string): Piece[] => detect(name, read(name))
const kindsOf = (pieces: readonly Piece[]): string[] => [...new Set(pieces.map(({ kind }) => kind))]
const time = new Date('2026-06-01T00:00:00Z')
if (!present) process.stderr.write(`skipped: no ${path}\n`)

/** Claims, records and reference values in words, as tests of their source compare them: nothing here is signed. */
const isText = (name: string): boolean =>
  /\.diag$|_out\.json$|parsed_output\.(txt|json)$|-claims\.(txt|json)$|claimsv3_decoded\.json$/i.test(name) ||
  /__json__test-.*\.json$|\/(rvstore|tastore|rv|ta|ta-02-\w+)\.json$/.test(name)

/** An SNP report in CBOR, which is judged. */
const tsmReport = 'veraison-services/scheme__sevsnp__test__evidence__sevsnp-tsm-report.cbor'
/** Kinds that are recognised and not verified here, by the product of the entry. */
const named = /Hygon|NVIDIA|CoRIM|Parsec|psa-iot|tpm-enacttrust|arm-cca|sevsnp|parsec|end-to-end/

describe.skipIf(!present)('every entry of the manifest of December 2026', { timeout: 240_000 }, () => {
  beforeAll(loadPieces)

  it('has the verdict of its bytes in each form, and is accepted only where its source accepts it', async () => {
    const differ: unknown[] = []
    const accepted: string[] = []
    expect(entries.length).toBeGreaterThan(300)
    for (const { path: name, expected } of entries) {
      const bytes = Buffer.from(read(name))
      const verdicts: string[] = []
      const [base64, hex] = [bytes.toString('base64'), bytes.toString('hex')]
      // Under a name that promises evidence, what is none is refused.
      const promised = isText(name) ? [] : [{ evidence: base64 }, { evidence: hex }]
      const json = [{ thing: base64 }, { thing: hex }, { thing: [...bytes] }, ...promised]
      for (const form of [bytes, base64, hex, ...json.map((each) => JSON.stringify(each))]) {
        const { verdict, code } = await judgeFiles(detect(name, new Uint8Array(Buffer.from(form))), time)
        verdicts.push(code === undefined ? verdict : `${verdict} ${code}`)
      }
      if (verdicts.includes('accepted')) accepted.push(`${expected.outcome.slice(0, 5)} ${name}`)
      if (new Set(verdicts).size > 1) differ.push([name, verdicts])
    }
    expect(differ).toEqual([])
    expect(accepted).toEqual([
      'valid confidential-containers-trustee/evidence-v2.json',
      'valid confidential-containers-trustee/evidence-genoa.json',
      `valid ${tsmReport}`,
      'valid confidential-dot-ai-attestation-rs/az_snp__live-evidence.json',
    ])
  })

  it('is evidence, or what evidence is judged with, or is named as what it is; texts that describe evidence are none', () => {
    const counts: Record<string, number> = {}
    for (const { path: name } of entries) {
      const pieces = found(name)
      const [first] = pieces
      const kinds = kindsOf(pieces).filter((kind) => kind !== 'unused')
      const reason = first?.kind === 'unknown' ? first.reason.replace(/^It is |, which is not verified.*$/g, '') : ''
      const what = kinds.includes('unknown') ? reason : kinds.join(' ')
      if (isText(name)) expect([name, pieces.map(({ kind }) => kind)]).toEqual([name, [expect.stringMatching(/^un/)]])
      else expect([name, pieces.some((piece) => piece.kind !== 'unknown' || piece.recognised)]).toEqual([name, true])
      const group = isText(name) ? 'a text that describes evidence' : what
      counts[group] = (counts[group] ?? 0) + 1
    }
    expect(counts).toEqual({
      'a CoMID, reference values': 23,
      'a CoRIM, reference values': 66,
      'a RIM in SWID, reference values': 36,
      'a certificate of Hygon CSV': 1,
      'a key in CBOR (COSE_Key)': 1,
      'a message of CoSERV, which carries reference values': 10,
      'a signed CoRIM, reference values': 9,
      'a signed statement in CBOR, such as a PSA token': 3,
      'a text that describes evidence': 113,
      'an attestation of dstack, with a nitro-document in it': 2,
      'an attestation of dstack, with a snp-report in it': 1,
      'cca-token': 7,
      certificates: 31,
      'certificates snp-report': 1,
      'concise evidence (CoEV)': 3,
      'event-log': 3,
      'evidence of Parsec': 1,
      'hcl-report': 1,
      jwks: 10,
      'public-key tpm-quote': 1,
      'snp-report': 6,
      'tdx-quote': 7,
      'the SPDM report of a device, such as an NVIDIA GPU or switch': 17,
      'the claims of a token without its signature': 5,
      'the report of a Hygon CSV guest': 1,
      token: 1,
      'tpm-quote hcl-report certificates': 3,
      'tpm-quote hcl-report tdx-quote': 1,
    })
  })

  it('gives the deepest genuine file the verdict that it has by itself, in base64 too', async () => {
    const bytes = Buffer.from(read('Dstack-TEE-dstack/quote-report.json'))
    const forms = [
      bytes,
      Buffer.from(bytes.toString('base64')),
      Buffer.from(JSON.stringify({ a: bytes.toString('base64') })),
    ]
    for (const form of forms) {
      const judgement = await judgeFiles(detect('f', new Uint8Array(form)), time)
      expect([judgement.verdict, failedCodes(judgement.check).includes('TooDeep')]).toEqual(['unjudged', false])
    }
  })

  it.each(
    entries
      .filter(({ kind, product, path: name }) => kind === 'other' && named.test(product) && name !== tsmReport)
      .map((e) => [e.path, e] as const),
  )('%s is evidence or a key, or keeps the verdict open by its name', async (name) => {
    const pieces = found(name)
    const judgement = await judgeFiles(pieces, time)
    expect([name, failedCodes(judgement.check).includes('TooDeep')]).toEqual([name, false])
    expect([name, judgement.verdict === 'accepted']).toEqual([name, false])
    if (!pieces.some((piece) => piece.kind === 'unknown' && piece.recognised === true)) return
    // Under a name that promises evidence, it is what it is.
    const promised = JSON.stringify({ evidence: Buffer.from(read(name)).toString('base64') })
    expect([name, (await judgeFiles(detect(name, Buffer.from(promised)), time)).verdict]).toEqual([name, 'unjudged'])
  })

  const reports = entries.filter(
    ({ kind, expected }) => kind === 'snp-report' && expected.signerCert?.endsWith('pem') === true,
  )
  it.each(reports.map((entry) => [entry.path, entry] as const))(
    '%s is signed by its VCEK',
    async (name, { expected }) => {
      const report = read(name)
      const { check } = await judgeFiles([...found(name), ...found(expected.signerCert!)], time)
      expect(parseSnpReport(report).raw).toEqual(report)
      expect([find(check, 'snp.chain.path')?.outcome, find(check, 'snp.signature')?.outcome]).toEqual([
        'passed',
        'passed',
      ])
      for (const place of [0x50, 0x90, 0x180]) {
        const changed = report.map((byte, index) => (index === place ? byte ^ 1 : byte))
        const bad = await judgeFiles([...detect(name, changed), ...found(expected.signerCert!)], time)
        expect([place, bad.verdict]).toEqual([place, 'refused'])
      }
    },
  )

  it.each(
    entries
      .filter(({ kind, path: name }) => kind === 'hcl-report' && name.endsWith('json'))
      .map((e) => [e.path, e] as const),
  )('%s binds its claims, and its TPM answers what it says', async (name, { expected, product }) => {
    const judgement = await judgeFiles(found(name), new Date('2026-06-01'))
    expect(shows(judgement, 'hcl.binding')).toBe('passed')
    expect(shows(judgement, 'tpm.signature')).toBe('passed')
    if (product.includes('TDX')) return
    expect(shows(judgement, 'snp.signature')).toBe('passed')
    const { pcr00, reportData } = expected
    if (pcr00 === undefined || reportData === undefined) return
    const nonce = Buffer.from(reportData, 'hex')
    const pcrs = new Map([[0, Buffer.from(pcr00, 'hex')]])
    const held = await judgeFiles(found(name), time, { policy: { tpm: { nonce, pcrs } } })
    expect([shows(held, 'tpm.nonce'), shows(held, 'tpm.expected')]).toEqual(['passed', 'passed'])
    const other = await judgeFiles(found(name), time, { policy: { tpm: { nonce: nonce.subarray(1) } } })
    expect(failedCodes(other.check)).toContain('NonceMismatch')
  })

  it.each(entries.filter(({ kind }) => kind === 'tdx-quote').map(({ path: name }) => [name]))(
    '%s is signed by its platform’s quoting enclave',
    async (name) => {
      expect(parseTdxQuote(read(name)).body.rtmrs).toHaveLength(4)
      const judgement = await judgeFiles(found(name), time)
      for (const id of ['tdx.qe.signature', 'tdx.qe.binding', 'tdx.signature'])
        expect([id, shows(judgement, id)]).toEqual([id, 'passed'])
    },
  )

  it.each(
    entries.filter(({ kind, path: name }) => kind === 'ccel' && !name.endsWith('json')).map(({ path: name }) => [name]),
  )('%s is an event log', (name) => {
    expect(kindsOf(found(name))).toEqual(['event-log'])
    expect(parseEventLog(read(name)).events.length).toBeGreaterThan(5)
  })

  it('holds Arm CCA by its platform’s key as JWK: endorsed by nobody, or by the policy', async () => {
    const token = 'confidential-containers-trustee/cca-example-token.cbor'
    expect(parseCcaToken(read(token)).platform.lifecycle).toBe(0x3003)
    const files = [...found(token), ...found('confidential-containers-trustee/cpak-pub.json')]
    expect((await judgeFiles(files, time)).verdict).toBe('unendorsed')
    const measured = { cca: { initialMeasurements: [parseCcaToken(read(token)).realm.initialMeasurement] } }
    expect((await judgeFiles(files, time, { policy: measured })).verdict).toBe('unendorsed')
    const another = { cca: { initialMeasurements: [new Uint8Array(32)] } }
    expect((await judgeFiles(files, time, { policy: another })).verdict).toBe('refused')
  })

  it('holds a quote of Trustee’s TPM attester by the key beside it, which binds nothing', async () => {
    const judgement = await judgeFiles(found('confidential-containers-trustee/tpm_evidence.json'), time)
    expect([judgement.verdict, shows(judgement, 'tpm.signature')]).toEqual(['unjudged', 'passed'])
    expect(shows(judgement, 'tpm.binding')).toBe('skipped')
  })

  it('names the bad signature of a quote whose key a certificate names (attack E33)', async () => {
    const folder = 'Fraunhofer-AISEC-cmc/azure'
    const signature = read(`${folder}/vtpm-quote.sig`)
    const judged = async (bytes: Uint8Array | undefined): Promise<[string, string[], string | undefined]> => {
      const own = bytes === undefined ? [] : detect('quote-bad.sig', bytes)
      const pieces = [...found(`${folder}/vtpm-quote.msg`), ...own, ...found(`${folder}/vtpm-ak-cert.der`)]
      const { verdict, check } = await judgeFiles(pieces, time)
      return [verdict, failedCodes(check), find(check, 'tpm.signature')?.message]
    }
    const flip = (place: number): Uint8Array => signature.map((byte, at) => (at === place ? byte ^ 1 : byte))
    expect((await judged(signature)).slice(0, 2)).toEqual(['unjudged', []])
    expect((await judged(flip(200))).slice(0, 2)).toEqual(['refused', ['TpmSignatureInvalid']])
    expect((await judged(flip(0))).slice(0, 2)).toEqual(['refused', ['UnknownType']])
    expect((await judged(flip(3))).slice(0, 2)).toEqual(['refused', ['UnknownType']])
    expect((await judged(flip(5))).slice(0, 2)).toEqual(['refused', ['Truncated']])
    expect((await judged(signature.slice(0, -1))).slice(0, 2)).toEqual(['refused', ['Truncated']])
    expect(await judged(undefined)).toEqual(['unjudged', [], 'The signature was not given'])
  })
})
