import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../packages/evidence/src/core/bytes/hex.ts'
import { detect } from '../../packages/evidence/src/bundle/detect.ts'
import { explain } from '../../packages/evidence/src/bundle/explain/explain.ts'
import { judge, type Judgement } from '../../packages/evidence/src/bundle/judge.ts'
import {
  anchors,
  at,
  collateral,
  collateralAt,
  corpus,
  debugAllowed,
  failedCodes,
  find,
  isNegative,
  judgeFiles,
  loadPieces,
  manifest,
  of,
  present,
  read,
  shows,
} from './corpus.ts'

beforeAll(loadPieces)

describe.skipIf(!present)('files of evidence of genuine silicon', () => {
  it.each(of('snp-report', 'hcl-report').filter(([, entry]) => entry.expected.signerCert !== undefined))(
    '%s: a report whose key is at hand is accepted in its time, and refused before and after',
    async (path, { expected }) => {
      const files = [...new Set([path, expected.signerCert!])]
      const nonce = expected.nonceHex === undefined ? {} : { tpm: { nonce: fromHex(expected.nonceHex) } }
      const policy = { ...debugAllowed, ...nonce }
      const good = await judgeFiles(files, at(expected.validFrom!), { policy })
      expect([good.verdict, good.code]).toEqual(['accepted', undefined])
      const early = new Date(at(expected.validFrom!).getTime() - 2000)
      expect((await judgeFiles(files, early, { policy })).code).toBe('CertificateNotYetValid')
      // A bundle may contain a certificate of the same key that AMD issued slightly later.
      const late = new Date(at(expected.validTo!).getTime() + 365 * 86_400_000)
      expect((await judgeFiles(files, late, { policy })).code).toBe('CertificateExpired')
    },
  )

  it('takes a report that the sev crate wrote as JSON', async () => {
    const judgement = await judgeFiles(
      ['confidential-containers-trustee/e2e-evidence.json'],
      new Date('2026-03-01T00:00:00Z'),
    )
    expect(judgement.verdict).toBe('accepted')
  })

  it.each(of('snp-report', 'hcl-report').filter(([, entry]) => isNegative(entry)))(
    '%s is not accepted',
    async (path) => {
      const folder = path.split('/').slice(0, -1).join('/')
      const keys = of('vcek')
        .map(([key]) => key)
        .filter((key) => key.startsWith(`${folder}/`) && !key.includes('invalid'))
      const judgement = await judgeFiles([path, ...keys], new Date('2024-01-01T00:00:00Z'))
      expect(judgement.verdict).not.toBe('accepted')
      if (keys.length > 0) expect(judgement.verdict).toBe('refused')
    },
  )

  it.each(of('vcek'))('%s: a key is under its root or refused, as stated', async (path, entry) => {
    const judgement = await judgeFiles(detect(path, read(path)), at(entry.expected.validFrom!))
    const own = judgement.check.children.filter(({ shows: text }) => text.startsWith(`${path}:`))
    const outcomes = own.map(({ outcome }) => outcome)
    expect(outcomes).toContain(isNegative(entry) ? 'failed' : 'passed')
    if (!isNegative(entry)) expect(outcomes).not.toContain('failed')
  })

  it.each(of('cert-chain').filter(([path]) => !path.startsWith('intel-SGX')))(
    '%s: every authority is under a pinned root',
    async (path, entry) => {
      const pieces = detect(path, read(path)).filter((piece) => piece.kind === 'certificates')
      const [first] = pieces
      expect(first).toBeDefined()
      // The collateral's signer and keys have shorter validity than their issuers.
      for (const time of ['2021-01-01', '2023-06-01', '2025-06-01', '2026-03-20']) {
        const judgement = await judgeFiles(pieces, new Date(`${time}T00:00:00Z`))
        const own = judgement.check.children.filter(({ shows: text }) => text.startsWith(path))
        if (own.length > 0 && own.every(({ outcome }) => outcome === 'passed')) return
      }
      expect(entry.expected.outcome).not.toBe('valid')
    },
  )

  it.each(of('cert-chain').filter(([path]) => path.startsWith('intel-SGX')))(
    '%s: Intel’s test authorities are not trusted',
    async (path) => {
      const judgement = await judge({ pieces: detect(path, read(path)), anchors, at: new Date('2024-01-01T00:00:00Z') })
      expect(judgement.verdict).toBe('refused')
    },
  )

  it.each(of('crl', 'tdx-collateral').filter(([, entry]) => (entry.expected.windows?.length ?? 0) > 0))(
    '%s: Intel’s words are genuine inside their windows only',
    async (path, { expected }) => {
      const windows = expected.windows!
      const inside = new Date(Math.max(...windows.map(({ frm }) => Date.parse(frm))) + 1000)
      const after = new Date(Math.min(...windows.map(({ to }) => Date.parse(to))) + 1000)
      const own = detect(path, read(path))
      const judged = async (time: Date): Promise<string[]> => {
        const { check } = await judgeFiles(own, time, {
          more: collateralAt(time).filter(({ name }) => name !== path),
        })
        return check.children.filter(({ shows: text }) => text.startsWith(path)).map(({ outcome }) => outcome)
      }
      if (expected.outcome!.startsWith('not trusted')) {
        expect(await judged(inside)).toContain('failed')
        return
      }
      const good = await judged(inside)
      expect(good.length).toBeGreaterThan(0)
      // A root's list may be missing for the time; then there is neither a claim nor a fault.
      expect(good).not.toContain('failed')
      expect(await judged(after)).toContain('failed')
    },
  )

  it.each(of('tdx-quote'))('%s: a quote’s signatures and platform are judged as stated', async (path, { expected }) => {
    if (expected.pckValidFrom === null || expected.outcome!.startsWith('NEGATIVE')) {
      const judgement = await judgeFiles([path], at(expected.pckValidFrom ?? '2024-01-01T00:00:00Z'), {
        more: collateral,
      })
      expect(judgement.verdict).toBe('refused')
      return
    }
    const bare = await judgeFiles([path], at(expected.pckValidFrom!))
    expect(bare.verdict).toBe('unjudged')
    for (const id of ['tdx.pck.path', 'tdx.qe.signature', 'tdx.qe.binding', 'tdx.signature'])
      expect(shows(bare, id)).toBe('passed')
    for (const tcb of expected.tcb!.filter((each) => existsSync(join(corpus, each.collateral)))) {
      const time = at(tcb.atTimesFrom)
      const others = collateralAt(time).filter(({ kind, name }) => kind !== 'tcb-info' && name !== tcb.collateral)
      const { check } = await judgeFiles([path], time, {
        more: [...detect(tcb.collateral, read(tcb.collateral)), ...others],
      })
      const platform = find(check, 'tdx.platform')
      // If the corpus has no revocation list of that time, Intel's texts are refused and there is no claim.
      if (platform?.outcome === 'passed') expect(platform.actual).toMatch(new RegExp(`^${tcb.platformStatus}\\b`))
      else expect(platform?.outcome).toBe('skipped')
    }
  })

  it.each(
    of('hcl-report').filter(([, { expected }]) => expected.signerCert === undefined && expected.negative === undefined),
  )('%s: claims are bound; the hardware cannot be judged without quote and collateral', async (path, { expected }) => {
    const time = at(expected.pckValidFrom ?? '2024-01-01T00:00:00Z')
    const judgement = await judgeFiles([path], time)
    expect(judgement.verdict).toBe('unjudged')
    for (const id of ['hcl.binding', 'hcl.key', 'tdReport.hashes']) expect(shows(judgement, id)).toBe('passed')
  })

  const akOf: Record<string, string[]> = {
    'kinvolk-azure-cvm-tooling/quote.bin': [],
    'confidential-containers-trustee/az-snp-vtpm/quote.bin': [
      'confidential-containers-trustee/az-snp-vtpm/hcl-report.bin',
    ],
    'confidential-containers-trustee/az-snp-vtpm/tpm-quote-v1.json': [
      'confidential-containers-trustee/az-snp-vtpm/hcl-report.bin',
    ],
    'confidential-containers-trustee/az-tdx-vtpm/quote.bin': [
      'confidential-containers-trustee/az-tdx-vtpm/hcl-report.bin',
    ],
    'confidential-containers-trustee/az-tdx-vtpm/tpm-quote-v1.json': [
      'confidential-containers-trustee/az-tdx-vtpm/hcl-report.bin',
    ],
  }
  it.each(Object.entries(akOf).filter(([, beside]) => beside.length > 0))(
    '%s: a quote holds under the key of its HCL report',
    async (path, beside) => {
      const judged = (nonce: string): Promise<Judgement> =>
        judgeFiles([path, ...beside], new Date('2024-01-01T00:00:00Z'), { policy: { tpm: { nonce: fromHex(nonce) } } })
      const good = await judged(toHex(new TextEncoder().encode('challenge')))
      for (const id of ['tpm.signature', 'tpm.nonce', 'tpm.registers']) expect(shows(good, id)).toBe('passed')
      expect(failedCodes((await judged(toHex(new TextEncoder().encode('egnellahc')))).check)).toContain('NonceMismatch')
    },
  )

  it('takes a GCE quote by its own key, and its event log, but not the bank of SHA-1', async () => {
    const path = 'google-go-tpm-tools/gce-cos-85-no-nonce.pb'
    const quotes = detect(path, read(path)).filter((piece) => piece.kind === 'tpm-quote')
    expect(quotes.map(({ bank }) => bank)).toEqual(['sha1', 'sha256', 'sha384'].slice(0, quotes.length))
    for (const quote of quotes) {
      const judgement = await judgeFiles([quote], new Date('2024-01-01T00:00:00Z'))
      expect([quote.bank, judgement.verdict]).toEqual([quote.bank, quote.bank === 'sha1' ? 'refused' : 'unjudged'])
      // Everything the quote itself shows holds; its key came in the same file, which is no reason to trust it.
      if (quote.bank === 'sha1') continue
      for (const id of ['tpm.key', 'tpm.signature', 'tpm.registers', 'log.replay'])
        expect(shows(judgement, id)).toBe('passed')
      expect(shows(judgement, 'tpm.binding')).toBe('skipped')
    }
  })

  it('takes a quote in parts under the key of a certificate, once its root is given', async () => {
    const folder = 'Fraunhofer-AISEC-cmc/azure'
    const files = ['vtpm-quote.msg', 'vtpm-quote.sig', 'vtpm-ak-cert.der'].map((name) => `${folder}/${name}`)
    const judgement = await judgeFiles(files, new Date('2026-03-20T00:00:00Z'))
    expect(shows(judgement, 'tpm.signature')).toBe('passed')
    expect(judgement.verdict).toBe('unjudged')
    const other = { tpm: { roots: [{ name: 'x', spkiSha256: '00'.repeat(32) }] } }
    expect((await judgeFiles(files, new Date('2026-03-20T00:00:00Z'), { policy: other })).verdict).toBe('refused')
  })

  it('does not take a message and a signature that do not belong together', async () => {
    const folder = 'confidential-containers-trustee/az-snp-vtpm'
    const judgement = await judgeFiles(
      [`${folder}/tpm-quote.msg`, `${folder}/tpm-quote.sig`, `${folder}/hcl-report.bin`],
      new Date('2024-01-01T00:00:00Z'),
    )
    expect(judgement.verdict).toBe('refused')
    expect(shows(judgement, 'tpm.signature')).toBe('failed')
  })

  it.each(of('tcg-eventlog', 'ccel'))('%s: a log is read or refused as stated', async (path, entry) => {
    const pieces = detect(path, read(path))
    const logs = pieces.filter(({ kind }) => kind === 'event-log')
    const { verdict } = await judge({ pieces: logs.length > 0 ? logs : pieces, anchors, at: new Date() })
    // A log alone makes no statement: a readable one is no more accepted than an unreadable one.
    if (entry.parsed.log !== undefined) expect(verdict).toBe('nothing')
    else expect(['refused', 'unjudged']).toContain(verdict)
  })

  it.each(of('maa-token').filter(([path]) => /\.(jwt|txt|bin)$/.test(path)))(
    '%s: a token is judged as stated',
    async (path, { expected }) => {
      if (expected.negative !== undefined) {
        expect((await judgeFiles([path], new Date('2024-01-01T00:00:00Z'))).verdict).toBe('refused')
        return
      }
      const after = at(expected.exp ?? expected.validTo!)
      expect((await judgeFiles([path], after)).code).toBe('TokenExpired')
      if (expected.keys === undefined) {
        expect((await judgeFiles([path], new Date((expected.exp! - 60) * 1000))).verdict).toBe('unjudged')
        return
      }
      expect((await judgeFiles([path, expected.keys], at(expected.validFrom!))).verdict).toBe('accepted')
      expect((await judgeFiles([path, expected.keys], after)).code).toBe('TokenExpired')
    },
  )

  it.each(of('skr-policy').filter(([path]) => path.endsWith('akv-release-response.json')))(
    '%s: a release answer holds in its signer’s time',
    async (path, { expected }) => {
      expect((await judgeFiles([path], at(expected.validFrom!))).verdict).toBe('accepted')
      expect((await judgeFiles([path], at(expected.validTo!))).code).toBe('CertificateExpired')
    },
  )

  it('explains every file without an exception', () => {
    for (const [path] of manifest.map((entry) => [entry.path])) {
      for (const piece of detect(path!, read(path!))) {
        const { fields, fault } = explain(piece)
        expect(fault !== undefined || fields.every(({ name, meaning }) => name !== '' && meaning !== '')).toBe(true)
      }
    }
  })
})
