import { buildHclReport, checkAzure, hclReportData, utf8, type TrustAnchors } from '@strongroom/evidence'
import type { EvidencePolicy } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { measuredLog, quoteMessage, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueChain, issueList, issueReport, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { openMakers } from './support/makers.ts'
import { claimsOf, quoteBy } from './support/paravisor.ts'
import { faultsOf, judgeFiles, treeOf, type Files } from './support/judged.ts'

/** A confidential VM in Azure's form: the hardware's signature, the paravisor's claims under it, and the TPM's quotes. */
const tpm = new SoftwareTpm()
const stranger = new SoftwareTpm()
const { log, pcrs } = measuredLog([
  [0, 8, utf8('firmware')],
  [7, 4, new Uint8Array(4)],
])
const longer = measuredLog([
  [0, 8, utf8('firmware')],
  [7, 4, new Uint8Array(4)],
  [7, 8, utf8('more')],
])
let amd: Hierarchy
let anchors: TrustAnchors
let chain: string
beforeAll(async () => {
  ;({ amd, anchors, chain } = await openMakers())
})
const judged = async (files: Files, policy?: EvidencePolicy): ReturnType<typeof judgeFiles> =>
  await judgeFiles(files, { anchors, at: now, policy })
const verdict = async (files: Files, policy?: EvidencePolicy): Promise<unknown[]> => {
  const found = await judged(files, policy)
  return [found.verdict, ...faultsOf(found)]
}

describe('evidence of a paravisor on SEV-SNP', () => {
  const hcl = async (claims = claimsOf(tpm), bound = claims): Promise<Uint8Array> => {
    const data = await hclReportData(bound)
    return buildHclReport({
      hardwareReport: await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50)),
      reportType: 'SNP',
      claims,
    })
  }
  const files = async (changes: Files = {}): Promise<Files> => ({
    'hcl.bin': await hcl(),
    'chain.pem': chain,
    'quote.json': quoteBy(tpm, pcrs),
    ...changes,
  })

  it('is judged as one bundle', async () => {
    const found = await judged(
      await files({ 'ak.pub': tpm.akPublic(), 'log.bin': log, 'crl.der': await issueList('ARK-Milan', amd.ark) }),
    )
    expect([found.verdict, found.code, treeOf(found)]).toEqual(['accepted', undefined, [['azure passed']]])
    expect(found.check.children[0]!.children.map(({ id, children }) => [id, children.map((each) => each.id)])).toEqual([
      ['snp', expect.arrayContaining(['snp.signature', 'snp.verifier', 'snp.policy'])],
      ['hcl', ['hcl.format', 'hcl.binding', 'hcl.claims', 'hcl.key', 'hcl.samekey']],
      ['tpm', ['tpm.key', 'tpm.binding', 'tpm.signature', 'tpm.format', 'tpm.nonce', 'tpm.registers', 'log']],
    ])
    const said = Object.fromEntries(
      found.check.children[0]!.children[1]!.children.map(({ id, actual }) => [id, actual]),
    )
    expect(said).toEqual({
      'hcl.format': 'version 2, SNP',
      'hcl.binding': 'SHA-256',
      'hcl.claims': 'vmUniqueId A, secure-boot true',
      'hcl.key': expect.stringContaining('P-256 '),
      'hcl.samekey': undefined,
    })
    expect(found.check.children[0]!.shows).toMatch(/^hcl\.bin: /)
    expect(await verdict(await files({ 'quote.json': undefined }))).toEqual(['accepted'])
  })

  it('hands out what held, and nothing where a part of it did not', async () => {
    const message = quoteMessage(pcrs)
    const quote = { message, signature: tpm.sign(message), pcrs }
    const good = { hclReport: await hcl(), chain: await issueChain(amd), quotes: [quote], anchors, at: now }
    const { value } = await checkAzure(good)
    expect(value).toMatchObject({
      hcl: { reportType: 'SNP' },
      claims: { configuration: { vmUniqueId: 'A' } },
      attestationKey: { kind: 'ecc' },
      snp: { product: 'Milan' },
      quotes: [{ pcrs }],
    })
    const { pcrs: _, ...bare } = quote
    for (const quotes of [undefined, [], [bare]])
      expect((await checkAzure({ ...good, quotes })).value?.quotes).toEqual([])
    for (const wrong of [
      { chain: undefined },
      { hclReport: Uint8Array.of(1) },
      { hclReport: await hcl(claimsOf(stranger), claimsOf(tpm)) },
      { quotes: [quote, { ...quote, signature: stranger.sign(message) }] },
    ])
      expect((await checkAzure({ ...good, ...wrong })).value).toBeUndefined()
    const junk = await checkAzure({ ...good, hclReport: Uint8Array.of(1), quotes: [] })
    expect(junk.check.children.map(({ id }) => id)).toEqual(['hcl'])
  })

  // An unbound key makes no statement.
  const rests = ['tpm.key skipped', 'tpm.signature skipped']

  it('is refused where a part of it is another’s', async () => {
    for (const [changes, ...faults] of [
      [{ 'hcl.bin': await hcl(claimsOf(stranger), claimsOf(tpm)) }, 'hcl.binding BindingMismatch', ...rests],
      [{ 'hcl.bin': await hcl(claimsOf(stranger)) }, 'tpm.signature TpmSignatureInvalid'],
      [{ 'ak.pub': stranger.akPublic() }, 'hcl.samekey BindingMismatch', ...rests, 'file.used BindingMismatch'],
      [{ 'ak.pub': tpm.akPublic(0x40000) }, 'hcl.samekey TpmKeyNotAllowed', ...rests],
      [{ 'log.bin': longer.log }, 'log.replay EventLogMismatch'],
      [{ 'hcl.bin': await hcl(utf8('{"keys":[]}')), 'quote.json': undefined }, 'hcl.key Missing'],
      [
        { 'hcl.bin': await hcl(utf8('{"keys":[],"keys":[]}')), 'quote.json': undefined },
        'hcl.claims Duplicate',
        'hcl.key skipped',
      ],
    ] as [Files, ...string[]][]) {
      expect(await verdict(await files(changes))).toEqual(['refused', ...faults])
    }
    expect((await judged(await files({ 'chain.pem': undefined }))).verdict).toBe('unjudged')
  })

  it('is held to what a policy wants of the paravisor, the TPM and the boot', async () => {
    const userData = new Uint8Array(64).fill(0xab)
    const configuration = { 'secure-boot': true, vmUniqueId: 'A', console: 0 }
    const nonce = utf8('challenge')
    expect(await verdict(await files(), { hcl: { userData, configuration }, tpm: { nonce, pcrs } })).toEqual([
      'accepted',
    ])
    for (const [policy, ...faults] of [
      [{ hcl: { userData: new Uint8Array(64) } }, 'hcl.policy failed', 'policy.userData NotEqual'],
      [
        { hcl: { configuration: { 'secure-boot': 'true' } } },
        'hcl.policy failed',
        'policy.configuration.secure-boot NotEqual',
      ],
      [{ hcl: { configuration: { other: false } } }, 'hcl.policy failed', 'policy.configuration.other Missing'],
      [{ tpm: { nonce: utf8('other') } }, 'tpm.nonce NonceMismatch'],
      [{ tpm: { pcrs: longer.pcrs } }, 'policy.pcrs.7 NotEqual'],
      [
        { snp: { measurements: [new Uint8Array(48).fill(1)], reportData: 'any' } },
        'snp.policy failed',
        'policy.measurement NotEqual',
      ],
    ] as [EvidencePolicy, ...string[]][]) {
      const rest = policy.hcl === undefined ? [] : rests
      expect(await verdict(await files(), policy)).toEqual(['refused', ...faults, ...rest])
    }
    const bare = await hcl(claimsOf(tpm, { 'user-data': undefined }))
    expect(await verdict(await files({ 'hcl.bin': bare }), { hcl: { userData } })).toEqual([
      'refused',
      'hcl.policy failed',
      'policy.userData Missing',
      ...rests,
    ])
    const unread = await files({ 'hcl.bin': await hcl(utf8('{}')), 'quote.json': undefined })
    expect(await verdict(unread, { hcl: { userData } })).toEqual([
      'refused',
      'hcl.claims Missing',
      'hcl.key skipped',
      'hcl.policy skipped',
    ])
    const boot = { boot: { secureBoot: true } }
    expect((await verdict(await files(), boot))[0]).toBe('unjudged')
    expect((await verdict(await files({ 'log.bin': log }), boot))[0]).toBe('refused')
  })

  it('is not a paravisor’s where the report is of another level than 0, whatever a policy allows to guests', async () => {
    const claims = claimsOf(tpm)
    const data = await hclReportData(claims)
    const hardwareReport = await issueReport(amd.vcek, (bytes, view) => {
      bytes.set(data, 0x50)
      view.setUint32(0x30, 1, true)
    })
    const own = { 'hcl.bin': buildHclReport({ hardwareReport, reportType: 'SNP', claims }), 'chain.pem': chain }
    for (const policy of [undefined, { snp: { measurements: 'any', reportData: 'any', vmpls: [0, 1] } } as const])
      expect(await verdict(own, policy)).toEqual(['refused', 'snp.policy failed', 'policy.vmpl NotAllowed'])
  })

  it('is told apart from another paravisor’s in one judgement, each with its quotes', async () => {
    const second = await hcl(claimsOf(stranger))
    const both = await files({
      'hcl2.bin': second,
      'quote2.json': quoteBy(stranger, pcrs),
      'ak.pub': tpm.akPublic(),
      'ak2.pub': stranger.akPublic(),
    })
    const found = await judged(both)
    expect(treeOf(found)).toEqual([['azure passed'], ['azure passed']])
    expect(found.check.children.map(({ children }) => children.map(({ id }) => id))).toEqual([
      ['snp', 'hcl', 'tpm'],
      ['snp', 'hcl', 'tpm'],
    ])
    // A quote of neither is judged on its own, and its key is unbound.
    const third = new SoftwareTpm()
    const loose = await judged({ ...both, 'quote3.json': quoteBy(third, pcrs), 'ak3.pub': third.akPublic() })
    expect(loose.check.children.map(({ id }) => id).slice(0, 3)).toEqual(['azure', 'azure', 'tpm'])
  })

  it('goes with claims that stand beside it where they name its key', async () => {
    const beside = claimsOf(tpm, { 'user-data': 'CD'.repeat(64) })
    const report = await issueReport(amd.vcek, (bytes) => bytes.fill(0, 0x50, 0x90))
    const data = await hclReportData(beside)
    const bound = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
    expect(await verdict(await files({ 'claims.json': beside, 'report.bin': bound }))).toEqual(['accepted'])
    expect(await verdict(await files({ 'claims.json': beside, 'report.bin': report }))).toEqual([
      'refused',
      'claims.binding BindingMismatch',
    ])
    // The paravisor's report determines user data; both contain the configuration.
    const userData = new Uint8Array(64).fill(0xab)
    const own = await files({ 'claims.json': beside, 'report.bin': bound })
    expect(await verdict(own, { hcl: { userData } })).toEqual(['accepted'])
    expect(await verdict(own, { hcl: { configuration: { 'secure-boot': true } } })).toEqual(['accepted'])
    const weak = claimsOf(tpm, { 'vm-configuration': { 'secure-boot': false, vmUniqueId: 'A', console: 0 } })
    const bindsWeak = await hclReportData(weak)
    const weakly = await issueReport(amd.vcek, (bytes) => bytes.set(bindsWeak, 0x50))
    expect(
      await verdict(await files({ 'claims.json': weak, 'report.bin': weakly }), {
        hcl: { configuration: { 'secure-boot': true } },
      }),
    ).toEqual(['refused', 'claims.policy failed', 'policy.configuration.secure-boot NotEqual'])
    expect(await verdict(await files({ 'claims.json': claimsOf(tpm) }))).toEqual(['accepted'])
    const foreign = claimsOf(stranger)
    const other = await hclReportData(foreign)
    const theirs = await issueReport(amd.vcek, (bytes) => bytes.set(other, 0x50))
    expect(await verdict(await files({ 'claims.json': foreign, 'report.bin': theirs }))).toEqual([
      'refused',
      'claims.key BindingMismatch',
    ])
  })

  it('need not have a paravisor: a report binds claims by itself, and a token names the report', async () => {
    const claims = claimsOf(tpm)
    const data = await hclReportData(claims)
    const report = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
    const own = { 'report.bin': report, 'chain.pem': chain, 'claims.json': claims }
    expect(await verdict(own)).toEqual(['accepted'])
    const configuration = { 'secure-boot': true }
    expect(await verdict(own, { hcl: { configuration } })).toEqual(['accepted'])
    expect(await verdict(own, { hcl: { configuration: { 'secure-boot': false } } })).toEqual([
      'refused',
      'claims.policy failed',
      'policy.configuration.secure-boot NotEqual',
    ])
    // Without a paravisor's report, these claims determine user data.
    const userData = new Uint8Array(64).fill(0xab)
    expect(await verdict(own, { hcl: { userData } })).toEqual(['accepted'])
    expect(await verdict(own, { hcl: { userData: new Uint8Array(64) } })).toEqual([
      'refused',
      'claims.policy failed',
      'policy.userData NotEqual',
    ])
    expect((await verdict({ 'report.bin': report, 'claims.json': claims }))[0]).toBe('unjudged')
    expect((await judged({ 'claims.json': claims })).verdict).toBe('unjudged')
  })
})
