import { generateKeyPairSync, sign as nodeSign, type KeyObject } from 'node:crypto'
import { utf8, type Jwk, type TrustAnchors } from '@strongroom/evidence'
import { judge, whatIsMissing, type EvidencePolicy, type Piece } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { measuredLog, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { issueChain, issueList, issueReport, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import {
  issueCollateral,
  issueIntelChain,
  issueQuote,
  type IntelHierarchy,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now, until } from '../../packages/silicon/src/testing/times.ts'
import { openMakers } from './support/makers.ts'
import { faultsOf, judgeFiles, treeOf, type Files } from './support/judged.ts'

let amd: Hierarchy
let intel: IntelHierarchy
let anchors: TrustAnchors
let chain: string
let report: Uint8Array
let intelFiles: Files
let tcbInfo: string
beforeAll(async () => {
  ;({ amd, intel, anchors, chain } = await openMakers())
  report = await issueReport(amd.vcek)
  const given = await issueCollateral(intel)
  tcbInfo = given.tcbInfo
  intelFiles = {
    'tcb.json': given.tcbInfo,
    'qe.json': given.qeIdentity,
    'signer.pem': given.tcbInfoIssuerChainPem,
    'pck.crl': given.pckCrl,
    'root.crl': given.rootCaCrl,
  }
})
const judged = async (files: Files, policy?: EvidencePolicy): ReturnType<typeof judgeFiles> =>
  await judgeFiles(files, { anchors, at: now, policy })
const verdict = async (files: Files, policy?: EvidencePolicy): Promise<string[]> => {
  const found = await judged(files, policy)
  return [found.verdict, ...faultsOf(found)]
}

describe('one judgement', () => {
  it('takes 512 pieces and a thousand certificates, and no more', async () => {
    const of = async (pieces: Piece[]): Promise<unknown[]> => {
      const found = await judge({ pieces, anchors, at: now })
      return [found.verdict, found.code, found.says]
    }
    const token: Piece = { name: 't', kind: 'unknown', reason: 'x' }
    const chainOf = (length: number): Piece => ({
      name: 'c',
      kind: 'certificates',
      certificates: Array<Uint8Array>(length).fill(Uint8Array.of(1)),
    })
    expect(await of(Array<Piece>(512).fill(token))).toEqual(['unjudged', undefined, []])
    expect(await of(Array<Piece>(513).fill(token))).toEqual(['refused', 'TooLarge', []])
    const statement: Piece = { name: 'r', kind: 'snp-report', bytes: report }
    expect((await of([statement, chainOf(600), chainOf(400)]))[1]).toBe('UnknownType')
    expect(await of([statement, chainOf(600), chainOf(401)])).toEqual(['refused', 'TooLarge', []])
    expect(await of([])).toEqual(['unjudged', undefined, []])
  })

  it('ends when its time is up, whatever it still has to judge', async () => {
    const quote = await issueQuote(intel)
    for (const files of [
      { 'report.bin': report },
      { 'quote.bin': quote },
      { 'a.jwt': `eyJ${'a'.repeat(40)}.e30.AAAA` },
    ] as Files[]) {
      const found = await judgeFiles(files, { anchors, at: now, expired: () => true })
      expect([found.verdict, treeOf(found)]).toEqual(['unjudged', [['file.kind skipped']]])
      expect(whatIsMissing(found).map(({ id }) => id)).toEqual(['file.kind'])
    }
    const asked = { 'report.bin': report, 'chain.pem': chain }
    expect((await judgeFiles(asked, { anchors, at: now, expired: () => false })).verdict).toBe('accepted')
  })

  it('names each file, says what its machine is, and keeps open what nobody can read', async () => {
    const found = await judged({ 'report.bin': report, 'chain.pem': chain })
    expect([found.verdict, found.code, treeOf(found)]).toEqual([
      'accepted',
      undefined,
      [['snp passed', 'snp.chain.revocation not asked']],
    ])
    expect(found.check.children[0]!.shows).toMatch(/^report\.bin: /)
    expect(found.says.map(({ of, what }) => [of, what])).toContainEqual(['report.bin', 'launch measurement'])
    expect(found.unasked).toHaveLength(3)
    const other = { 'report.bin': report, 'chain.pem': chain }
    expect(await verdict({ ...other, 'x.txt': 'nothing known' })).toEqual(['unjudged', 'file.kind skipped'])
    expect(await verdict({ ...other, 'x.json': '{"quote":"AAAA"}' })).toEqual(['refused', 'file.kind UnknownType'])
  })
})

/** A key that belongs to nobody. */
const publicPem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }) as string

