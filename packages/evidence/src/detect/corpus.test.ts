import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../bytes/hex.ts'
import { type Check } from '../result/check.ts'
import type { TrustAnchors } from '../result/trust-anchors.ts'
import { genuineAmdAnchors } from '../snp/products.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { genuineIntelAnchors } from '../tdx/collateral.ts'
import { detect } from './detect.ts'
import { explain } from './explain.ts'
import { baseline, type EvidencePolicy, judge, type Judgement } from './judge.ts'
import type { Piece, PieceOf } from './piece.ts'

/** Real evidence with known outcomes, beside the source tree and not part of it. */
const corpus = process.env['STRONGROOM_EVIDENCE_DIR'] ?? join(import.meta.dirname, '../../../../../shared/evidence')
const present = existsSync(join(corpus, 'MANIFEST.json'))

interface Entry {
  path: string
  kind: string
  expected: {
    outcome?: string
    negative?: string
    signerCert?: string
    validFrom?: string | number
    validTo?: string | number
    pckValidFrom?: string | null
    exp?: number
    keys?: string
    nonceHex?: string
    windows?: { frm: string; to: string }[]
    tcb?: { collateral: string; atTimesFrom: string; platformStatus: string; converged: string }[]
  }
  parsed: { collateral?: { signer?: string; signatureOk?: boolean }[]; log?: object }
}

interface Mutation {
  base: string
  edits: {
    offset?: number
    xor?: number
    truncate?: number
    replace?: [string, string]
    reserialize?: string
    jsonField?: string
    note?: string
  }[]
  expect: string
  field: string
  signer?: string
}

const anchors: TrustAnchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }
const read = (path: string): Uint8Array => new Uint8Array(readFileSync(join(corpus, path)))
const manifest = present ? (JSON.parse(new TextDecoder().decode(read('MANIFEST.json'))) as Entry[]) : []
const negatives = present
  ? (JSON.parse(new TextDecoder().decode(read('NEGATIVES.json'))) as {
      mutations: Mutation[]
      policyAndTime: { base: string; at?: string; policy?: string; collateral?: string; expect: string }[]
    })
  : { mutations: [], policyAndTime: [] }
const of = (...kinds: string[]): [string, Entry][] =>
  manifest.filter((entry) => kinds.includes(entry.kind)).map((entry) => [entry.path, entry])
const at = (time: string | number): Date => new Date((typeof time === 'number' ? time * 1000 : Date.parse(time)) + 1000)

/** AMD's chains and Intel's authorities: what a verifier has at hand for every case alike. */
let authorities: Piece[] = []
/** The corpus' revocation lists and texts of Intel. */
let collateral: Piece[] = []
beforeAll(() => {
  if (!present) return
  const pieces = (entries: [string, Entry][]): Piece[] => entries.flatMap(([path]) => detect(path, read(path)))
  authorities = pieces(of('cert-chain')).filter((piece) => piece.kind === 'certificates' && !isEndorsement(piece))
  collateral = pieces(of('crl', 'tdx-collateral')).filter((piece) => piece.kind !== 'unknown')
})

/** A chip's key lies in one of the chains; it goes with no report but its own. */
function isEndorsement(piece: PieceOf<'certificates'>): boolean {
  return piece.certificates.some((der) => parseCertificate(der).subject.commonName?.endsWith('EK') === true)
}

/** What of Intel's words is of this time. */
function collateralAt(time: Date): Piece[] {
  const windows = new Map(manifest.map(({ path, expected }) => [path, expected.windows ?? []]))
  const current = ({ frm, to }: { frm: string; to: string }): boolean =>
    Date.parse(frm) <= time.getTime() && time.getTime() <= Date.parse(to)
  return collateral.filter(({ name }) =>
    [...windows].some(([path, spans]) => name.startsWith(path) && spans.length > 0 && spans.every(current)),
  )
}

/** Codes of every failed check, so that a case is held to its stated reason and not to which check comes first. */
function failedCodes(check: Check): string[] {
  const own = check.outcome === 'failed' && check.code !== undefined ? [check.code] : []
  return [...own, ...check.children.flatMap(failedCodes)]
}

/** Judges a case as a user would who has the authorities at hand. `own` are its own files. */
async function judgeFiles(
  own: readonly (string | Piece)[],
  time: Date,
  o: { policy?: EvidencePolicy; more?: readonly Piece[] } = {},
): Promise<Judgement> {
  const pieces = own.flatMap((each) => (typeof each === 'string' ? detect(each, read(each)) : [each]))
  const { policy } = o
  return judge({
    pieces: [...pieces, ...authorities, ...(o.more ?? [])],
    anchors,
    at: time,
    ...(policy === undefined ? {} : { policy }),
  })
}

