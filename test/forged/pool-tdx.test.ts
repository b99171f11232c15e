import {
  ByteWriter,
  parsePem,
  parseTdxQuote,
  utf8,
  webPrimitives,
  type Primitives,
  type TrustAnchor,
} from '@strongroom/evidence'
import type { Piece } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { Pool } from '../../packages/evidence/src/bundle/pieces/pool.ts'
import { intelNames } from '../../packages/silicon/src/intel/certificates.ts'
import { platformTcb } from '../../packages/silicon/src/intel/platform-tcb.ts'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  identityOf,
  issueIntelChain,
  issueIntelList,
  issueQuote,
  openIntelHierarchy,
  signedText,
  tcbInfoOf,
  type IntelHierarchy,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { anchorOf, day, poolOf, type Given } from './support/pooled.ts'

/** What is picked for TD quotes among decoys in any order. */
let intel: IntelHierarchy
let other: IntelHierarchy
let anchors: TrustAnchor[]
let own: Record<'root' | 'ca' | 'pck' | 'signer', Uint8Array>
let theirs: typeof own
let quote: Uint8Array
beforeAll(async () => {
  ;[intel, other] = await Promise.all([openIntelHierarchy(), openIntelHierarchy()])
  anchors = [await anchorOf(intel.root)]
  ;[own, theirs] = await Promise.all([issueIntelChain(intel), issueIntelChain(other)])
  quote = await issueQuote(intel)
})
const bothWays = <T>(list: readonly T[]): T[][] => [[...list], list.toReversed()]
/** A quote that names its certificate without containing it (Intel's certification data of type 1). */
const naming = async (o: { pceSvn?: number; ppid?: number } = {}): Promise<Uint8Array> =>
  await issueQuote(intel, {
    certification: {
      kind: 1,
      data: new ByteWriter()
        .bytes(new Uint8Array(16).fill(o.ppid ?? 0))
        .bytes(platformTcb.cpuSvn)
        .u16le(o.pceSvn ?? platformTcb.pceSvn)
        .bytes(platformTcb.pceId)
        .finish(),
    },
  })

describe('the signer of Intel’s texts', () => {
  const named = (): Record<string, Uint8Array> => ({ ...own, theirRoot: theirs.root, theirSigner: theirs.signer })
  const chainOf = async (certificates: Uint8Array[]): Promise<(string | undefined)[]> => {
    const pool = await poolOf({ certificates, anchors })
    const pem = pool.signerChain()
    if (pem === undefined) return []
    const ders = parsePem(pem)
    for (const der of ders) expect(pool.ledger.has(der)).toBe(true)
    expect(pool.signerRoot()?.raw).toEqual(ders.at(-1))
    return ders.map((der) => Object.entries(named()).find(([, each]) => Buffer.from(each).equals(der))?.[0])
  }

  it('is the one whose chain holds under a trusted root', async () => {
    for (const ders of bothWays([own.signer, own.root, theirs.signer, theirs.root]))
      expect(await chainOf(ders)).toEqual(['signer', 'root'])
    expect(await chainOf([theirs.signer, theirs.root])).toEqual(['theirSigner', 'theirRoot'])
    expect(await chainOf([own.root, own.ca, own.pck])).toEqual([])
    expect((await poolOf({ certificates: [own.root], anchors })).signerRoot()).toBeUndefined()
    expect(await chainOf([own.signer])).toEqual([])
    expect((await poolOf({ certificates: [own.signer], anchors })).signerRoot()?.raw).toEqual(own.signer)
    // As PEM, in lines of 64 characters.
    const pool = await poolOf({ certificates: [own.signer, own.root], anchors })
    expect(pool.signerChain()).toBe(toPem([own.signer, own.root]))
  })

  it('is one of this time where none is trusted, its first and last moment among them, else any', async () => {
    const signer = async (from: number, to: number): Promise<Uint8Array> =>
      await issueCertificate({
        serialNumber: 4n,
        subject: intelNames.tcbSigning,
        issuer: intelNames.root,
        subjectKey: other.signer.spki,
        signer: other.root,
        notBefore: new Date(now.getTime() + from * day),
        notAfter: new Date(now.getTime() + to * day),
        extensions: leafExtensions(),
      })
    const leafOf = async (certificates: Uint8Array[]): Promise<Uint8Array | undefined> =>
      parsePem((await poolOf({ certificates: [...certificates, theirs.root], anchors })).signerChain() ?? '')[0]
    const [past, coming] = [await signer(-2, -1), await signer(1, 2)]
    for (const good of [await signer(-1, 0), await signer(0, 1)])
      for (const ders of bothWays([past, good, coming])) expect(await leafOf(ders)).toEqual(good)
    for (const ders of bothWays([past, coming])) expect(await leafOf(ders)).toEqual(ders[0])
  })
})

