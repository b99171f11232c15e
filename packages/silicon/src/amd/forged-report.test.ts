import { ia5String, integer } from '@strongroom/der'
import {
  encodeTcb,
  parseSnpReport,
  tcbParts,
  verifySnp,
  VerificationCache,
  type SnpChain,
  type SnpProduct,
  type VerifiedSnp,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadOrCreateKey } from '../pki/keys.ts'
import { memoryKeyStore } from '../testing.ts'
import {
  chipId,
  chipTcb,
  issueChain,
  issueList,
  issueReport,
  openHierarchy,
  spkiPin,
  tcbAt,
  type ChainChange,
  type Hierarchy,
} from '../testing/amd-hierarchy.ts'
import { counting } from '../testing/counting.ts'
import { now } from '../testing/times.ts'

type Change = (bytes: Uint8Array, view: DataView) => void
interface Given {
  chain?: ChainChange
  report?: Change
  crl?: Uint8Array
  product?: SnpProduct
}

// Everything is signed by the key that a chain under the pinned root endorses: only one rule at a time fails.
describe('verifySnp', () => {
  let keys: Hierarchy
  let pin: string
  beforeAll(async () => {
    keys = await openHierarchy()
    pin = await spkiPin(keys.ark)
  })

  const verify = async (o: Given = {}): Promise<VerifiedSnp> =>
    await verifySnp({
      report: parseSnpReport(await issueReport(keys.vcek, o.report, o.product)),
      chain: await issueChain(keys, o.chain),
      anchors: {
        simulated: true,
        amd: [
          { name: 'another', spkiSha256: '00'.repeat(32) },
          { name: 'forged', spkiSha256: pin },
        ],
        intel: [],
      },
      crl: o.crl,
      at: now,
    })
  const versions = (which: keyof typeof tcbAt, part: keyof typeof chipTcb, by: number): Change => {
    const raw = encodeTcb({ ...chipTcb, [part]: chipTcb[part] + by }, 'Milan')
    return (_, view) => view.setBigUint64(tcbAt[which], raw, true)
  }

  it('says what the report, its key and its root are', async () => {
    const verified = await verify({
      report: (bytes, view) => {
        versions('current', 'snp', 2)(bytes, view)
        versions('committed', 'snp', 1)(bytes, view)
        versions('launch', 'tee', -1)(bytes, view)
      },
    })
    expect(verified).toMatchObject({
      product: 'Milan',
      endorsement: { signer: 'VCEK', productName: 'Milan-B0' },
      anchor: { name: 'forged', spkiSha256: pin },
      reportedTcb: chipTcb,
      currentTcb: { ...chipTcb, snp: 31 },
      committedTcb: { ...chipTcb, snp: 30 },
      launchTcb: { ...chipTcb, tee: 0 },
      revocationChecked: false,
    })
    expect((await verify({ crl: await issueList('ARK-Milan', keys.ark, [9n]) })).revocationChecked).toBe(true)
  })

  it('takes Turin’s layout and ids, and a provider’s key under the providers’ authority', async () => {
    const turin = await verify({
      product: 'Turin',
      report: (bytes) => {
        bytes.set([0x1a, 2], 0x188)
        bytes.fill(0, 0x1a8, 0x1e0)
      },
      chain: {
        ark: 'ARK-Turin',
        ask: 'SEV-Turin',
        endorsement: {
          productName: ia5String('Turin-B1'),
          fmc: integer(0),
          hardwareId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
        },
      },
    })
    expect(turin).toMatchObject({ product: 'Turin', reportedTcb: chipTcb })
    const vlek: ChainChange = {
      ask: 'SEV-VLEK-Milan',
      leaf: 'SEV-VLEK',
      endorsement: { hardwareId: undefined, providerId: ia5String('somebody') },
    }
    const byProvider = await verify({ chain: vlek, report: (bytes) => (bytes[0x48] = 1 << 2) })
    expect(byProvider.endorsement).toMatchObject({ signer: 'VLEK', providerId: 'somebody' })
  })

  it.each<[what: string, given: Given, code: string, found?: string]>([
    ['endorsement that names no product', { chain: { endorsement: { productName: undefined } } }, 'EndorsementInvalid'],
    ['intermediate of another line', { chain: { ask: 'SEV-Genoa' } }, 'ProductMismatch'],
    ['root of another line', { chain: { ark: 'ARK-Genoa' } }, 'ProductMismatch'],
    ['intermediate of providers over a chip’s key', { chain: { ask: 'SEV-VLEK-Milan' } }, 'ProductMismatch'],
    ['key of another kind than the report names', { report: (bytes) => (bytes[0x48] = 1 << 2) }, 'SigningKeyMismatch'],
    ['report that nothing signs', { report: (bytes) => (bytes[0x48] = 7 << 2) }, 'SigningKeyMismatch'],
    ['processor of another line', { report: (bytes) => bytes.set([0x19, 0x11], 0x188) }, 'ProductMismatch'],
    ...tcbParts
      .filter((part) => part !== 'fmc')
      .map((part): [string, Given, string] => [
        `reported ${part} that its key is not of`,
        { report: versions('reported', part, 1) },
        'TcbMismatch',
      ]),
    ...(Object.keys(tcbAt) as (keyof typeof tcbAt)[]).map((which): [string, Given, string] => [
      `reserved byte in the ${which} versions`,
      { report: (bytes) => (bytes[tcbAt[which] + 3] = 1) },
      'TcbMismatch',
    ]),
    ['committed version above the current', { report: versions('committed', 'snp', 1) }, 'TcbMismatch'],
    [
      'report of Turin’s that names no processor',
      {
        product: 'Turin',
        report: (bytes, view) => {
          view.setUint32(0, 2, true)
          bytes.fill(0, 0x188, 0x18b).fill(0, 0x1a8, 0x1e0)
        },
        chain: {
          ark: 'ARK-Turin',
          ask: 'SEV-Turin',
          endorsement: { productName: ia5String('Turin'), fmc: integer(0), hardwareId: chipId.subarray(0, 8) },
        },
      },
      'ProductMismatch',
      'none',
    ],
    ['other chip', { report: (bytes) => (bytes[0x1a0]! ^= 1) }, 'ChipMismatch'],
  ])('refuses %s', async (_, given, code, found) => {
    const facts = found === undefined ? {} : { found }
    await expect(verify(given)).rejects.toMatchObject({ name: 'VerificationError', code, ...facts })
  })

  it('names what was expected and what was found', async () => {
    await expect(verify({ report: versions('reported', 'snp', 1) })).rejects.toMatchObject({
      subject: 'SNP report',
      expected: 'fmc 0, bootLoader 4, tee 1, snp 29, microcode 222',
      found: 'fmc 0, bootLoader 4, tee 1, snp 30, microcode 222',
    })
    await expect(verify({ chain: { ask: 'SEV-Genoa' } })).rejects.toMatchObject({
      expected: 'SEV-Milan, ARK-Milan',
      found: 'SEV-Genoa, ARK-Milan',
    })
    await expect(verify({ report: (bytes) => bytes.set([0x19, 0x11, 2], 0x188) })).rejects.toMatchObject({
      expected: 'Milan',
      found: 'family 25, model 17, stepping 2',
    })
    await expect(verify({ report: (bytes) => (bytes[0x48] = 1 << 2) })).rejects.toMatchObject({
      expected: 'VCEK',
      found: 'VLEK',
    })
    const list = await issueList('SEV-Milan', keys.ask)
    await expect(verify({ crl: list })).rejects.toMatchObject({ expected: 'ARK-Milan', found: 'SEV-Milan' })
  })

  it('takes the root’s list alone, and what it lists is revoked', async () => {
    // A valid list from the intermediate does not cover the intermediate.
    await expect(verify({ crl: await issueList('SEV-Milan', keys.ask) })).rejects.toMatchObject({
      code: 'CrlIssuerMismatch',
    })
    await expect(verify({ crl: await issueList('ARK-Milan', keys.ark, [2n]) })).rejects.toMatchObject({
      code: 'CertificateRevoked',
      subject: 'SEV-Milan',
    })
    await expect(verify({ crl: await issueList('ARK-Milan', keys.vcek) })).rejects.toMatchObject({
      code: 'CrlSignatureInvalid',
    })
  })

  it('refuses keys on other curves, and signatures of other keys', async () => {
    const other = await loadOrCreateKey(memoryKeyStore(), 'other', 'ecdsa-p256-sha256')
    await expect(verify({ chain: { leafKey: other.spki } })).rejects.toMatchObject({
      code: 'AlgorithmNotAllowed',
      expected: 'P-384',
      found: 'EC',
    })
    await expect(verify({ chain: { leafKey: keys.ask.spki } })).rejects.toMatchObject({
      code: 'ReportSignatureInvalid',
    })
  })

  it('gives the same verdicts with a cache, also the second time', async () => {
    const cache = new VerificationCache()
    const chain: SnpChain = await issueChain(keys)
    const anchors = { simulated: true, amd: [{ name: 'forged', spkiSha256: pin }], intel: [] }
    const good = parseSnpReport(await issueReport(keys.vcek))
    const bad = parseSnpReport(await issueReport(keys.ask))
    for (const time of [1, 2]) {
      await expect(verifySnp({ report: good, chain, anchors, at: now, cache }), `${time}`).resolves.toMatchObject({
        product: 'Milan',
      })
      await expect(verifySnp({ report: bad, chain, anchors, at: now, cache })).rejects.toMatchObject({
        code: 'ReportSignatureInvalid',
      })
      const late = new Date('2028-01-01T00:00:00Z')
      await expect(verifySnp({ report: good, chain, anchors, at: late, cache })).rejects.toMatchObject({
        code: 'CertificateExpired',
      })
    }
  })
  it('checks one signature of a second report under a chain that a cache knows', async () => {
    const { primitives, checks } = counting()
    const context = { primitives, cache: new VerificationCache() }
    const crl = await issueList('ARK-Milan', keys.ark)
    const o = { chain: await issueChain(keys), crl, at: now, ...context }
    const anchors = { simulated: true, amd: [{ name: 'forged', spkiSha256: pin }], intel: [] }
    const found: number[] = []
    for (const value of [1, 2]) {
      const report = parseSnpReport(await issueReport(keys.vcek, (bytes) => bytes.fill(value, 0x50, 0x90)))
      await verifySnp({ report, anchors, ...o })
      found.push(checks())
    }
    // Root, intermediate, leaf, list and report; then the report.
    expect(found).toEqual([5, 1])
  })
})