function find(check: Check, id: string): Check | undefined {
  if (check.id === id) return check
  for (const child of check.children) {
    const found = find(child, id)
    if (found !== undefined) return found
  }
  return undefined
}
const shows = (judgement: Judgement, id: string): string | undefined => find(judgement.check, id)?.outcome
const debugAllowed: EvidencePolicy = {
  snp: { ...baseline.snp, allow: { ...baseline.snp.allow, debug: true } },
}
const isNegative = (entry: Entry): boolean => entry.expected.negative !== undefined

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
      // A bundle may bring a certificate of the same key that AMD made a little later.
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
    const judgement = await judgeFiles([], at(entry.expected.validFrom!), { more: detect(path, read(path)) })
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
      // The collateral's signer and the keys have shorter lives than their issuers.
      for (const time of ['2021-01-01', '2023-06-01', '2025-06-01', '2026-03-20']) {
        const judgement = await judgeFiles([], new Date(`${time}T00:00:00Z`), { more: pieces })
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
        const { check } = await judgeFiles([], time, {
          more: [...own, ...collateralAt(time).filter(({ name }) => name !== path)],
        })
        return check.children.filter(({ shows: text }) => text.startsWith(path)).map(({ outcome }) => outcome)
      }
      if (expected.outcome!.startsWith('not trusted')) {
        expect(await judged(inside)).toContain('failed')
        return
      }
      const good = await judged(inside)
      expect(good.length).toBeGreaterThan(0)
      // A root's list may be absent for the time; then nothing is said, and nothing is wrong.
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
      // Where the corpus has no revocation list of that time, Intel's words are not taken and nothing is said.
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
      // Everything that the quote itself shows holds; that its key came in the same file is no reason to trust it.
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
    const judgement = await judge({ pieces: detect(path, read(path)), anchors, at: new Date() })
    expect(judgement.verdict === 'accepted').toBe(entry.parsed.log !== undefined)
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

/** What a stated reason is called here; one entry serves many cases. */
const reasons: [RegExp, RegExp][] = [
  // A field that the signature covers may also be one that cannot be read any more.
  [/unsupported version/, /^(ReportSignatureInvalid|UnknownVersion|ReservedNotZero)$/],
  [/short report/, /^WrongLength$/],
  [/beyond 48 bytes/, /^ReservedNotZero$/],
  [/bad HCLA magic/, /^WrongMagic$/],
  [/runtime-data hash mismatch/, /^BindingMismatch$/],
  [/TPM signature failure/, /^TpmSignatureInvalid$/],
  [/PCR digest mismatch/, /^PcrDigestMismatch$/],
  [/nonce mismatch/, /^NonceMismatch$/],
  [/replay differs|no longer hashes/, /^EventLogMismatch$/],
  [/TCB info signature failure/, /^CollateralSignatureInvalid$/],
  [/QE report signature failure/, /^QeReportSignatureInvalid$/],
  [/not bound by QE report/, /^QeReportDataMismatch$/],
  [/quote signature failure/, /^(QuoteSignatureInvalid|UnknownType|UnknownVersion)$/],
  [/truncated/, /^Truncated$/],
  [/^signature failure/, /^(ReportSignatureInvalid|ReservedNotZero|UnknownType|InvalidValue)$/],
]

function mutate(bytes: Uint8Array, edits: Mutation['edits']): Uint8Array {
  let changed = Uint8Array.from(bytes)
  for (const edit of edits) {
    if (edit.truncate !== undefined) changed = changed.slice(0, edit.truncate)
    else if (edit.replace !== undefined)
      changed = new TextEncoder().encode(new TextDecoder().decode(changed).replace(...edit.replace))
    else if (edit.reserialize !== undefined)
      changed = new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(changed)), null, 2))
    else if (edit.jsonField !== undefined) changed = mutateField(changed, edit)
    else if (edit.offset !== undefined) changed[edit.offset]! ^= edit.xor!
  }
  return changed
}

