import { toHex, type TrustAnchors } from '@strongroom/evidence'
import { baseline, describeUnused, type EvidencePolicy } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { issueCrl } from '../../packages/silicon/src/pki/crl-writer.ts'
import { issueChain, issueReport, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { issueCollateral, issueQuote, type IntelHierarchy } from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now, until } from '../../packages/silicon/src/testing/times.ts'
import { judgeFiles, type Files } from './support/judged.ts'
import { openMakers } from './support/makers.ts'

let amd: Hierarchy
let intel: IntelHierarchy
let anchors: TrustAnchors
let chain: string
let report: Uint8Array
let quote: Uint8Array
let intelFiles: Files
beforeAll(async () => {
  ;({ amd, intel, anchors, chain } = await openMakers())
  report = await issueReport(amd.vcek)
  quote = await issueQuote(intel)
  const given = await issueCollateral(intel)
  intelFiles = {
    'tcb.json': given.tcbInfo,
    'qe.json': given.qeIdentity,
    // Its root is in the quote.
    'signer.pem': given.tcbInfoIssuerChainPem.replace(/(-----END CERTIFICATE-----\n)[^]*$/, '$1'),
    'pck.crl': given.pckCrl,
    'root.crl': given.rootCaCrl,
  }
})

/** Verdict, code, and what is named as unused. */
async function judged(files: Files): Promise<[verdict: string, code: string | undefined, unused: string[]]> {
  const policy: EvidencePolicy = Object.keys(files).some((name) => name.startsWith('quote'))
    ? { ...baseline, tdx: { septVeDisableRequired: false } }
    : {}
  const { verdict, code, unused } = await judgeFiles(files, { anchors, at: now, policy })
  return [verdict, code, unused.map(describeUnused)]
}

const joined = (...parts: (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))))
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes[at]! ^ 1)
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

describe('bytes behind a TD quote', () => {
  const behind = (rest: Uint8Array | string): Files => ({ 'quote.bin': joined(quote, rest), ...intelFiles })

  it('are named with their place: padding, or what nothing reads', async () => {
    const end = quote.length
    expect(await judged(behind(''))).toEqual(['accepted', undefined, []])
    expect(await judged(behind(new Uint8Array(70)))).toEqual([
      'accepted',
      undefined,
      [`quote.bin: zeros behind the quote (70 bytes at ${end})`],
    ])
    expect(await judged(behind('\n0123456789'))).toEqual([
      'accepted',
      undefined,
      [`quote.bin: bytes behind the quote (11 bytes at ${end})`],
    ])
  })

  it('are judged if they are a second quote or report: a forged one refuses the file (attack E27)', async () => {
    for (const zeros of [0, 1, 64]) {
      const padding = new Uint8Array(zeros)
      expect((await judged(behind(joined(padding, flipped(quote, 600)))))[1]).toBe('QuoteSignatureInvalid')
      const withReport = { ...behind(joined(padding, flipped(report, 0x90))), 'chain.pem': chain }
      expect((await judged(withReport))[1]).toBe('ReportSignatureInvalid')
      expect((await judged(behind(joined(padding, quote.subarray(0, 900)))))[1]).toBe('Truncated')
    }
    expect(await judged({ ...behind(report), 'chain.pem': chain })).toEqual(['accepted', undefined, []])
    expect((await judged(behind(report)))[0]).not.toBe('accepted')
  })

  it('are looked through in hexadecimal and in JSON as well (attack E27)', async () => {
    const both = joined(quote, new Uint8Array(8), flipped(quote, 600))
    expect((await judged({ 'quote.hex': toHex(both), ...intelFiles }))[1]).toBe('QuoteSignatureInvalid')
    expect((await judged({ 'quote.json': { quote: base64(both) }, ...intelFiles }))[1]).toBe('QuoteSignatureInvalid')
  })
})