describe('what serves to judge evidence', () => {
  it('states nothing by itself, and is judged all the same', async () => {
    const { vcek } = await issueChain(amd)
    for (const [files, ...tree] of [
      [{ 'chain.pem': chain }, ['certificates passed'], ['certificates passed'], ['certificates passed']],
      [
        { 'chain.pem': chain, 'crl.der': await issueList('ARK-Milan', amd.ark) },
        ['certificates passed'],
        ['certificates passed'],
        ['certificates passed'],
        ['crl passed'],
      ],
      [
        intelFiles,
        ['certificates passed'],
        ['certificates passed'],
        ['crl skipped', 'crl.signature skipped'],
        ['crl passed'],
        ['collateral passed'],
        ['collateral passed'],
      ],
      [{ 'log.bin': measuredLog([[0, 8, utf8('x')]]).log }, ['log passed', 'log.replay not asked']],
    ] as [Files, ...string[][]][]) {
      const found = await judged(files)
      const skipped = tree.some(([group]) => group!.endsWith('skipped'))
      expect([found.verdict, treeOf(found)]).toEqual([skipped ? 'unjudged' : 'nothing', tree])
    }
    const described = await judged({ 'vcek.der': vcek, 'chain.pem': chain })
    expect(described.check.children[0]!.children.map(({ id, actual }) => [id, actual])).toEqual([
      ['certificates.format', 'SEV-VCEK ← SEV-Milan ← ARK-Milan'],
      ['certificates.path', `until ${until.toISOString()}`],
      ['certificates.endorsement', expect.stringMatching(/^VCEK of Milan-B0, fmc 0, bootLoader 4/)],
    ])
    const list = await judged({ 'chain.pem': chain, 'crl.der': await issueList('ARK-Milan', amd.ark, [9n]) })
    expect(list.check.children.at(-1)!.children[0]!.actual).toMatch(/^ARK-Milan, 1 revoked, .*Z to .*Z$/)
    const words = await judged(intelFiles)
    expect(
      words.check.children.slice(-2).map(({ children }) => children.map(({ id, actual }) => [id, actual])),
    ).toEqual([
      [
        ['collateral.format', 'TDX, FMSPC 53494d000001, evaluation 7'],
        ['collateral.signature', undefined],
        ['collateral.revocation', undefined],
        ['collateral.time', undefined],
      ],
      [
        ['collateral.format', 'TD_QE, evaluation 8'],
        ['collateral.signature', undefined],
        ['collateral.revocation', undefined],
        ['collateral.time', undefined],
      ],
    ])
  })

  it('is refused where it does not hold, and open where its issuer is absent', async () => {
    const late = { anchors, at: new Date(until.getTime() + 1000) }
    const ofLate = await judgeFiles({ ...intelFiles, 'chain.pem': chain }, late)
    expect([ofLate.verdict, faultsOf(ofLate).includes('certificates.path CertificateExpired')]).toEqual([
      'refused',
      true,
    ])
    expect(faultsOf(ofLate)).toContain('collateral.time CollateralExpired')
    for (const [files, ...wanted] of [
      [
        { 'chain.pem': chain, 'crl.der': await issueList('ARK-Milan', amd.ask) },
        'refused',
        'crl.signature CrlSignatureInvalid',
      ],
      [{ 'crl.der': await issueList('ARK-Milan', amd.ark) }, 'unjudged', 'crl.signature skipped'],
      [
        { 'crl.der': (await issueList('ARK-Milan', amd.ark)).subarray(0, 90) },
        'refused',
        'crl.format Truncated',
        'crl.signature skipped',
      ],
      [{ 'tcb.json': intelFiles['tcb.json'] }, 'unjudged', 'collateral.signature skipped'],
      [{ 'qe.json': intelFiles['qe.json'], 'signer.pem': intelFiles['signer.pem'] }, 'nothing'],
      [
        {
          'tcb.json': tcbInfo.replace('"tcbEvaluationDataNumber":7', '"tcbEvaluationDataNumber":8'),
          'signer.pem': intelFiles['signer.pem'],
        },
        'refused',
        'collateral.signature CollateralSignatureInvalid',
      ],
      [
        {
          'tcb.json': tcbInfo.replace('"tcbEvaluationDataNumber":7', '"tcbEvaluationDataNumber":"7"'),
          'signer.pem': intelFiles['signer.pem'],
        },
        'refused',
        'collateral.format InvalidValue',
        'collateral.signature skipped',
      ],
      [{ 'keys.json': { keys: [{ kty: 'EC' }] } }, 'unjudged', 'file.kind skipped'],
      [{ 'ak.pub': new SoftwareTpm().akPublic() }, 'unjudged', 'file.kind skipped'],
      [{ 'claims.json': { keys: [], 'vm-configuration': {} } }, 'unjudged', 'file.kind skipped'],
      [{ 'a.sig': new Uint8Array(256).fill(7) }, 'unjudged', 'file.kind skipped'],
      [{ 'a.sig': new SoftwareTpm().sign(report) }, 'unjudged', 'file.kind skipped'],
      [{ 'key.pem': publicPem() }, 'unjudged', 'file.kind skipped'],
      [
        { 'bad.pem': toPem([Uint8Array.of(0x30, 1)]) },
        'refused',
        'certificates.format Truncated',
        'certificates.path skipped',
      ],
      [{ 'log.bin': measuredLog([[0, 8, utf8('x')]]).log, x: 'x' }, 'unjudged', 'file.kind skipped'],
    ] as [Files, ...string[]][]) {
      expect([
        Object.keys(files),
        (await verdict(files)).filter(
          (each) => !each.startsWith('collateral.time') && !each.startsWith('collateral.revocation'),
        ),
      ]).toEqual([Object.keys(files), wanted])
    }
    expect(await verdict({ 'log.bin': measuredLog([[0, 8, utf8('x')]]).log }, { boot: { secureBoot: true } })).toEqual([
      'unjudged',
      'log.replay skipped',
      'log.policy skipped',
    ])
    const { signer, root } = await issueIntelChain(intel, { signerName: 'Intel SGX Something' })
    expect((await verdict({ 'tcb.json': intelFiles['tcb.json'], 'signer.pem': toPem([signer, root]) }))[0]).toBe(
      'unjudged',
    )
  })

  it('is used, or keeps the verdict open, or is a fault', async () => {
    const own: Files = { 'report.bin': report, 'chain.pem': chain }
    const foreign = toPem([(await issueIntelChain(intel)).signer])
    for (const [files, ...wanted] of [
      [{ ...own, 'crl.der': await issueList('ARK-Milan', amd.ark) }, 'accepted'],
      [{ ...own, 'crl.der': intelFiles['root.crl'] }, 'refused', 'file.used CrlIssuerMismatch'],
      [{ 'report.bin': report, 'crl.der': intelFiles['root.crl'] }, 'unjudged', 'file.used skipped'],
      [
        { ...own, 'crl.der': (await issueList('ARK-Milan', amd.ark)).subarray(0, 90) },
        'refused',
        'crl.format Truncated',
        'crl.signature skipped',
      ],
      [{ ...own, 'tcb.json': intelFiles['tcb.json'] }, 'unjudged', 'file.used skipped'],
      [{ ...own, 'qe.json': intelFiles['qe.json'] }, 'unjudged', 'file.used skipped'],
      [{ ...own, 'signer.pem': foreign }, 'unjudged', 'file.used skipped'],
      [{ ...own, 'chain2.pem': chain }, 'accepted'],
      [{ ...own, 'both.pem': `${chain}${foreign}` }, 'accepted'],
      [{ ...own, 'keys.json': { keys: [{ kty: 'EC' }] } }, 'unjudged', 'file.used skipped'],
      [{ ...own, 'a.sig': new Uint8Array(256).fill(7) }, 'unjudged', 'file.used skipped'],
      [{ ...own, 'a.sig': new SoftwareTpm().sign(report) }, 'unjudged', 'file.used skipped'],
      [
        {
          ...own,
          'crl.der': await issueList('ARK-Milan', amd.ark),
          'cut.crl': (await issueList('ARK-Milan', amd.ark)).subarray(0, 90),
        },
        'refused',
        'crl.format Truncated',
        'crl.signature skipped',
      ],
      [{ ...own, 'ak.pub': new SoftwareTpm().akPublic() }, 'refused', 'file.used BindingMismatch'],
      [{ ...own, 'bad.pem': toPem([Uint8Array.of(0x30, 1)]) }, 'refused', 'certificates.format Truncated'],
    ] as [Files, ...string[]][]) {
      const found = await verdict(files)
      expect([Object.keys(files), found.filter((each) => !each.startsWith('snp.'))]).toEqual([
        Object.keys(files),
        wanted,
      ])
    }
  })
})