describe('whoever picks', () => {
  it('verifies and hashes by the primitives that were given', async () => {
    const used = new Set<string>()
    const primitives: Primitives = {
      ...webPrimitives,
      digest: async (...of) => {
        used.add('digest')
        return await webPrimitives.digest(...of)
      },
      verify: () => {
        used.add('verify')
        return false
      },
    }
    const pieces: Piece[] = [
      { name: 'c', kind: 'certificates', certificates: [theirs.signer, theirs.root, own.signer, own.root] },
    ]
    const pool = await Pool.of(pieces, now, anchors, { primitives })
    // Nothing verifies under them: the first currently valid one is picked.
    expect(parsePem(pool.signerChain()!)[0]).toEqual(theirs.signer)
    expect(used).toEqual(new Set(['digest', 'verify']))
    used.clear()
    await Pool.of([{ name: 'r', kind: 'certificates', certificates: [own.root] }], now, anchors, { primitives })
    expect(used).toEqual(new Set(['digest']))
    const none = await Pool.of([], now, anchors, { primitives })
    expect([none.signerRoot(), none.signerChain()]).toEqual([undefined, undefined])
  })
})

describe('the certificate that a quote names', () => {
  it('is found by what the quote says of it, with its issuers', async () => {
    const all = Object.values(own)
    for (const certificates of bothWays(all)) {
      const pool = await poolOf({ certificates, anchors })
      expect(pool.pckChain(await naming())).toEqual([own.pck, own.ca, own.root])
      for (const der of [own.pck, own.ca, own.root]) expect(pool.ledger.has(der)).toBe(true)
      expect(pool.ledger.has(own.signer)).toBe(false)
    }
    const pool = await poolOf({ certificates: all, anchors })
    // One with its certificates needs no others; an unreadable one, or one that names another, has none.
    for (const none of [
      quote,
      Uint8Array.of(1),
      await naming({ pceSvn: 1 + platformTcb.pceSvn }),
      await naming({ ppid: 7 }),
    ])
      expect(pool.pckChain(none)).toBeUndefined()
  })
})

