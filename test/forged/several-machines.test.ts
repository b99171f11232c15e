import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { authorityExtensions } from '@strongroom/der'
import {
  buildHclReport,
  hclReportData,
  toHex,
  utf8,
  webPrimitives,
  type Jwk,
  type TrustAnchors,
} from '@strongroom/evidence'
import type { EvidencePolicy } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  creationMessage,
  measuredLog,
  quoteMessage,
  SoftwareTpm,
} from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { issueList, issueReport, spkiPin, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { issueCollateral, issueQuote, type IntelHierarchy } from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { openMakers } from './support/makers.ts'
import { faultsOf, judgeFiles, treeOf, type Files } from './support/judged.ts'
import { claimsOf, pemOf, quoteBy, spkiOf } from './support/paravisor.ts'

/** Evidence of several machines in one judgement: pieces are matched by content, in any order. */
let amd: Hierarchy
let intel: IntelHierarchy
let anchors: TrustAnchors
let chain: string
let collateral: Files
beforeAll(async () => {
  ;({ amd, intel, anchors, chain } = await openMakers())
  const given = await issueCollateral(intel)
  collateral = {
    'tcb.json': given.tcbInfo,
    'qe.json': given.qeIdentity,
    'signer.pem': given.tcbInfoIssuerChainPem,
    'pck.crl': given.pckCrl,
    'root.crl': given.rootCaCrl,
  }
})
const verdict = async (files: Files, policy: EvidencePolicy = {}): Promise<string[]> => {
  const found = await judgeFiles(files, {
    anchors,
    at: now,
    policy: { ...('b.bin' in files ? { tdx: { septVeDisableRequired: false } } : {}), ...policy },
  })
  return [found.verdict, ...faultsOf(found)]
}
/** In the given order and reversed. */
const both = async (files: Files, policy?: EvidencePolicy): Promise<string[][]> => [
  await verdict(files, policy),
  await verdict(Object.fromEntries(Object.entries(files).toReversed()), policy),
]
const accepted = [['accepted'], ['accepted']]
const unendorsed = [['unendorsed'], ['unendorsed']]
const tpms = [new SoftwareTpm(), new SoftwareTpm()] as const
const [first, second] = tpms
/** An RSA key with this exponent, as PEM. */
const rsaPem = (exponent: number[]): string => {
  const { n } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  const key = { kty: 'RSA', n: n!, e: Buffer.from(exponent).toString('base64url') }
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string
}

describe('an event log', () => {
  const firmware = measuredLog([[0, 8, utf8('firmware')]])
  const other = measuredLog([[0, 8, utf8('other')]])
  const quotes = (): Files => ({
    'a.json': quoteBy(first, firmware.pcrs),
    'a.pub': first.akPublic(),
    'b.json': quoteBy(second, other.pcrs),
    'b.pub': second.akPublic(),
  })

  it('is held to the quote of a TPM whose registers it replays to, else to the first', async () => {
    expect(await both({ ...quotes(), 'log.bin': firmware.log })).toEqual(unendorsed)
    expect(await both({ ...quotes(), 'log.bin': other.log })).toEqual(unendorsed)
    expect(await both({ ...quotes(), 'a.log': firmware.log, 'b.log': other.log })).toEqual(unendorsed)
    const nobodys = measuredLog([[0, 8, utf8('nobody')]]).log
    const fault = ['refused', 'log.replay EventLogMismatch']
    expect(await both({ ...quotes(), 'log.bin': nobodys })).toEqual([fault, fault])
    expect(await both({ ...quotes(), 'a.bin': firmware.log, 'log.bin': nobodys })).toEqual([fault, fault])
    const twice = ['refused', 'log.replay EventLogMismatch', 'log.replay EventLogMismatch']
    expect(await both({ ...quotes(), 'log.bin': nobodys, 'log2.bin': measuredLog([[0, 8, utf8('x')]]).log })).toEqual([
      twice,
      twice,
    ])
    // A statement without registers cannot be matched.
    const message = quoteMessage(firmware.pcrs)
    const bare = { message: toHex(message), signature: toHex(first.sign(message)) }
    expect(await both({ ...quotes(), 'c.json': bare, 'log.bin': other.log })).toEqual(unendorsed)
    expect(await verdict({ ...quotes(), 'log.bin': firmware.log }, { boot: { secureBoot: true } })).toEqual([
      'refused',
      'log.policy failed',
      'policy.secureBoot Missing',
      'log skipped',
    ])
  })

  it('is held to the quote of the TD whose registers it replays to, also beside a TPM’s', async () => {
    const td = measuredLog([[1, 8, utf8('td')]], 'sha384')
    const own = await issueQuote(intel, { td: (bytes) => bytes.set(td.pcrs.get(1)!, 48 + 328) })
    const plain = await issueQuote(intel)
    const files = { 'a.bin': plain, 'b.bin': own, ...collateral }
    const junk = own.subarray(0, 600)
    expect(await both({ ...files, 'ccel.bin': td.log })).toEqual(accepted)
    expect(await both({ ...files, 'ccel.bin': td.log, 'ccel2.bin': td.log })).toEqual(accepted)
    expect(await both({ ...files, ...quotes(), 'ccel.bin': td.log, 'log.bin': other.log })).toEqual(unendorsed)
    for (const found of await both({ ...files, 'c.bin': junk, 'ccel.bin': td.log }))
      expect(found.filter((each) => each.startsWith('log'))).toEqual([])
    const wrong = measuredLog([[1, 8, utf8('other')]], 'sha384').log
    const fault = ['refused', 'log.replay EventLogMismatch']
    expect(await both({ ...files, 'ccel.bin': td.log, 'ccel2.bin': wrong })).toEqual([fault, fault])
    const found = await judgeFiles(
      { 'b.bin': own, ...collateral, ...quotes(), 'ccel.bin': wrong },
      { anchors, at: now, policy: { tdx: { septVeDisableRequired: false } } },
    )
    expect(treeOf(found).map(([group]) => group)).toEqual(['tpm failed', 'tpm passed', 'tdx passed'])
  })
})

describe('a quote of a TPM', () => {
  const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
  const message = quoteMessage(pcrs)
  const quote = { message: toHex(message), signature: toHex(first.sign(message)) }

  it('has the signature of its place, and the one of the keys that were given which signed it', async () => {
    const another = quoteMessage(pcrs, { nonce: utf8('another') })
    const keys = { 'a.pub': first.akPublic(), 'b.pub': second.akPublic() }
    const parts = { 'a.msg': message, 'a.sig': first.sign(message), 'b.msg': another, 'b.sig': second.sign(another) }
    expect(await both({ ...parts, ...keys })).toEqual(unendorsed)
    expect(await verdict({ ...parts, ...keys, 'a.sig': parts['b.sig'], 'b.sig': parts['a.sig'] })).toEqual([
      'refused',
      'tpm.signature TpmSignatureInvalid',
      'tpm.signature TpmSignatureInvalid',
      'file.used BindingMismatch',
    ])
    expect(await both({ 'q.json': quote, 'a.pem': pemOf(first) })).toEqual(unendorsed)
    expect(await both({ 'q.json': quote, 'b.pem': pemOf(second) })).toEqual(
      Array(2).fill(['refused', 'tpm.signature TpmSignatureInvalid']),
    )
    // A key that signs anything is accepted as a separate file, and then refused for that.
    const free = first.akPublic(0x40072)
    expect(await verdict({ 'q.json': quote, 'a.pub': free })).toEqual([
      'refused',
      'tpm.key TpmKeyNotAllowed',
      'tpm.signature skipped',
    ])
    expect(await verdict({ 'q.json': quote, 'a.json': { object: toHex(free) } })).toEqual([
      'unjudged',
      'tpm.key skipped',
      'tpm.signature skipped',
      'file.used skipped',
    ])
    expect(await verdict({ 'q.json': quote, 'a.json': { object: toHex(first.akPublic()) } })).toEqual([
      'unjudged',
      'tpm.binding skipped',
    ])
  })

  it('may have a bare signature by RSA', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    const signature = Uint8Array.from(sign('sha256', message, privateKey))
    expect(await both({ 'q.msg': message, 'q.sig': signature, 'a.pem': pem })).toEqual(unendorsed)
    signature[100]! ^= 1
    expect((await verdict({ 'q.msg': message, 'q.sig': signature, 'a.pem': pem }))[0]).toBe('refused')
  })

  it('may have a key with a certificate under roots that the policy names', async () => {
    const issue = async (subject: string, subjectKey: Uint8Array, extensions = leafExtensions()): Promise<Uint8Array> =>
      await issueCertificate({
        serialNumber: 5n,
        subject: [['CN', subject]],
        issuer: [['CN', 'Makers']],
        subjectKey,
        signer: amd.ark,
        notBefore: made,
        notAfter: until,
        extensions,
      })
    const root = await issue('Makers', amd.ark.spki, authorityExtensions())
    const roots = [{ name: 'Makers', spkiSha256: await spkiPin(amd.ark) }]
    const certified = {
      'q.json': quote,
      'ak.pem': toPem([await issue('AK', spkiOf(first))]),
      'root.pem': toPem([root]),
    }
    expect(await both(certified, { tpm: { roots } })).toEqual(accepted)
    expect(await both(certified)).toEqual(Array(2).fill(['unjudged', 'tpm.binding skipped']))
    const strange = [{ name: 'x', spkiSha256: '00'.repeat(32) }]
    expect(await verdict(certified, { tpm: { roots: strange } })).toEqual(['refused', 'tpm.binding UntrustedRoot'])
    const theirs = { ...certified, 'ak.pem': toPem([await issue('AK', spkiOf(second))]) }
    expect((await verdict(theirs, { tpm: { roots } })).slice(0, 3)).toEqual([
      'unjudged',
      'tpm.key skipped',
      'tpm.signature skipped',
    ])
    const late = await judgeFiles(certified, {
      anchors,
      at: new Date(until.getTime() + 1000),
      policy: { tpm: { roots } },
    })
    expect(faultsOf(late)).toEqual(['tpm.binding CertificateExpired'])
  })

  it('has its own log where it is a statement of another kind beside it', async () => {
    const object = second.akPublic(0x40072)
    const name = Uint8Array.of(0, 0x0b, ...createHash('sha256').update(object.subarray(2)).digest())
    const made = creationMessage(name)
    const statement = { message: toHex(made), signature: toHex(first.sign(made)), object: toHex(object) }
    const { log } = measuredLog([[0, 8, utf8('firmware')]])
    const own = { 'c.json': { ...statement, eventLog: toHex(log) }, 'a.pub': first.akPublic() }
    expect(await verdict(own)).toEqual(['unjudged', 'log.replay skipped', 'log.replay skipped'])
    expect(await verdict({ ...own, 'q.json': quoteBy(first, pcrs) })).toEqual(['unendorsed'])
    const wrong = toHex(measuredLog([[0, 8, utf8('other')]]).log)
    expect(
      await verdict({ ...own, 'c.json': { ...statement, eventLog: wrong }, 'q.json': quoteBy(first, pcrs) }),
    ).toEqual(['refused', 'log.replay EventLogMismatch', 'log.replay EventLogMismatch'])
  })
})

