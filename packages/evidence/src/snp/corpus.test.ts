import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { VerificationError } from '../core/errors.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { parsePem } from '../x509/pem.ts'
import { appraiseSnp } from './appraise.ts'
import { readEndorsement } from './endorse.ts'
import { genuineAmdAnchors } from './products.ts'
import { parseSnpReport, snpReportLength } from './report.ts'
import { verifySnp, type VerifiedSnp } from './verify.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

/** Real evidence with known outcomes: reference data kept beside the source tree. */
const corpus = corpusDirectory

interface Tcb {
  fmc?: number
  bl: number
  tee: number
  snp: number
  ucode: number
}
interface Entry {
  path: string
  kind: string
  product: string
  bundle?: boolean
  expected: {
    outcome: string
    signerCert?: string
    reportedTcb?: Tcb
    validFrom?: string
    validTo?: string
    negative?: string
  }
  parsed: { measurement?: string; report_data?: string; chip_id?: string; version?: number }
}
interface Mutation {
  base: string
  edits: ({ offset: number; xor: number } | { truncate: number } | { note: string })[]
  field: string
  signer?: string
}

const present = hasCorpus
const manifest = present ? (JSON.parse(readFileSync(join(corpus, 'MANIFEST.json'), 'utf8')) as Entry[]) : []
const negatives = present
  ? (JSON.parse(readFileSync(join(corpus, 'NEGATIVES.json'), 'utf8')) as { mutations: Mutation[] }).mutations
  : []
const anchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(corpus, path)))
}

function readReport(entry: Entry): Uint8Array {
  const bytes = read(entry.path)
  if (entry.path.endsWith('.hex')) return fromHex(new TextDecoder().decode(bytes).trim())
  return entry.kind === 'hcl-report' ? parseHclReport(bytes).hardwareReport : bytes
}

/** A signer's chain: its first certificate, then AMD's for the product and kind. */
function chainOf(signer: string): { vcek: Uint8Array; ask: Uint8Array; ark: Uint8Array } {
  const bytes = read(signer)
  const vcek = bytes[0] === 0x30 ? bytes : parsePem(new TextDecoder().decode(bytes))[0]!
  const { product, signer: kind } = readEndorsement(parseCertificate(vcek))
  const file = `google-go-sev-guest/${kind === 'VLEK' ? 'asvk' : 'ask'}_ark_${product.toLowerCase()}.pem`
  const [ask, ark] = parsePem(readFileSync(join(corpus, file), 'utf8'))
  return { vcek, ask: ask!, ark: ark! }
}

const good = manifest.filter(
  (entry) =>
    ['snp-report', 'hcl-report'].includes(entry.kind) &&
    entry.bundle !== true &&
    entry.expected.signerCert !== undefined,
)
const within = (entry: Entry): Date => new Date(Date.parse(entry.expected.validFrom!) + 1000)
const verify = (entry: Entry, at = within(entry)): Promise<VerifiedSnp> =>
  verifySnp({ report: parseSnpReport(readReport(entry)), chain: chainOf(entry.expected.signerCert!), anchors, at })

