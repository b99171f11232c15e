import { authorityExtensions, ia5String, integer, type Extension } from '@strongroom/der'
import { encodeTcb } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, keyIdentifierExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { issueCrl } from '../../packages/silicon/src/pki/crl-writer.ts'
import {
  chipId,
  chipTcb,
  issueChain,
  issueReport,
  openHierarchy,
  tcbAt,
  type ChainChange,
  type Hierarchy,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { anchorOf, day, poolOf, type Given } from './support/pooled.ts'

/** What is picked for SEV-SNP reports among decoys in any order: each decoy differs in one thing. */
let amd: Hierarchy
let other: Hierarchy
let report: Uint8Array
let own: Record<'vcek' | 'ask' | 'ark', Uint8Array>
beforeAll(async () => {
  ;[amd, other] = await Promise.all([openHierarchy(), openHierarchy()])
  report = await issueReport(amd.vcek)
  own = await issueChain(amd)
})
const trusted = async (): Promise<Given['anchors']> => [await anchorOf(amd.ark)]
/** Names of the picks, in both input orders. */
const picked = async (
  ders: Record<string, Uint8Array>,
  of = report,
  anchors?: Given['anchors'],
): Promise<unknown[]> => {
  const found: unknown[] = []
  for (const order of [Object.entries(ders), Object.entries(ders).toReversed()]) {
    const pool = await poolOf({ certificates: order.map(([, der]) => der), anchors: anchors ?? (await trusted()) })
    const chain = pool.snpChain(of)
    const nameOf = (der: Uint8Array): string | undefined => order.find(([, each]) => each === der)?.[0]
    const names = chain === undefined ? [] : [chain.vcek, chain.ask, chain.ark].map((der) => nameOf(der))
    found.push(chain && names.join(' '))
    const used = order.filter(([, der]) => pool.ledger.has(der)).map(([name]) => name)
    expect(new Set(used)).toEqual(new Set(names))
  }
  return found
}
const twice = (what: unknown): unknown[] => [what, what]
const issue = async (o: {
  name: string
  issuer: string
  key?: 'ask' | 'ark' | 'vcek'
  keys?: Hierarchy
  notBefore?: Date
  notAfter?: Date
  extensions?: Extension[]
}): Promise<Uint8Array> =>
  await issueCertificate({
    serialNumber: 9n,
    subject: [['CN', o.name]],
    issuer: [['CN', o.issuer]],
    subjectKey: (o.keys ?? amd)[o.key ?? 'ask'].spki,
    signer: (o.keys ?? amd).ark,
    notBefore: o.notBefore ?? made,
    notAfter: o.notAfter ?? until,
    extensions: o.extensions ?? authorityExtensions(0),
  })
const vcekOf = async (endorsement: NonNullable<ChainChange['endorsement']>, leaf?: string): Promise<Uint8Array> =>
  (await issueChain(amd, { ...(leaf === undefined ? {} : { leaf }), endorsement })).vcek

describe('the key of a report', () => {
  it('is the one of its kind, then of its chip, then of its versions, then of this time', async () => {
    const chip = new Uint8Array(64).fill(9)
    const provider = { hardwareId: undefined, providerId: ia5String('x') }
    const decoys: Record<string, Uint8Array> = {
      provider: await vcekOf(provider, 'SEV-VLEK'),
      chip: await vcekOf({ hardwareId: chip }),
      versions: await vcekOf({ microcode: integer(1) }),
      unreadable: await vcekOf({ productName: undefined }),
    }
    for (const [name, der] of Object.entries(decoys))
      expect([name, await picked({ ...own, [name]: der })]).toEqual([name, twice('vcek ask ark')])
    expect(await picked({ ...own, ...decoys })).toEqual(twice('vcek ask ark'))
    // Each criterion outweighs all that follow.
    const { ask, ark } = own
    const strange = await vcekOf({ hardwareId: chip, microcode: integer(1) })
    const versions = decoys['versions']!
    expect(await picked({ ask, ark, strange, [`chip`]: decoys['chip']! })).toEqual(twice('chip ask ark'))
    expect(await picked({ ask, ark, versions, [`chip`]: decoys['chip']! })).toEqual(twice('versions ask ark'))
    expect(await picked({ ask, ark, strange, unreadable: decoys['unreadable']! })).toEqual(twice('strange ask ark'))
    const vlek = await issueReport(amd.vcek, (bytes) => (bytes[0x48] = 1 << 2))
    const asvk = await issue({ name: 'SEV-VLEK-Milan', issuer: 'ARK-Milan' })
    const leaf = (await issueChain(amd, { leaf: 'SEV-VLEK', ask: 'SEV-VLEK-Milan', endorsement: provider })).vcek
    const old = { ...provider, microcode: integer(1) }
    const weak = (await issueChain(amd, { leaf: 'SEV-VLEK', ask: 'SEV-VLEK-Milan', endorsement: old })).vcek
    expect(await picked({ ...own, leaf, asvk, weak }, vlek)).toEqual(twice('leaf asvk ark'))
    expect(await picked({ ...own, asvk, weak }, vlek)).toEqual(twice('weak asvk ark'))
    // A report with a hidden chip may be of any; then its versions decide.
    const hidden = await issueReport(amd.vcek, (bytes) => bytes.fill(0, 0x1a0, 0x1e0))
    expect(await picked({ ask, ark, chip: decoys['chip']!, versions }, hidden)).toEqual(twice('chip ask ark'))
    const low = await issueReport(amd.vcek, (_, view) =>
      view.setBigUint64(tcbAt.reported, encodeTcb({ ...chipTcb, microcode: 1 }, 'Milan'), true),
    )
    expect(await picked({ ...own, versions }, low)).toEqual(twice('versions ask ark'))
  })

  it('is of this time where all else is alike, its first and last moment among them', async () => {
    const { ask, ark } = own
    const at = async (from: number, to: number): Promise<Uint8Array> =>
      await issueCertificate({
        serialNumber: 3n,
        subject: [['CN', 'SEV-VCEK']],
        issuer: [['CN', 'SEV-Milan']],
        subjectKey: amd.vcek.spki,
        signer: amd.ask,
        notBefore: new Date(now.getTime() + from * day),
        notAfter: new Date(now.getTime() + to * day),
        extensions: await endorsement(),
      })
    const [past, coming] = [await at(-2, -1), await at(1, 2)]
    for (const good of [await at(0, 1), await at(-1, 0), await at(-1, 1)])
      expect(await picked({ ask, ark, past, good, coming })).toEqual(twice('good ask ark'))
  })

  it('is known by its name, else is any that issues none', async () => {
    const { ask, ark, vcek } = own
    for (const name of ['XSEV-VCEK', 'SEV-VCEKX', 'SEV-VXEK'])
      expect(await picked({ ask, ark, vcek, other: await vcekOf({}, name) })).toEqual(twice('vcek ask ark'))
    expect(await picked({ ask, ark, other: await vcekOf({}, 'x') })).toEqual(twice('other ask ark'))
    const [plain, long] = [await vcekOf({}, 'x'), await vcekOf({}, 'XSEV-VCEK')]
    expect(await picked({ ask, ark, plain, long })).toEqual(['plain ask ark', 'long ask ark'])
    expect(await picked({ ask, ark })).toEqual(twice(undefined))
    expect(await picked({ vcek, ark })).toEqual(twice(undefined))
    expect(await picked({ vcek, ask })).toEqual(twice(undefined))
    expect(await picked({ ...own }, Uint8Array.of(1))).toEqual(twice('vcek ask ark'))
  })
})

/** The endorsement of the hierarchy's leaf. */
const endorsement = async (): Promise<Extension[]> => {
  const { parseCertificate } = await import('@strongroom/evidence')
  return parseCertificate((await issueChain(amd)).vcek).extensions.map(({ oid, value, critical }) => ({
    oid,
    value,
    critical,
  }))
}

describe('the issuer of a certificate', () => {
  it('is the one whose key it names, then one that is trusted, then one of this time', async () => {
    const foreign = await issueChain(other)
    const ids = async (keys: Hierarchy): Promise<Extension[]> => [
      ...(await keyIdentifierExtensions(keys.ask.spki, keys.ark.spki)),
      ...authorityExtensions(0),
    ]
    expect(await picked({ ...own, foreign: foreign.ark })).toEqual(twice('vcek ask ark'))
    // The named key precedes trust, and trust precedes time.
    const { vcek, ark } = own
    const theirs = await issue({ name: 'SEV-Milan', issuer: 'ARK-Milan', extensions: await ids(other) })
    expect(await picked({ vcek, ark, theirs, foreign: foreign.ark })).toEqual(twice('vcek theirs foreign'))
    const bare = await issue({ name: 'SEV-Milan', issuer: 'ARK-Milan' })
    expect(await picked({ vcek, bare, ark, foreign: foreign.ark })).toEqual(twice('vcek bare ark'))
    // A trusted key counts as a root's, not when another certified it; an issuer may omit its key.
    const cross = await issue({ name: 'ARK-Milan', issuer: 'X', key: 'ark' })
    expect(await picked({ vcek, bare, cross, ark })).toEqual(twice('vcek bare ark'))
    const plain = await issue({ name: 'ARK-Milan', issuer: 'ARK-Milan', key: 'ark' })
    expect(await picked({ vcek, ask: own.ask, plain })).toEqual(twice('vcek ask plain'))
    const past = { notBefore: new Date(made.getTime() - day), notAfter: made }
    const root = { name: 'ARK-Milan', issuer: 'ARK-Milan', key: 'ark' } as const
    const old = await issue({ ...root, ...past })
    const current = await issue({ ...root, keys: other })
    expect(await picked({ vcek, bare, old, current })).toEqual(twice('vcek bare old'))
    expect(await picked({ vcek, bare, old, current }, report, [])).toEqual(twice('vcek bare current'))
    const moments: [Date, Date][] = [
      [now, until],
      [made, now],
    ]
    for (const [notBefore, notAfter] of moments) {
      const good = await issue({ ...root, notBefore, notAfter })
      const coming = await issue({ ...root, notBefore: new Date(now.getTime() + 1000) })
      expect(await picked({ vcek, bare, old, good, coming })).toEqual(twice('vcek bare good'))
    }
  })

  it('is followed to a root, five times at most', async () => {
    const { vcek } = own
    const [a, b] = [await issue({ name: 'SEV-Milan', issuer: 'B' }), await issue({ name: 'B', issuer: 'SEV-Milan' })]
    const pool = await poolOf({ certificates: [vcek, a, b], anchors: [] })
    const [leaf] = pool.certificates
    expect(pool.chainFrom(leaf!).map(({ subject }) => subject.commonName)).toEqual([
      'SEV-VCEK',
      'SEV-Milan',
      'B',
      'SEV-Milan',
      'B',
      'SEV-Milan',
    ])
    const whole = await poolOf({ certificates: [vcek, own.ark, own.ask], anchors: [] })
    expect(whole.chainFrom(whole.certificates[0]!)).toHaveLength(3)
    const junk = await poolOf({ certificates: [Uint8Array.of(1), vcek], anchors: [] })
    expect([junk.certificates.length, junk.chainFrom(junk.certificates[0]!).length]).toEqual([1, 1])
  })
})

describe('where the chain of a report is missing', () => {
  const said = async (certificates: Uint8Array[], of = report): Promise<string> =>
    (await poolOf({ certificates, anchors: [] })).withoutSnpChain(of)
  const provider = async (): Promise<Uint8Array> => await issueReport(amd.vcek, (bytes) => (bytes[0x48] = 1 << 2))

  it('it is said what was given, what is lacking and where to get it', async () => {
    const { vcek, ask, ark } = own
    const key = /https:\/\/kdsintf\.amd\.com\/vcek\/v1\/Milan\/0102/
    const chain = /https:\/\/kdsintf\.amd\.com\/vcek\/v1\/Milan\/cert_chain$/
    expect(await said([])).toMatch(key)
    expect(await said([])).not.toMatch(/VLEK|were/)
    expect(await said([ask, ask, ark])).toMatch(/VCEK .*\(SEV-Milan, ARK-Milan were\)/)
    expect(await said([ask, ark])).toMatch(key)
    expect(await said([ask], await provider())).toMatch(/VLEK .*\(SEV-Milan were\)/)
    expect(await said([vcek])).toMatch(chain)
    expect(await said([vcek])).toMatch(/VCEK .* SEV-Milan /)
    expect(await said([vcek])).not.toContain('were')
    const found = await said([vcek, ask])
    expect(found).toMatch(chain)
    expect(found).toMatch(/needs ARK-Milan, .* were SEV-Milan;/)
    const strange = await issue({ name: 'X', issuer: 'X' })
    expect(await said([vcek, strange])).toMatch(/needs SEV-Milan, .* were X;/)
    expect(await said([Uint8Array.of(1)], Uint8Array.of(1))).toMatch(/VCEK|PRODUCT/)
    const nameless = await issueCertificate({
      serialNumber: 9n,
      subject: [['O', 'x']],
      issuer: [['O', 'y']],
      subjectKey: amd.ask.spki,
      signer: amd.ark,
      notBefore: made,
      notAfter: until,
      extensions: authorityExtensions(),
    })
    expect(await said([nameless])).toContain('(without a name were)')
  })

  it('it is said also of a report whose versions cannot be read', async () => {
    const reserved = await issueReport(amd.vcek, (bytes) => (bytes[tcbAt.reported + 3] = 1))
    expect(await said([], reserved)).toContain('kdsintf.amd.com')
    expect(await picked({ ...own }, reserved)).toEqual(twice('vcek ask ark'))
    expect(chipId).toHaveLength(64)
  })
})

describe('the revocation list of an authority', () => {
  const list = async (o: { from: number; to: number; keys?: Hierarchy; issuer?: string }): Promise<Uint8Array> =>
    await issueCrl({
      issuer: [['CN', o.issuer ?? 'ARK-Milan']],
      signer: (o.keys ?? amd).ark,
      number: 1n,
      thisUpdate: new Date(now.getTime() + o.from * day),
      nextUpdate: new Date(now.getTime() + o.to * day),
    })
  const found = async (lists: Record<string, Uint8Array>): Promise<(string | undefined)[]> => {
    const names: (string | undefined)[] = []
    for (const order of [Object.entries(lists), Object.entries(lists).toReversed()]) {
      const pool = await poolOf({
        certificates: [own.ark],
        crls: [Uint8Array.of(1), ...order.map(([, der]) => der)],
        anchors: [],
      })
      const crl = pool.crlOf(pool.certificates[0])
      names.push(order.find(([, der]) => der === crl)?.[0])
      expect(pool.crlOf(undefined)).toBeUndefined()
      for (const [name, der] of order) expect([name, pool.ledger.has(der)]).toEqual([name, !name.startsWith('foreign')])
    }
    return names
  }

  it('is the newest of this time by its key, else the newest', async () => {
    const [old, recent] = [await list({ from: -9, to: 9 }), await list({ from: -8, to: 9 })]
    expect(await found({ old, recent })).toEqual(twice('recent'))
    expect(await found({ old, coming: await list({ from: 1, to: 9 }) })).toEqual(twice('old'))
    expect(await found({ old, past: await list({ from: -8, to: -1 }) })).toEqual(twice('old'))
    for (const edge of [await list({ from: 0, to: 9 }), await list({ from: -8, to: 0 })])
      expect(await found({ old, edge })).toEqual(twice('edge'))
    const [past, older] = [await list({ from: -8, to: -1 }), await list({ from: -9, to: -1 })]
    expect(await found({ past, older })).toEqual(twice('past'))
    const foreign = await list({ from: -1, to: 9, keys: other })
    const foreignName = await list({ from: -1, to: 9, issuer: 'ARK-Genoa' })
    expect(await found({ old, foreign, foreignName })).toEqual(twice('old'))
    expect(await found({ foreign })).toEqual(twice(undefined))
    // One that names no key may come from any authority of the name: its extension is changed to another's.
    const unnamed = await list({ from: -7, to: 9 })
    const authorityKeyIdentifier = Uint8Array.of(6, 3, 0x55, 0x1d, 0x23)
    unnamed[Buffer.from(unnamed).indexOf(authorityKeyIdentifier) + 4] = 0x63
    expect(await found({ old, unnamed })).toEqual(twice('unnamed'))
  })
})
