import { authorityExtensions, integer } from '@strongroom/der'
import type { TrustAnchors } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, keyIdentifierExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { issueCrl } from '../../packages/silicon/src/pki/crl-writer.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  issueChain,
  issueList,
  issueReport,
  openHierarchy,
  type Hierarchy,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import {
  identityOf,
  issueCollateral,
  issueIntelChain,
  issueIntelList,
  issueQuote,
  openIntelHierarchy,
  signedText,
  tcbInfoOf,
  type IntelHierarchy,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { faultsOf, judgeFiles, type Files } from './support/judged.ts'
import { openMakers } from './support/makers.ts'

/** Lookalikes beside evidence: the right piece must be found, in any order of files. */
let amd: Hierarchy
let other: Hierarchy
let intel: IntelHierarchy
let otherIntel: IntelHierarchy
let anchors: TrustAnchors
let report: Uint8Array
let chain: Awaited<ReturnType<typeof issueChain>>
beforeAll(async () => {
  ;({ amd, intel, anchors } = await openMakers())
  other = await openHierarchy()
  otherIntel = await openIntelHierarchy()
  report = await issueReport(amd.vcek)
  chain = await issueChain(amd)
})
const day = 86_400_000
const verdict = async (files: Files): Promise<string[]> => {
  const policy = 'quote.bin' in files ? { tdx: { septVeDisableRequired: false } } : {}
  const found = await judgeFiles(files, { anchors, at: now, policy })
  return [found.verdict, ...faultsOf(found)]
}
/** In the given order and reversed. */
const both = async (files: Files): Promise<string[][]> => [
  await verdict(files),
  await verdict(Object.fromEntries(Object.entries(files).toReversed())),
]
const accepted = [['accepted'], ['accepted']]
const authority = async (
  o: { name?: string; issuer?: string; key?: 'ask' | 'ark'; notBefore?: Date; notAfter?: Date; bare?: boolean },
  keys: Hierarchy = amd,
): Promise<Uint8Array> => {
  const key = o.key ?? 'ask'
  return await issueCertificate({
    serialNumber: 9n,
    subject: [['CN', o.name ?? 'SEV-Milan']],
    issuer: [['CN', o.issuer ?? 'ARK-Milan']],
    subjectKey: keys[key].spki,
    signer: keys.ark,
    notBefore: o.notBefore ?? made,
    notAfter: o.notAfter ?? until,
    extensions: [
      ...(o.bare === true ? [] : await keyIdentifierExtensions(keys[key].spki, keys.ark.spki)),
      ...authorityExtensions(0),
    ],
  })
}

describe('beside a report of SEV-SNP', () => {
  it('its chain is found among others of the same names', async () => {
    const foreign = await issueChain(other)
    const past = { notBefore: new Date(made.getTime() - day), notAfter: made }
    const coming = { notBefore: until, notAfter: new Date(until.getTime() + day) }
    const decoys: Record<string, Uint8Array[]> = {
      'another root': [foreign.ark],
      'an intermediate of the past': [await authority(past)],
      'an intermediate to come': [await authority(coming)],
      'a root of the past': [await authority({ ...past, key: 'ark', name: 'ARK-Milan' })],
      'a root to come': [await authority({ ...coming, key: 'ark', name: 'ARK-Milan' })],
      'another chip’s key': [(await issueChain(amd, { endorsement: { hardwareId: new Uint8Array(64).fill(9) } })).vcek],
      'a key of other versions': [(await issueChain(amd, { endorsement: { microcode: integer(1) } })).vcek],
      'a key of another line': [(await issueChain(amd, { endorsement: { productName: undefined } })).vcek],
    }
    for (const [name, ders] of Object.entries(decoys)) {
      const found = await both({
        'a.pem': toPem(ders),
        'report.bin': report,
        'chain.pem': toPem([chain.vcek, chain.ask, chain.ark]),
      })
      // An unneeded file prevents a verdict.
      expect([name, ...found.map((each) => each.filter((fault) => fault !== 'file.used skipped'))]).toEqual([
        name,
        ['unjudged'],
        ['unjudged'],
      ])
      expect([
        name,
        ...(await both({ 'report.bin': report, 'all.pem': toPem([...ders, chain.vcek, chain.ask, chain.ark]) })),
      ]).toEqual([name, ...accepted])
      expect([
        name,
        ...(await both({ 'report.bin': report, 'all.pem': toPem([chain.ark, chain.ask, chain.vcek, ...ders]) })),
      ]).toEqual([name, ...accepted])
    }
  })

  it('the newest list of this time of its root counts', async () => {
    const list = async (o: { from: number; to: number; revoked?: bigint[]; keys?: Hierarchy }): Promise<Uint8Array> =>
      await issueCrl({
        issuer: [['CN', 'ARK-Milan']],
        signer: (o.keys ?? amd).ark,
        number: 1n,
        thisUpdate: new Date(now.getTime() + o.from * day),
        nextUpdate: new Date(now.getTime() + o.to * day),
        revoked: (o.revoked ?? []).map((serialNumber) => ({ serialNumber, date: made })),
      })
    const own = { 'report.bin': report, 'chain.pem': toPem([chain.vcek, chain.ask, chain.ark]) }
    const revoked = [2n]
    const of = async (...lists: Uint8Array[]): Promise<string[][]> =>
      await both({ ...own, ...Object.fromEntries(lists.map((bytes, index) => [`${index}.crl`, bytes])) })
    const refused = expect.arrayContaining(['refused', expect.stringMatching(/CertificateRevoked$/)]) as string[]
    const old = await list({ from: -20, to: 5 })
    const newer = await list({ from: -10, to: 5, revoked })
    expect(await of(old, newer)).toEqual([refused, refused])
    expect(await of(await list({ from: -20, to: 5, revoked }), await list({ from: -10, to: 5 }))).toEqual(accepted)
    // Newer ones valid at another time do not replace it.
    expect(await of(await list({ from: 1, to: 5 }), newer)).toEqual([refused, refused])
    expect(await of(await list({ from: -5, to: -1 }), newer)).toEqual([refused, refused])
    expect(await of(await list({ from: -10, to: 0, revoked }), old)).toEqual([refused, refused])
    expect(await of(await list({ from: 0, to: 1, revoked }), old)).toEqual([refused, refused])
    expect((await of(await list({ from: -5, to: -1 })))[0]).toEqual(
      expect.arrayContaining(['refused', expect.stringMatching(/CrlExpired$/)]),
    )
    // One from another root of the same name belongs to nobody.
    const foreign = await list({ from: -1, to: 5, keys: other })
    expect(await of(foreign, newer)).toEqual([refused, refused])
    expect(await of(foreign, old)).toEqual(Array(2).fill(['refused', 'file.used CrlIssuerMismatch']))
    expect(await of(await issueList('ARK-Genoa', amd.ark))).toEqual(
      Array(2).fill(['refused', 'file.used CrlIssuerMismatch']),
    )
  })
})

describe('beside a quote of TDX', () => {
  const own = async (): Promise<Record<string, Uint8Array | string>> => {
    const given = await issueCollateral(intel)
    return {
      'quote.bin': await issueQuote(intel),
      'tcb.json': given.tcbInfo,
      'qe.json': given.qeIdentity,
      'signer.pem': given.tcbInfoIssuerChainPem,
      'pck.crl': given.pckCrl,
      'root.crl': given.rootCaCrl,
    }
  }
  /** Verdicts without reports about unneeded files. */
  const needed = (found: string[][]): string[][] => found.map((each) => each.filter((it) => it !== 'file.used skipped'))

  it('Intel’s texts of this platform and time are found among others', async () => {
    const files = await own()
    expect(await both(files)).toEqual(accepted)
    const tcb = async (changes: object, by = intel.signer): Promise<string> =>
      await signedText('tcbInfo', tcbInfoOf({ ...changes }), by)
    const identity = async (changes: object): Promise<string> =>
      await signedText('enclaveIdentity', identityOf({ ...changes }), intel.signer)
    const [old, past] = ['2025-12-01T00:00:00Z', '2026-02-01T00:00:00Z']
    const coming = '2026-11-01T00:00:00Z'
    for (const [name, text] of Object.entries({
      'of another platform': await tcb({ fmspc: '000000000000' }),
      'that is older': await tcb({
        issueDate: old,
        tcbLevels: tcbInfoOf({}, { tcbStatus: 'Revoked' })['tcbLevels' as never],
      }),
      'that is past': await tcb({ issueDate: '2026-01-02T00:00:00Z', nextUpdate: past }),
      'that is to come': await tcb({ issueDate: coming }),
      'of an identity that is older': await identity({ issueDate: old, isvprodid: 9 }),
      'of an identity that is past': await identity({ issueDate: '2026-01-02T00:00:00Z', nextUpdate: past }),
      'of an identity that is to come': await identity({ issueDate: coming }),
    })) {
      expect([name, ...needed(await both({ 'a.json': text, ...files }))]).toEqual([name, ['unjudged'], ['unjudged']])
    }
    // The newest decides.
    const newer = await identity({ issueDate: '2026-03-01T00:00:00Z', isvprodid: 9 })
    for (const found of await both({ 'a.json': newer, ...files })) expect(found).toContain('refused')
  })

  it('the signer of Intel’s texts is the one under a trusted root', async () => {
    const { signer, root } = await issueIntelChain(otherIntel)
    for (const ders of [[signer, root], [signer], [root]])
      expect(needed(await both({ 'a.pem': toPem(ders), ...(await own()) }))).toEqual([['unjudged'], ['unjudged']])
    const { 'signer.pem': _, ...without } = await own()
    expect((await verdict({ ...without, 'a.pem': toPem([signer, root]) }))[0]).toBe('refused')
  })

  it('lists are of the platform’s authority and of the root', async () => {
    const files = await own()
    const foreign = await issueIntelList(otherIntel, { of: 'ca' })
    for (const found of await both({ ...files, 'a.crl': foreign })) {
      expect(found).toEqual(['refused', 'file.used CrlIssuerMismatch'])
    }
    const revoked = await issueIntelList(intel, {
      of: 'ca',
      revoked: [3n],
      nextUpdate: new Date(until.getTime() + day),
    })
    expect((await verdict({ ...files, 'pck.crl': revoked }))[0]).toBe('refused')
  })
})