describe.skipIf(!present)('real SNP reports', () => {
  it('are at hand', () => expect(good.length).toBeGreaterThanOrEqual(9))

  it.each(good.map((entry) => [entry.path, entry] as const))(
    '%s is genuine and says what its manifest says',
    async (_, entry) => {
      const verified = await verify(entry)
      const { bl, tee, snp, ucode, fmc = 0 } = entry.expected.reportedTcb!
      expect(verified.reportedTcb).toEqual({ fmc, bootLoader: bl, tee, snp, microcode: ucode })
      expect(entry.product).toContain(verified.product)
      expect(verified.anchor.name).toBe(`ARK-${verified.product}`)
      if (entry.parsed.measurement !== undefined)
        expect(toHex(verified.report.measurement)).toBe(entry.parsed.measurement)
      if (entry.parsed.report_data !== undefined)
        expect(toHex(verified.report.reportData)).toBe(entry.parsed.report_data)
      if (entry.parsed.version !== undefined) expect(verified.report.version).toBe(entry.parsed.version)
    },
  )

  it.each(good.map((entry) => [entry.path, entry] as const))(
    '%s is refused before and after its key is valid',
    async (_, entry) => {
      await expect(verify(entry, new Date(Date.parse(entry.expected.validFrom!) - 1000))).rejects.toMatchObject({
        code: 'CertificateNotYetValid',
      })
      await expect(verify(entry, new Date(Date.parse(entry.expected.validTo!) + 1000))).rejects.toMatchObject({
        code: 'CertificateExpired',
      })
    },
  )

  it.each(good.map((entry) => [entry.path, entry] as const))(
    '%s is refused under the key of every other report',
    async (_, entry) => {
      const report = parseSnpReport(readReport(entry))
      const own = toHex(chainOf(entry.expected.signerCert!).vcek)
      for (const other of good) {
        const chain = chainOf(other.expected.signerCert!)
        if (toHex(chain.vcek) === own) continue
        await expect(verifySnp({ report, chain, anchors, at: within(other) })).rejects.toThrow(VerificationError)
      }
    },
  )

  it('of a debuggable guest is genuine and refused by every policy that does not allow debugging', async () => {
    const entry = good.find(({ path }) => path === 'google-go-sev-guest/attestation.bin')!
    const verified = await verify(entry)
    const failures = appraiseSnp(verified, { measurements: 'any', reportData: 'any' })
    expect(failures.map(({ path, code }) => [path, code])).toEqual([['policy.debugAllowed', 'Forbidden']])
    expect(appraiseSnp(verified, { measurements: 'any', reportData: 'any', allow: { debug: true } })).toEqual([])
  })

  it.each(['test-vcek-invalid-legacy.der', 'test-vcek-invalid-new.der', 'test-vlek.der'])(
    'are refused under %s, which is not their key as AMD issued it',
    async (file) => {
      const entry = good.find(({ path }) => path === 'confidential-containers-trustee/test-report.bin')!
      const report = parseSnpReport(readReport(entry))
      const chain = { ...chainOf(entry.expected.signerCert!), vcek: read(`confidential-containers-trustee/${file}`) }
      await expect(verifySnp({ report, chain, anchors, at: within(entry) })).rejects.toThrow(VerificationError)
    },
  )

  it('are refused under a certificate that AMD never made', async () => {
    const entry = good.find(({ path }) => path === 'Fraunhofer-AISEC-cmc/snp/report.bin')!
    const vcek = parsePem(new TextDecoder().decode(read('Fraunhofer-AISEC-cmc/snp/invalid-vcek.pem')))[0]!
    const chain = { ...chainOf(entry.expected.signerCert!), vcek }
    await expect(
      verifySnp({ report: parseSnpReport(readReport(entry)), chain, anchors, at: new Date('2022-05-01T00:00:00Z') }),
    ).rejects.toMatchObject({ code: 'IssuerMismatch' })
  })

  it('are refused when only other roots are trusted, or none', async () => {
    const entry = good[0]!
    const report = parseSnpReport(readReport(entry))
    const chain = chainOf(entry.expected.signerCert!)
    const at = within(entry)
    const other = {
      simulated: true,
      amd: [{ name: 'mine', spkiSha256: '00'.repeat(32) }],
      intel: [...genuineAmdAnchors],
    }
    await expect(verifySnp({ report, chain, anchors: other, at })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    const none = { simulated: false, amd: [], intel: [] }
    await expect(verifySnp({ report, chain, anchors: none, at })).rejects.toMatchObject({ code: 'NoTrustAnchors' })
  })
})

/** Without those that only carry a note: they are not refused. */
const mutations = negatives.filter(
  (mutation) =>
    good.some((entry) => entry.path === mutation.base && entry.kind === 'snp-report') &&
    !mutation.edits.some((edit) => 'note' in edit),
)

describe.skipIf(!present)('real SNP reports with one change', () => {
  it('are at hand', () => expect(mutations.length).toBeGreaterThanOrEqual(80))

  it.each(mutations.map((mutation) => [mutation.base, mutation.field, mutation] as const))(
    '%s is refused: %s',
    async (_, __, mutation) => {
      const entry = good.find(({ path }) => path === mutation.base)!
      let bytes = Uint8Array.from(readReport(entry))
      for (const edit of mutation.edits) {
        if ('truncate' in edit) bytes = bytes.slice(0, edit.truncate)
        else if ('offset' in edit) bytes[edit.offset]! ^= edit.xor
      }
      expect(bytes.length).toBeLessThanOrEqual(snpReportLength)
      await expect(
        (async () =>
          verifySnp({
            report: parseSnpReport(bytes),
            chain: chainOf(entry.expected.signerCert!),
            anchors,
            at: within(entry),
          }))(),
      ).rejects.toMatchObject({ name: expect.stringMatching(/^(Parse|Verification)Error$/) })
    },
  )

  const bad = manifest.filter((entry) => entry.path.startsWith('Fraunhofer-AISEC-cmc/snp/report-bad'))
  it.each(bad.map((entry) => [entry.path, entry] as const))('%s is refused', async (_, entry) => {
    const signer = good.find(({ path }) => path === 'Fraunhofer-AISEC-cmc/snp/report.bin')!
    await expect(
      (async () =>
        verifySnp({
          report: parseSnpReport(read(entry.path)),
          chain: chainOf(signer.expected.signerCert!),
          anchors,
          at: within(signer),
        }))(),
    ).rejects.toMatchObject({ name: expect.stringMatching(/^(Parse|Verification)Error$/) })
  })
})