describe('Intel’s collateral of a quote', () => {
  const tcb = async (o: object = {}): Promise<string> => await signedText('tcbInfo', tcbInfoOf({ ...o }), intel.signer)
  const identity = async (o: object = {}): Promise<string> =>
    await signedText('enclaveIdentity', identityOf({ ...o }), intel.signer)
  const [kindOfInfo, kindOfIdentity] = ['tcb-info', 'qe-identity'] as const
  const at = '2026-06-01T00:00:00Z'

  it('is the text of its platform, then of this time, then the newest', async () => {
    const good = await tcb()
    const current = { issueDate: '2026-02-01T00:00:00Z' }
    for (const [name, decoy] of Object.entries({
      platform: await tcb({ fmspc: '000000000000', ...current }),
      past: await tcb({ ...current, nextUpdate: '2026-03-01T00:00:00Z' }),
      coming: await tcb({ issueDate: '2026-11-01T00:00:00Z' }),
      older: await tcb({ issueDate: '2025-12-01T00:00:00Z' }),
      unreadable: '{"tcbInfo":{},"signature":"00"}',
    }))
      for (const texts of bothWays([good, decoy])) {
        const pool = await poolOf({ texts: texts.map((text) => ({ kind: kindOfInfo, text })), anchors })
        expect([name, pool.tdxCollateral(quote).tcbInfo === good]).toEqual([name, true])
        expect([pool.ledger.has(good), pool.ledger.has(decoy)]).toEqual([true, false])
      }
    // The first and the last moment are included.
    for (const edge of [await tcb({ issueDate: at }), await tcb({ ...current, nextUpdate: at })])
      for (const texts of bothWays([good, edge])) {
        const pool = await poolOf({ texts: texts.map((text) => ({ kind: kindOfInfo, text })), anchors })
        expect(pool.tdxCollateral(quote).tcbInfo).toBe(edge)
      }
    // For an unknown platform, any.
    const pool = await poolOf({ texts: [{ kind: kindOfInfo, text: good }], anchors })
    expect(pool.tdxCollateral(Uint8Array.of(1)).tcbInfo).toBe(good)
    const strange = await poolOf({
      texts: [{ kind: kindOfInfo, text: await tcb({ fmspc: '000000000000' }) }],
      anchors,
    })
    expect(strange.tdxCollateral(quote)).toHaveProperty('tcbInfo')
  })

  it('has the identity, the signer’s chain and the lists of both authorities, as far as they were given', async () => {
    expect((await poolOf({ anchors })).tdxCollateral(quote)).toEqual({ pckCrlIssuerChainPem: '' })
    const [info, qe] = [await tcb(), await identity()]
    const [pckCrl, rootCaCrl] = [await issueIntelList(intel, { of: 'ca' }), await issueIntelList(intel, { of: 'root' })]
    const older = await identity({ issueDate: '2025-12-01T00:00:00Z' })
    const chain = toPem([own.signer, own.root])
    for (const order of bothWays([0, 1])) {
      const given: Given = {
        certificates: order.map((index) => [own.signer, own.root][index]!),
        crls: order.map((index) => [pckCrl, rootCaCrl][index]!),
        texts: [
          { kind: kindOfInfo, text: info },
          ...order.map((index) => ({ kind: kindOfIdentity, text: [qe, older][index]! })),
        ],
        anchors,
      }
      const wanted = {
        tcbInfo: info,
        qeIdentity: qe,
        tcbInfoIssuerChainPem: chain,
        qeIdentityIssuerChainPem: chain,
        pckCrl,
        rootCaCrl,
        pckCrlIssuerChainPem: '',
      }
      const pool = await poolOf(given)
      expect(pool.tdxCollateral(quote)).toEqual(wanted)
      for (const each of [info, qe, pckCrl, rootCaCrl]) expect(pool.ledger.has(each)).toBe(true)
      // The same for a quote that names its certificate.
      const named = await poolOf({ ...given, certificates: [...given.certificates!, own.pck, own.ca] })
      expect(named.tdxCollateral(await naming())).toEqual(wanted)
      const bare = await poolOf({ ...given, certificates: [] })
      expect(Object.keys(bare.tdxCollateral(await naming())).toSorted()).toEqual([
        'pckCrlIssuerChainPem',
        'qeIdentity',
        'tcbInfo',
      ])
    }
  })

  it('uses the certificates that the quote carries, and finds issuers among them', async () => {
    const { certification } = parseTdxQuote(quote)
    const chain = certification.type === 'pckChain' ? certification.chain : []
    expect(chain).toHaveLength(3)
    const pool = await poolOf({ anchors })
    pool.tdxCollateral(quote)
    for (const der of chain) expect(pool.ledger.has(der)).toBe(true)
    const carried = await Pool.of([{ name: 'q', kind: 'tdx-quote', bytes: quote }], now, anchors, {})
    expect(carried.certificates.map(({ raw }) => raw)).toEqual(chain)
    const junk = await Pool.of([{ name: 'q', kind: 'tdx-quote', bytes: utf8('junk') }], now, anchors, {})
    expect(junk.certificates).toEqual([])
  })
})