function mutateField(bytes: Uint8Array, edit: Mutation['edits'][number]): Uint8Array<ArrayBuffer> {
  const object = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  const [, name, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(edit.jsonField!)!
  const holder = (index === undefined ? object : object[name!]) as Record<string, string>
  const key = index ?? name!
  const field = fromHex(holder[key]!)
  field[edit.offset!]! ^= edit.xor!
  holder[key] = toHex(field)
  return new TextEncoder().encode(JSON.stringify(object))
}

describe.skipIf(!present)('evidence of genuine silicon with one change', () => {
  const cases = negatives.mutations.map(
    (mutation, index) => [`${index} ${mutation.base}`, mutation.field, mutation] as const,
  )

  it.each(cases)('%s, %s: is refused for the stated reason', async (_, __, mutation) => {
    const entry = manifest.find(({ path }) => path === mutation.base)!
    const { expected } = entry
    const changed = mutate(read(mutation.base), mutation.edits)
    const pieces = detect(mutation.base, changed)
    const signer = mutation.signer ?? expected.signerCert
    const beside = [...(signer === undefined ? [] : [signer]), ...(akBeside[mutation.base] ?? [])]
    const nonce = mutation.expect.includes('egnellahc') ? 'egnellahc' : 'challenge'
    const policy: EvidencePolicy = {
      ...debugAllowed,
      ...(entry.kind === 'tpm-quote' ? { tpm: { nonce: new TextEncoder().encode(nonce) } } : {}),
    }
    const times = [expected.windows?.[0]?.frm, expected.pckValidFrom, expected.validFrom, '2025-06-01T00:00:00Z']
    let time = at(times.find((each) => typeof each === 'string') as string)
    let more: Piece[] = []
    if (entry.kind === 'tcg-eventlog') {
      // A log is judged against the registers that the genuine one replays to.
      const { checkEventLog } = await import('../result/check-log.ts')
      const { parseEventLog } = await import('../eventlog/event-log.ts')
      const { replay } = await import('../eventlog/replay.ts')
      const registers = await replay(parseEventLog(read(mutation.base)), 'sha256')
      const { check } = await checkEventLog({ log: changed, registers })
      expectReason(mutation, failedCodes(check))
      return
    }
    if (entry.kind === 'tdx-collateral') {
      time = new Date('2026-03-20T00:00:00Z')
      more = collateral.filter(({ kind }) => kind === 'crl')
    }
    const judgement = await judgeFiles([...beside], time, { policy, more: [...pieces, ...more] })
    if (mutation.expect.startsWith('still verifies')) {
      // ECDSA has two forms of each signature: a report's bytes name nothing, and it stays as genuine as it was.
      expect(shows(judgement, 'snp.signature')).toBe('passed')
      return
    }
    expect(judgement.verdict).toBe('refused')
    expectReason(mutation, failedCodes(judgement.check))
  })

  it.each(negatives.policyAndTime.map((each, index) => [`${index} ${each.base}`, each.expect, each] as const))(
    '%s: %s',
    async (_, __, wanted) => {
      const entry = manifest.find(({ path }) => path === wanted.base)!
      const { expected } = entry
      const time = new Date(wanted.at ?? at((expected.pckValidFrom ?? expected.validFrom!) as string))
      const own = [...new Set([wanted.base, ...(expected.signerCert === undefined ? [] : [expected.signerCert])])]
      if (wanted.collateral !== undefined && !existsSync(join(corpus, wanted.collateral))) return
      const more =
        wanted.collateral === undefined
          ? collateral
          : [...detect(wanted.collateral, read(wanted.collateral)), ...collateral]
      const judgement = await judgeFiles(own, time, { more })
      const text = JSON.stringify(judgement.check)
      if (wanted.expect.includes('VLEK expired') || wanted.expect.includes('VCEK expired'))
        expect(judgement.code).toBe('CertificateExpired')
      else if (wanted.expect.includes('collateral expired')) expect(judgement.code).toMatch(/^(Collateral|Crl)Expired$/)
      else if (wanted.expect.includes('untrusted root')) expect(judgement.code).toBe('UntrustedRoot')
      else if (wanted.expect.includes('guest policy debug')) expect(text).toContain('policy.policy.debugAllowed')
      else if (wanted.expect.includes('td_attributes debug')) expect(judgement.verdict).not.toBe('accepted')
      else if (wanted.expect.includes('no matching TCB level'))
        expect([judgement.verdict === 'accepted', text.includes('UpToDate, TCB')]).toEqual([false, expect.any(Boolean)])
      else expect(judgement.verdict).not.toBe('accepted')
    },
  )
})

const akBeside: Record<string, string[]> = {
  'confidential-containers-trustee/az-snp-vtpm/tpm-quote-v1.json': [
    'confidential-containers-trustee/az-snp-vtpm/hcl-report.bin',
  ],
}

function expectReason(mutation: Mutation, codes: readonly string[]): void {
  const known = reasons.find(([stated]) => stated.test(mutation.expect))
  expect(known, mutation.expect).toBeDefined()
  expect([mutation.expect, codes, codes.some((code) => known![1].test(code))]).toEqual([mutation.expect, codes, true])
}
