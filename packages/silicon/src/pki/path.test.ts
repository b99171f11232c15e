import { namedBits, nullValue, authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import {
  certificateOf,
  parseCertificate,
  parseCrl,
  spkiSha256,
  VerificationCache,
  verifyCrl,
  verifyPath,
  type Certificate,
  type Crl,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { counting } from '../testing/counting.ts'
import { memoryKeyStore } from '../testing.ts'
import { issueCertificate, keyIdentifierExtensions, leafExtensions } from './certificate-writer.ts'
import { issueCrl } from './crl-writer.ts'
import { loadOrCreateKey, type SigningKey } from './keys.ts'

const name = (commonName: string): NameAttributes => [['CN', commonName]]
const start = new Date('2026-01-01T00:00:00Z')
const end = new Date('2027-01-01T00:00:00Z')
const at = new Date('2026-06-01T00:00:00Z')
const before = new Date('2025-12-31T23:59:59Z')
const after = new Date('2027-01-01T00:00:01Z')

let keys: { root: SigningKey; ca: SigningKey; leaf: SigningKey; other: SigningKey }
beforeAll(async () => {
  const store = memoryKeyStore()
  const make = (key: string): Promise<SigningKey> => loadOrCreateKey(store, key, 'ecdsa-p384-sha384')
  keys = { root: await make('root'), ca: await make('ca'), leaf: await make('leaf'), other: await make('other') }
})

interface Change {
  rootExtensions?: Extension[]
  caExtensions?: Extension[]
  leafExtensions?: Extension[]
  leafIssuer?: string
  leafSigner?: SigningKey
  caNotAfter?: Date
  leafNotBefore?: Date
}

async function chain(
  change: Change = {},
): Promise<{ chain: Certificate[]; anchors: { name: string; spkiSha256: string }[] }> {
  const validity = { notBefore: start, notAfter: end }
  const root = await issueCertificate({
    serialNumber: 1n,
    subject: name('Root'),
    issuer: name('Root'),
    subjectKey: keys.root.spki,
    signer: keys.root,
    ...validity,
    extensions: change.rootExtensions ?? authorityExtensions(),
  })
  const ca = await issueCertificate({
    serialNumber: 2n,
    subject: name('Authority'),
    issuer: name('Root'),
    subjectKey: keys.ca.spki,
    signer: keys.root,
    notBefore: start,
    notAfter: change.caNotAfter ?? end,
    extensions: change.caExtensions ?? [
      ...authorityExtensions(0),
      ...(await keyIdentifierExtensions(keys.ca.spki, keys.root.spki)),
    ],
  })
  const leaf = await issueCertificate({
    serialNumber: 0x8003n,
    subject: name('Leaf'),
    issuer: name(change.leafIssuer ?? 'Authority'),
    subjectKey: keys.leaf.spki,
    signer: change.leafSigner ?? keys.ca,
    notBefore: change.leafNotBefore ?? start,
    notAfter: end,
    extensions: change.leafExtensions ?? leafExtensions(),
  })
  const certificates = [leaf, ca, root].map(parseCertificate)
  return { chain: certificates, anchors: [{ name: 'Root', spkiSha256: await spkiSha256(certificates[2]!) }] }
}

async function list(o: {
  issuer?: string
  signer?: SigningKey
  revoked?: bigint[]
  thisUpdate?: Date
  nextUpdate?: Date
}): Promise<Crl> {
  const der = await issueCrl({
    issuer: name(o.issuer ?? 'Authority'),
    signer: o.signer ?? keys.ca,
    number: 7n,
    thisUpdate: o.thisUpdate ?? start,
    nextUpdate: o.nextUpdate ?? end,
    revoked: (o.revoked ?? []).map((serialNumber) => ({ serialNumber, date: start })),
  })
  return parseCrl(der)
}

describe('verifyPath', () => {
  it('accepts a chain to a pinned root, from the first to the last second', async () => {
    const good = await chain()
    for (const time of [start, at, end]) await verifyPath({ ...good, at: time })
  })

  it.each([
    ['an issuer that is not an authority', { caExtensions: leafExtensions() }, 'CertificateNotForThisUse'],
    ['an issuer without basicConstraints', { caExtensions: [] }, 'CertificateNotForThisUse'],
    [
      'an issuer that may not sign certificates',
      { caExtensions: [authorityExtensions(0)[0]!, leafExtensions()[1]!] },
      'CertificateNotForThisUse',
    ],
    ['a root that is not an authority', { rootExtensions: [] }, 'CertificateNotForThisUse'],
    ['a leaf that is an authority', { leafExtensions: authorityExtensions() }, 'CertificateNotForThisUse'],
    ['a root that allows no authority below it', { rootExtensions: authorityExtensions(0) }, 'PathTooLong'],
    [
      'an unknown critical extension in the leaf',
      { leafExtensions: [{ oid: '1.2.3', critical: true, value: nullValue() }] },
      'UnknownCriticalExtension',
    ],
    [
      'name constraints, which are not applied',
      { caExtensions: [...authorityExtensions(0), { oid: '2.5.29.30', critical: true, value: nullValue() }] },
      'UnknownCriticalExtension',
    ],
    ['an issuer of another name', { leafIssuer: 'Root' }, 'IssuerMismatch'],
    ['an expired authority above a valid leaf', { caNotAfter: new Date('2026-02-01T00:00:00Z') }, 'CertificateExpired'],
    ['a leaf of the future', { leafNotBefore: new Date('2026-07-01T00:00:00Z') }, 'CertificateNotYetValid'],
  ] as [string, Change, string][])('refuses %s', async (_, change, code) => {
    await expect(verifyPath({ ...(await chain(change)), at })).rejects.toMatchObject({
      name: 'VerificationError',
      code,
    })
  })

  it('is checked by the primitives that were given, and once where a cache knows it', async () => {
    const { primitives, checks } = counting()
    const cache = new VerificationCache()
    const { chain: certificates, anchors } = await chain()
    const known = certificates.map(({ raw }) => certificateOf(raw, { cache }))
    for (const wanted of [3, 0]) {
      await verifyPath({ chain: known, anchors, at, primitives, cache })
      expect(checks()).toBe(wanted)
    }
  })

  it('refuses a leaf that another key signed under the right name', async () => {
    await expect(verifyPath({ ...(await chain({ leafSigner: keys.other })), at })).rejects.toMatchObject({
      code: 'CertificateSignatureInvalid',
      subject: 'Leaf',
    })
  })

  it('ignores unknown extensions that are not critical', async () => {
    await verifyPath({ ...(await chain({ leafExtensions: [{ oid: '1.2.3', value: nullValue() }] })), at })
  })

  it('refuses a root that is not pinned, an empty chain, and trust in nothing', async () => {
    const { chain: certificates, anchors } = await chain()
    const pin = [{ name: 'Root', spkiSha256: 'ff'.repeat(32) }]
    await expect(verifyPath({ chain: certificates, anchors: pin, at })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    await expect(verifyPath({ chain: certificates, anchors: [], at })).rejects.toMatchObject({ code: 'NoTrustAnchors' })
    await expect(verifyPath({ chain: [], anchors, at })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    await expect(verifyPath({ chain: certificates.slice(0, 2), anchors, at })).rejects.toMatchObject({
      code: 'UntrustedRoot',
    })
    const endless = Array.from({ length: 7 }, () => certificates[2]!)
    await expect(verifyPath({ chain: endless, anchors, at })).rejects.toMatchObject({ code: 'PathTooLong' })
  })

  it('takes up to six certificates, and a root that stands for itself where it is an authority', async () => {
    const { chain: certificates, anchors } = await chain()
    const [, , root] = certificates
    const six = Array.from({ length: 6 }, () => root!)
    expect(await verifyPath({ chain: six, anchors, at })).toBe(anchors[0])
    expect(await verifyPath({ chain: [root!], anchors, at })).toBe(anchors[0])
    // No list covers a root, which is trusted by its key.
    expect(await verifyPath({ chain: [root!], anchors, at, requireCrls: true })).toBe(anchors[0])
    const weak = await chain({ rootExtensions: [] })
    for (const leafMayBeCa of [true, false])
      await expect(
        verifyPath({ chain: weak.chain.slice(2), anchors: weak.anchors, at, leafMayBeCa }),
      ).rejects.toMatchObject({ code: 'CertificateNotForThisUse', subject: 'Root' })
  })

  it('takes an authority for a leaf where that is asked for, and one that restricts nothing', async () => {
    const leaf = await chain({ leafExtensions: authorityExtensions() })
    await verifyPath({ ...leaf, at, leafMayBeCa: true })
    await verifyPath({ ...(await chain({ caExtensions: [authorityExtensions(0)[0]!] })), at })
    await verifyPath({ ...(await chain({ rootExtensions: authorityExtensions(1) })), at })
  })

  it('says of which certificate what was expected and found', async () => {
    const usage = (...bits: number[]): Extension => ({ oid: '2.5.29.15', critical: true, value: namedBits(bits) })
    const pin = { name: 'Pinned', spkiSha256: 'ff'.repeat(32) }
    const good = await chain()
    const own = good.anchors[0]!.spkiSha256
    const facts = async (o: Partial<Parameters<typeof verifyPath>[0]>, wanted: object): Promise<void> =>
      await expect(verifyPath({ ...good, at, ...o })).rejects.toMatchObject(wanted)
    await facts({ chain: [] }, { code: 'UntrustedRoot', subject: undefined })
    await facts({ anchors: [] }, { subject: 'Root' })
    await facts(
      { chain: Array.from({ length: 7 }, () => good.chain[2]!) },
      { code: 'PathTooLong', subject: 'Root', found: '7' },
    )
    await facts(
      { anchors: [pin, { ...pin, name: 'Other' }] },
      { subject: 'Root', expected: `Pinned ${pin.spkiSha256}, Other ${pin.spkiSha256}`, found: own },
    )
    await facts({ chain: good.chain.slice(0, 2) }, { subject: 'Authority', expected: `Root ${own}`, found: 'Root' })
    await facts(
      { at: before },
      { subject: 'Root', expected: 'at or after 2026-01-01T00:00:00.000Z', found: '2025-12-31T23:59:59.000Z' },
    )
    await facts({ at: new Date(Number.NaN) }, { subject: 'Root', found: 'no time' })
    await facts(
      { at: after },
      { subject: 'Root', expected: 'at or before 2027-01-01T00:00:00.000Z', found: '2027-01-01T00:00:01.000Z' },
    )
    await facts(await chain({ leafIssuer: 'Root' }), { subject: 'Leaf', expected: 'Authority', found: 'Root' })
    await facts(await chain({ leafExtensions: [{ oid: '1.2.3', critical: true, value: nullValue() }] }), {
      subject: 'Leaf',
      expected: undefined,
      found: '1.2.3',
    })
    await facts(await chain({ caExtensions: [authorityExtensions(0)[0]!, usage(0, 6)] }), {
      subject: 'Authority',
      expected: 'keyCertSign',
      found: 'digitalSignature, cRLSign',
    })
    await facts(await chain({ rootExtensions: authorityExtensions(0) }), { subject: 'Root', expected: '0', found: '1' })
    await facts(await chain({ caExtensions: [] }), { subject: 'Authority', expected: 'cA true' })
    await facts(
      { crls: [await list({ issuer: 'Nobody' })] },
      { subject: 'revocation list of Nobody', expected: 'Authority, Root', found: 'Nobody' },
    )
    await facts(
      { crls: [await list({ revoked: [0x8003n] })] },
      { subject: 'Leaf', found: `since ${start.toISOString()}` },
    )
    await facts(
      { crls: [await list({ issuer: 'Root', signer: keys.root, revoked: [1n] })] },
      { code: 'CertificateRevoked', subject: 'Root' },
    )
    await facts({ requireCrls: true, crls: [await list({})] }, { code: 'CollateralMissing', subject: 'Authority' })
  })

  it('refuses outside its time and at no time', async () => {
    const good = await chain()
    await expect(verifyPath({ ...good, at: before })).rejects.toMatchObject({ code: 'CertificateNotYetValid' })
    await expect(verifyPath({ ...good, at: after })).rejects.toMatchObject({ code: 'CertificateExpired' })
    await expect(verifyPath({ ...good, at: new Date(Number.NaN) })).rejects.toMatchObject({
      code: 'CertificateNotYetValid',
    })
  })

  it('refuses a chain with any byte of the leaf changed', async () => {
    const good = await chain()
    const der = good.chain[0]!.raw
    for (let offset = 0; offset < der.length; offset++) {
      const changed = Uint8Array.from(der)
      changed[offset]! ^= 0x01
      await expect(
        (async () => verifyPath({ ...good, chain: [parseCertificate(changed), ...good.chain.slice(1)], at }))(),
        `byte ${offset}`,
      ).rejects.toMatchObject({ name: expect.stringMatching(/^(Parse|Verification)Error$/) })
    }
  })
})

describe('revocation', () => {
  it('refuses what its issuer revoked, and only that', async () => {
    const good = await chain()
    await verifyPath({ ...good, at, crls: [await list({ revoked: [0x8004n, 2n] })] })
    await expect(verifyPath({ ...good, at, crls: [await list({ revoked: [5n, 0x8003n] })] })).rejects.toMatchObject({
      code: 'CertificateRevoked',
      subject: 'Leaf',
    })
    const root = await list({ issuer: 'Root', signer: keys.root, revoked: [2n] })
    await expect(verifyPath({ ...good, at, crls: [root] })).rejects.toMatchObject({
      code: 'CertificateRevoked',
      subject: 'Authority',
    })
  })

  it('refuses lists that are out of date, of the future, forged, or of no one in the chain', async () => {
    const good = await chain()
    const refused = async (crl: Crl, code: string): Promise<void> => {
      await expect(verifyPath({ ...good, at, crls: [crl] })).rejects.toMatchObject({ code })
    }
    await refused(await list({ nextUpdate: new Date(at.getTime() - 1000) }), 'CrlExpired')
    await refused(await list({ thisUpdate: new Date(at.getTime() + 1000) }), 'CrlNotYetValid')
    await refused(await list({ signer: keys.other }), 'CrlSignatureInvalid')
    await refused(await list({ issuer: 'Nobody' }), 'CrlIssuerMismatch')
    await refused(await list({ issuer: 'Leaf', signer: keys.leaf }), 'CrlIssuerMismatch')
  })

  it('wants a list for every certificate below the root where lists are required', async () => {
    const good = await chain()
    const leaf = await list({})
    const authority = await list({ issuer: 'Root', signer: keys.root })
    await verifyPath({ ...good, at, crls: [leaf, authority], requireCrls: true })
    for (const crls of [[], [leaf], [authority]]) {
      await expect(verifyPath({ ...good, at, crls, requireCrls: true })).rejects.toMatchObject({
        code: 'CollateralMissing',
      })
    }
  })

  it('refuses a list whose issuer may not sign lists', async () => {
    const extensions = [
      authorityExtensions(0)[0]!,
      { oid: '2.5.29.15', critical: true, value: Uint8Array.of(3, 2, 2, 4) },
    ]
    const { chain: certificates } = await chain({ caExtensions: extensions })
    const issuer = certificates[1]!
    await expect(verifyCrl({ crl: await list({}), issuer, at })).rejects.toMatchObject({
      code: 'CertificateNotForThisUse',
    })
  })

  it('refuses a list with any byte changed', async () => {
    const { chain: certificates } = await chain()
    const { raw } = await list({ revoked: [1n, 0x8003n] })
    for (let offset = 0; offset < raw.length; offset++) {
      const changed = Uint8Array.from(raw)
      changed[offset]! ^= 0x01
      await expect(
        (async () => verifyCrl({ crl: parseCrl(changed), issuer: certificates[1]!, at }))(),
      ).rejects.toMatchObject({
        name: expect.stringMatching(/^(Parse|Verification)Error$/),
      })
    }
  })
})