describe('every signature', () => {
  it('is verified by the primitives that were given', async () => {
    const primitives = { ...webPrimitives, verify: () => false }
    const list = await issueList('ARK-Milan', amd.ark)
    const report = await issueReport(amd.vcek)
    const claims = claimsOf(first)
    const data = await hclReportData(claims)
    const hardwareReport = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
    const hcl = buildHclReport({ hardwareReport, reportType: 'SNP', claims })
    for (const files of [
      { 'chain.pem': chain },
      { 'chain.pem': chain, 'a.crl': list },
      collateral,
      { 'report.bin': report, 'chain.pem': chain },
      { 'quote.bin': await issueQuote(intel), ...collateral },
      { 'hcl.bin': hcl, 'chain.pem': chain },
    ] as Files[]) {
      const found = await judgeFiles(files, { anchors, at: now, primitives })
      expect([Object.keys(files), found.check.children.map(({ outcome }) => outcome)]).toEqual([
        Object.keys(files),
        found.check.children.map(({ id }) => (id === 'azure' ? 'failed' : expect.not.stringMatching(/^passed$/))),
      ])
    }
  })
})

describe('a key, a set of keys or a document', () => {
  it('of a TPM is nobody’s where no report at hand names it', async () => {
    const hcl = async (tpm: SoftwareTpm): Promise<Uint8Array> => {
      const claims = claimsOf(tpm)
      const data = await hclReportData(claims)
      const hardwareReport = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
      return buildHclReport({ hardwareReport, reportType: 'SNP', claims })
    }
    const stranger = new SoftwareTpm()
    const own = { 'a.hcl': await hcl(first), 'b.hcl': await hcl(second), 'chain.pem': chain }
    const keys = { 'a.pub': first.akPublic(), 'b.pub': second.akPublic() }
    expect(await both({ ...own, ...keys })).toEqual(accepted)
    expect(await both({ ...own, 'a.pub': keys['a.pub'] })).toEqual(accepted)
    const found = await judgeFiles({ ...own, ...keys, 'c.pub': stranger.akPublic() }, { anchors, at: now })
    expect(faultsOf(found)).toEqual(['file.used BindingMismatch'])
    const { expected, actual } = found.check.children.at(-1)!
    const names = expected!.split(' or ')
    expect([names.length, new Set([...names, actual]).size]).toEqual([2, 3])
    // Each machine must meet a policy on the TPM or the boot by itself.
    const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
    const unanswered = ['unjudged', 'policy.used skipped']
    for (const policy of [{ tpm: { pcrs } }, { tpm: { nonce: utf8('challenge') } }]) {
      expect(await both({ ...own, 'a.json': quoteBy(first, pcrs) }, policy)).toEqual([unanswered, unanswered])
      expect(await both({ ...own, 'a.json': quoteBy(first, pcrs), 'b.json': quoteBy(second, pcrs) }, policy)).toEqual(
        accepted,
      )
    }
    const boot = { boot: { applications: [] } }
    const measured = measuredLog([[4, 4, new Uint8Array(4)]])
    const booted = { ...own, 'a.json': quoteBy(first, measured.pcrs), 'a.log': measured.log }
    expect(await both(booted, boot)).toEqual([unanswered, unanswered])
    expect(await both({ ...booted, 'b.json': quoteBy(second, measured.pcrs) }, boot)).toEqual(accepted)
  })

  it('that nothing needs is not part of what is accepted', async () => {
    const own: Files = { 'report.bin': await issueReport(amd.vcek), 'chain.pem': chain }
    expect(await both(own)).toEqual(accepted)
    const unused = Array(2).fill(['unjudged', 'file.used skipped'])
    const nobodys = Array(2).fill(['refused', 'file.used BindingMismatch'])
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
    for (const [content, wanted] of [
      [{ keys: [{ kty: 'EC' }] }, unused],
      [ed25519, unused],
      // A TPM key's exponent has four bytes: with five it is no TPM's key.
      [rsaPem([1, 0, 0, 1]), nobodys],
      [rsaPem([1, 0, 0, 0, 1]), unused],
      [pemOf(first), nobodys],
      [claimsOf(first), Array(2).fill(['refused', 'claims.binding BindingMismatch'])],
      [quoteBy(first, new Map()), Array(2).fill(['unjudged', 'tpm.key skipped'])],
    ] as [Files[string], unknown][])
      expect((await both({ ...own, x: content })).map((each) => each.slice(0, 2))).toEqual(wanted)
    // One line per file, whatever it contains.
    const texts = { tcb_info: collateral['tcb.json'], qe_identity: collateral['qe.json'] }
    expect(await both({ ...own, x: texts })).toEqual(unused)
  })

  it('of what an image measures is by keys of the anchors’, alone or beside evidence', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const jws = `${encode({ typ: 'strongroom-image-measurements+jws', alg: 'ES256', kid: 'k' })}.${encode({})}.AAAA`
    const images = [{ ...publicKey.export({ format: 'jwk' }), kid: 'other' } as unknown as Jwk]
    for (const beside of [{}, { 'report.bin': await issueReport(amd.vcek), 'chain.pem': chain }] as Files[]) {
      const files = { ...beside, 'm.jws': jws }
      expect(await verdict(files)).toEqual(['unjudged', 'image.measurements skipped'])
      const found = await judgeFiles(files, { anchors: { ...anchors, images }, at: now })
      expect([found.verdict, found.code]).toEqual(['refused', 'TokenKeyUnknown'])
    }
  })
})