describe('a TD’s quote', () => {
  it('is held to its log and to a TDREPORT beside it', async () => {
    const policy: EvidencePolicy = { tdx: { septVeDisableRequired: false } }
    const { log, pcrs } = measuredLog([[1, 8, utf8('firmware')]], 'sha384')
    const quote = await issueQuote(intel, { td: (bytes) => bytes.set(pcrs.get(1)!, 48 + 328) })
    const all: Files = { 'quote.bin': quote, ...intelFiles }
    expect(await verdict(all, policy)).toEqual(['accepted'])
    expect(await verdict({ ...all, 'ccel.bin': log }, policy)).toEqual(['accepted'])
    const other = measuredLog([[1, 8, utf8('other')]], 'sha384')
    expect(await verdict({ ...all, 'ccel.bin': other.log }, policy)).toEqual(['refused', 'log.replay EventLogMismatch'])
    expect(await verdict({ ...all, 'ccel.bin': log, 'ccel2.bin': other.log }, policy)).toEqual([
      'refused',
      'log.replay EventLogMismatch',
    ])
    expect(await verdict({ ...all, 'ccel.bin': log }, { ...policy, boot: { secureBoot: true } })).toEqual([
      'refused',
      'log.policy failed',
      'policy.secureBoot Missing',
    ])
    // The policy for TDs applies even if none was written: it must not be debuggable.
    const debugged = await issueQuote(intel, { td: (bytes) => (bytes[48 + 120] = 1) })
    expect((await verdict({ 'quote.bin': debugged, ...intelFiles }))[0]).toBe('refused')
    const tdReport = new Uint8Array(1024)
    tdReport[0] = 0x81
    expect(await verdict({ ...all, 'report.bin': tdReport }, policy)).toEqual([
      'refused',
      'tdReport.hashes BindingMismatch',
      'tdReport.quoted BindingMismatch',
    ])
    expect(await verdict({ 'report.bin': tdReport }, policy)).toEqual([
      'refused',
      'tdReport.hashes BindingMismatch',
      'tdReport.quoted skipped',
    ])
  })
})