describe('a file of which a part is used', () => {
  it('has each other certificate named, altered or not (attack E28)', async () => {
    const other = await issueChain(amd)
    const altered = flipped(other.ark, other.ark.length - 1)
    const files = { 'report.bin': report, 'chain.pem': chain + toPem([altered]) }
    const [verdict, , unused] = await judged(files)
    expect([verdict, unused]).toEqual([
      'accepted',
      [expect.stringMatching(/^chain\.pem: certificate 4 \(.*\) that nothing needs$/)],
    ])
    expect(await judged({ ...files, 'chain.pem': chain })).toEqual(['accepted', undefined, []])
  })

  it('has TCB info, identity and lists named that another one serves instead of (attack E28)', async () => {
    const { tcbInfo, qeIdentity } = await issueCollateral(intel)
    const forged = (text: string): string => text.replace(/"signature":"[0-9a-f]{2}/, '"signature":"00')
    const given = intelFiles as Record<string, string>
    for (const [name, text, what] of [
      ['tcb.json', tcbInfo, 'TCB info'],
      ['qe.json', qeIdentity, 'QE identity'],
    ] as const) {
      const both = { ...intelFiles, [name]: [given[name], forged(text)] }
      const found = await judged({ 'quote.bin': quote, ...both })
      expect(found).toEqual(['accepted', undefined, [expect.stringContaining(`${what} that nothing needs`)]])
    }
  })

  it('has the older revocation list of an issuer named, and no newer one (attack E28)', async () => {
    const issued = (hours: number): Date => new Date(now.getTime() - hours * 3_600_000)
    const list = async (hours: number): Promise<Uint8Array> =>
      await issueCrl({
        issuer: [['CN', 'ARK-Milan']],
        signer: amd.ark,
        number: 1n,
        thisUpdate: issued(hours),
        nextUpdate: until,
      })
    const lists = [await list(24), await list(1)]
    const files = { 'report.bin': report, 'chain.pem': chain, 'lists.pem': toPem(lists, 'X509 CRL') }
    const [verdict, , unused] = await judged(files)
    const older = issued(24).toISOString()
    expect([verdict, unused]).toEqual([
      'accepted',
      [`lists.pem: revocation list (ARK-Milan, ${older}) that nothing needs`],
    ])
  })
})

describe('a member of a JSON file', () => {
  const file = (more: object): Files => ({ 'a.json': { evidence: { report: base64(report), chain }, ...more } })

  it('is read, refused or named, whatever its name (attack E29)', async () => {
    const text = 'x'.repeat(600)
    const more = {
      blob2: text,
      aa_eventlog: 'INIT sha384/00',
      nvidia_payload: { evidence_list: [] },
      gpu: [{ arch: 'HOPPER', spdm: '11e0'.repeat(400) }],
      count: 3,
      none: null,
    }
    const [verdict, , unused] = await judged(file(more))
    expect([verdict, unused]).toEqual([
      'accepted',
      [
        'a.json blob2: a text of 600 characters',
        'a.json aa_eventlog: a text of 14 characters',
        'a.json nvidia_payload: an object of 1 members',
        'a.json gpu: a list of 1 values',
        'a.json count: the number 3',
        'a.json none: null',
      ],
    ])
    for (const member of ['auxblob', 'vcek', 'vlek', 'svsm_manifest', 'manifestblob', 'quote', 'raw_evidence'])
      expect([member, ...(await judged(file({ [member]: text + text }))).slice(0, 2)]).toEqual([
        member,
        'refused',
        'UnknownType',
      ])
    expect((await judged(file({ vcek: base64((await issueChain(amd)).vcek) })))[0]).toBe('accepted')
  })

  it('is named by its place, deep inside and beside what is read (attack E29)', async () => {
    const [, , unused] = await judged({
      'a.json': [{ version: '1', inner: { report: base64(report), chain, note: 'n', deep: { a: { b: 1 } } } }],
    })
    expect(unused).toEqual([
      'a.json 0 version: a text of 1 characters',
      'a.json 0 inner note: a text of 1 characters',
      'a.json 0 inner deep: an object of 1 members',
    ])
  })

  it('keeps a file of unread members alone of no known kind', async () => {
    expect((await judged({ 'a.json': { a: 1, b: 'x'.repeat(100) } })).slice(0, 2)).toEqual(['unjudged', undefined])
  })
})
