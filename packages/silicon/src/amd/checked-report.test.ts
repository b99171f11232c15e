import { ia5String } from '@strongroom/der'
import {
  checkSnp,
  encodeTcb,
  missingChecks,
  tcbParts,
  toHex,
  VerificationCache,
  type Check,
  type SnpPolicy,
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
import { faults, findings, leaves } from '../testing/checks.ts'
import { counting } from '../testing/counting.ts'
import { now, until } from '../testing/times.ts'

type Change = (bytes: Uint8Array, view: DataView) => void
interface Given {
  chain?: ChainChange | 'none' | 'junk'
  report?: Change
  crl?: Uint8Array
  policy?: SnpPolicy
  anchors?: 'other' | 'none'
  at?: Date
  cut?: true
  withoutChain?: string
}

describe('checkSnp', () => {
  let keys: Hierarchy
  let pin: string
  beforeAll(async () => {
    keys = await openHierarchy()
    pin = await spkiPin(keys.ark)
  })

  const check = async (o: Given = {}): Promise<{ check: Check; genuine: boolean }> => {
    const { chain = {} } = o
    const report = await issueReport(keys.vcek, o.report)
    const junk = { vcek: Uint8Array.of(1), ask: Uint8Array.of(1), ark: Uint8Array.of(1) }
    const amd = { other: [{ name: 'x', spkiSha256: '00'.repeat(32) }], none: [] }
    const found = await checkSnp({
      report: o.cut === true ? report.subarray(1) : report,
      chain: chain === 'none' ? undefined : chain === 'junk' ? junk : await issueChain(keys, chain),
      withoutChain: o.withoutChain,
      crl: o.crl,
      policy: o.policy,
      anchors: {
        simulated: true,
        amd: o.anchors === undefined ? [{ name: 'forged', spkiSha256: pin }] : amd[o.anchors],
        intel: [],
      },
      at: o.at ?? now,
    })
    return { check: found.check, genuine: found.value !== undefined }
  }
  const versions = (which: keyof typeof tcbAt, part: keyof typeof chipTcb, by: number): Change => {
    const raw = encodeTcb({ ...chipTcb, [part]: chipTcb[part] + by }, 'Milan')
    return (_, view) => view.setBigUint64(tcbAt[which], raw, true)
  }

  it('says what it found at each step', async () => {
    const versionsText = 'fmc 0, bootLoader 4, tee 1, snp 29, microcode 222'
    const crl = await issueList('ARK-Milan', keys.ark)
    const { check: tree, genuine } = await check({ crl, policy: { measurements: 'any', reportData: 'any' } })
    expect([tree.id, tree.outcome, genuine]).toEqual(['snp', 'passed', true])
    expect(findings(tree)).toEqual({
      'snp.format': 'version 3',
      'snp.chain.format': undefined,
      'snp.chain.path': 'ARK-Milan',
      'snp.chain.revocation': undefined,
      'snp.endorsement': `VCEK of Milan-B0, ${versionsText}`,
      'snp.chain.product': undefined,
      'snp.signingKey': 'VCEK',
      'snp.product': undefined,
      'snp.tcb': versionsText,
      'snp.committed': undefined,
      'snp.chip': `chip ${toHex(chipId).slice(0, 32)}…`,
      'snp.signature': undefined,
      'snp.verifier': undefined,
      'snp.policy': undefined,
    })
    const hidden = await check({ report: (bytes) => bytes.fill(0, 0x1a0, 0x1e0) })
    expect(findings(hidden.check)['snp.chip']).toBe(
      `chip ${toHex(chipId).slice(0, 32)}… by its certificate; the report hides it`,
    )
    const vlek: ChainChange = {
      ask: 'SEV-VLEK-Milan',
      leaf: 'SEV-VLEK',
      endorsement: { hardwareId: undefined, providerId: ia5String('somebody') },
    }
    const provider = await check({ chain: vlek, report: (bytes) => (bytes[0x48] = 1 << 2) })
    expect([provider.genuine, findings(provider.check)['snp.chip']]).toEqual([true, 'provider somebody'])
  })

  it('is made by the primitives that were given, and once where a cache knows a chain', async () => {
    const { primitives, checks } = counting()
    const anchors = { simulated: true, amd: [{ name: 'forged', spkiSha256: pin }], intel: [] }
    const o = { chain: await issueChain(keys), anchors, at: now, primitives, cache: new VerificationCache() }
    const found: number[] = []
    for (const value of [1, 2]) {
      const report = await issueReport(keys.vcek, (bytes) => bytes.fill(value, 0x50, 0x90))
      expect((await checkSnp({ report, ...o })).check.outcome).toBe('passed')
      found.push(checks())
    }
    // Root, intermediate and leaf; the report, by its own check and by the verifier's.
    expect(found).toEqual([3 + 2, 2])
  })

  it('gives a verdict without policy and list, and says that they were not asked for', async () => {
    const { check: tree, genuine } = await check()
    expect([tree.outcome, genuine]).toEqual(['passed', true])
    const open = leaves(tree).filter(({ outcome }) => outcome === 'skipped')
    expect(open.map(({ id, optional }) => [id, optional])).toEqual([
      ['snp.chain.revocation', true],
      ['snp.policy', true],
    ])
  })

  it('gives none without a chain, and says what is missing', async () => {
    const { check: tree, genuine } = await check({ chain: 'none' })
    expect([tree.outcome, genuine]).toEqual(['skipped', false])
    expect(missingChecks(tree).map(({ id }) => id)).toContain('snp.chain.format')
    const asked = await check({
      chain: 'none',
      withoutChain: 'ask AMD',
      policy: { measurements: 'any', reportData: 'any' },
    })
    expect(missingChecks(asked.check)[0]!.message).toBe('ask AMD')
    expect(missingChecks(asked.check).map(({ id }) => id)).toContain('snp.policy')
    const bad = await check({ chain: 'none', report: (bytes) => (bytes[0x4c] = 1) })
    expect(faults(bad.check)).toEqual(['snp.format ReservedNotZero'])
  })

  it.each<[what: string, given: Given, wanted: string[]]>([
    ['a report of another length', { cut: true }, ['snp.format WrongLength']],
    ['certificates that are none', { chain: 'junk' }, ['snp.chain.format UnknownType']],
    ['a root that is not trusted', { anchors: 'other' }, ['snp.chain.path UntrustedRoot']],
    ['no root that is trusted', { anchors: 'none' }, ['snp.chain.path NoTrustAnchors']],
    ['a time after its chain', { at: new Date(until.getTime() + 1000) }, ['snp.chain.path CertificateExpired']],
    [
      'an endorsement without a product',
      { chain: { endorsement: { productName: undefined } } },
      ['snp.endorsement EndorsementInvalid'],
    ],
    ['another intermediate', { chain: { ask: 'SEV-Genoa' } }, ['snp.chain.product ProductMismatch']],
    ['another root', { chain: { ark: 'ARK-Genoa' } }, ['snp.chain.product ProductMismatch']],
    ['the providers’ intermediate', { chain: { ask: 'SEV-VLEK-Milan' } }, ['snp.chain.product ProductMismatch']],
    ['another kind of key', { report: (bytes) => (bytes[0x48] = 1 << 2) }, ['snp.signingKey SigningKeyMismatch']],
    ['another processor', { report: (bytes) => bytes.set([0x19, 0x11], 0x188) }, ['snp.product ProductMismatch']],
    ...tcbParts
      .filter((part) => part !== 'fmc')
      .map((part): [string, Given, string[]] => [
        `another ${part}`,
        { report: versions('reported', part, 1) },
        ['snp.tcb TcbMismatch'],
      ]),
    [
      'a reserved byte in its versions',
      { report: (bytes) => (bytes[tcbAt.reported + 2] = 1) },
      ['snp.tcb ReservedNotZero'],
    ],
    [
      'a reserved byte in what runs',
      { report: (bytes) => (bytes[tcbAt.current + 2] = 1) },
      ['snp.committed ReservedNotZero'],
    ],
    // No single check covers it: the verifier decides.
    [
      'a reserved byte in the versions at launch',
      { report: (bytes) => (bytes[tcbAt.launch + 2] = 1) },
      ['snp.verifier TcbMismatch'],
    ],
    ['committed versions above what runs', { report: versions('committed', 'snp', 1) }, ['snp.committed TcbMismatch']],
    ['another chip', { report: (bytes) => (bytes[0x1a0]! ^= 1) }, ['snp.chip ChipMismatch']],
  ])('fails with %s, at that check alone', async (_, given, wanted) => {
    const { check: tree, genuine } = await check(given)
    expect([faults(tree), genuine, tree.outcome]).toEqual([wanted, false, 'failed'])
  })

  it('fails by keys that sign no reports, and by lists that are not the root’s or say no', async () => {
    const other = await loadOrCreateKey(memoryKeyStore(), 'other', 'ecdsa-p256-sha256')
    expect(faults((await check({ chain: { leafKey: other.spki } })).check)).toEqual([
      'snp.signature AlgorithmNotAllowed',
    ])
    expect(faults((await check({ chain: { leafKey: keys.ask.spki } })).check)).toEqual([
      'snp.signature ReportSignatureInvalid',
    ])
    for (const [crl, code] of [
      [await issueList('SEV-Milan', keys.ask), 'CrlIssuerMismatch'],
      [await issueList('ARK-Milan', keys.ark, [2n]), 'CertificateRevoked'],
      [await issueList('ARK-Milan', keys.ask), 'CrlSignatureInvalid'],
      [Uint8Array.of(1), 'UnknownType'],
    ] as const)
      expect(faults((await check({ crl })).check)).toEqual([`snp.chain.revocation ${code}`])
  })

  it('says what it expected and found', async () => {
    const facts = async (given: Given): Promise<(string | undefined)[]> => {
      const failed = leaves((await check(given)).check).find(({ outcome }) => outcome === 'failed')
      return [failed?.expected, failed?.actual]
    }
    expect(await facts({ chain: { ask: 'SEV-Genoa' } })).toEqual(['SEV-Milan, ARK-Milan', 'SEV-Genoa, ARK-Milan'])
    expect(await facts({ report: (bytes) => (bytes[0x48] = 1 << 2) })).toEqual(['VCEK', 'VLEK'])
    expect(await facts({ report: (bytes) => bytes.set([0x1a, 2, 3], 0x188) })).toEqual([
      'Milan',
      'family 26, model 2, stepping 3',
    ])
    expect(await facts({ report: versions('reported', 'tee', 1) })).toEqual([
      'fmc 0, bootLoader 4, tee 1, snp 29, microcode 222',
      'fmc 0, bootLoader 4, tee 2, snp 29, microcode 222',
    ])
    expect(await facts({ crl: await issueList('SEV-Milan', keys.ask) })).toEqual(['ARK-Milan', 'SEV-Milan'])
  })

  it('appraises a genuine report and no other', async () => {
    const policy: SnpPolicy = { measurements: [new Uint8Array(48).fill(1)], reportData: 'any' }
    const unwanted = await check({ policy })
    expect([faults(unwanted.check), unwanted.genuine]).toEqual([['policy.measurement NotEqual'], true])
    const forged = await check({ policy, report: (bytes) => (bytes[0x1a0]! ^= 1) })
    expect(faults(forged.check)).toEqual(['snp.chip ChipMismatch'])
    expect(leaves(forged.check).at(-1)).toMatchObject({ id: 'snp.policy', outcome: 'skipped' })
    expect(leaves(forged.check).at(-1)).not.toHaveProperty('optional')
  })
})