describe('a token', () => {
  let privateKey: KeyObject
  let jwk: Jwk
  beforeAll(() => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    privateKey = pair.privateKey
    jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' } as unknown as Jwk
  })
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iss = 'https://issuer.test'
  const signed = (claims: object = {}): string => {
    const input = `${encode({ alg: 'RS256', kid: 'k1' })}.${encode({ iss, exp: now.getTime() / 1000 + 60, ...claims })}`
    return `${input}.${nodeSign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
  }

  it('is accepted by keys that its verifier gave as a file, for the report that was given', async () => {
    const keys = { keys: [jwk] }
    const bound = await issueReport(amd.vcek, (bytes) => bytes.fill(5, 0x50, 0x90))
    const about = signed({ 'x-ms-sevsnpvm-reportdata': '05'.repeat(64) })
    for (const [files, ...wanted] of [
      [{ 't.jwt': signed(), 'k.json': keys }, 'accepted'],
      [{ 't.jwt': signed() }, 'unjudged', 'token.key skipped', 'token.signature skipped'],
      [{ 't.json': { token: signed(), ...keys } }, 'unjudged', 'token.key skipped', 'token.signature skipped'],
      [
        { 't.jwt': signed(), 'k.json': { keys: [{ ...jwk, kid: 'k2' }] } },
        'refused',
        'token.key TokenKeyUnknown',
        'token.signature skipped',
      ],
      [{ 't.jwt': about, 'k.json': keys, 'report.bin': bound, 'chain.pem': chain }, 'accepted'],
      [
        { 't.jwt': about, 'k.json': keys, 'report.bin': report, 'chain.pem': chain },
        'refused',
        'token.evidence BindingMismatch',
      ],
      [{ 't.jwt': about, 'k.json': keys }, 'accepted'],
    ] as [Files, ...string[]][]) {
      expect([Object.keys(files), await verdict(files)]).toEqual([Object.keys(files), wanted])
    }
  })

  it('is held to a policy’s issuer, audience, kind, algorithms and claims', async () => {
    const files = { 't.jwt': signed({ aud: 'me', n: 1 }), 'k.json': { keys: [jwk] } }
    expect(
      await verdict(files, {
        token: { issuer: iss, audience: 'me', kind: 'attestation', algorithms: ['RS256'], claims: { n: 1 } },
      }),
    ).toEqual(['accepted'])
    for (const [token, ...faults] of [
      [{ issuer: 'https://other.test' }, 'token.issuer TokenIssuerMismatch'],
      [{ audience: 'you' }, 'token.statedIssuer TokenAudienceMismatch'],
      [{ kind: 'policy' }, 'token.kind TokenOfAnotherKind'],
      [
        { algorithms: ['ES256'] },
        'token.algorithm AlgorithmNotAllowed',
        'token.key skipped',
        'token.signature skipped',
      ],
      [{ claims: { n: 2 } }, 'policy.n NotEqual'],
    ] as [NonNullable<EvidencePolicy['token']>, ...string[]][]) {
      expect(await verdict(files, { token })).toEqual(['refused', ...faults])
    }
  })
})
