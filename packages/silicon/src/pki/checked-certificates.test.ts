import { ia5String } from '@strongroom/der'
import {
  checkCertificates,
  checkCollateral,
  checkCrl,
  VerificationCache,
  type Check,
  type TdxCollateral,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  issueChain,
  issueList,
  openHierarchy,
  spkiPin,
  type ChainChange,
  type Hierarchy,
} from '../testing/amd-hierarchy.ts'
import { faults, findings, leaves } from '../testing/checks.ts'
import { counting } from '../testing/counting.ts'
import {
  issueCollateral,
  issueIntelList,
  openIntelHierarchy,
  signedText,
  tcbInfoOf,
  type IntelHierarchy,
} from '../testing/intel-hierarchy.ts'
import { made, now, until } from '../testing/times.ts'

type Anchors = { name: string; spkiSha256: string }[]
const open = (check: Check): unknown[] =>
  leaves(check).flatMap(({ id, outcome, optional }) => (outcome === 'skipped' ? [[id, optional ?? false]] : []))
/** How many signatures are verified the first time, and once a cache remembers them. */
async function checked(judge: (context: object) => Promise<Check>): Promise<number[]> {
  const { primitives, checks } = counting()
  const context = { primitives, cache: new VerificationCache() }
  const found: number[] = []
  for (const _ of [1, 2]) {
    expect((await judge(context)).outcome).toBe('passed')
    found.push(checks())
  }
  return found
}

describe('certificates by themselves', () => {
  let keys: Hierarchy
  let anchors: Anchors
  beforeAll(async () => {
    keys = await openHierarchy()
    anchors = [{ name: 'forged', spkiSha256: await spkiPin(keys.ark) }]
  })
  const chainOf = async (o: ChainChange = {}): Promise<Uint8Array[]> => {
    const { vcek, ask, ark } = await issueChain(keys, o)
    return [vcek, ask, ark]
  }
  const check = async (chain: Uint8Array[], crls?: Uint8Array[], context = {}): Promise<Check> =>
    await checkCertificates({ chain, anchors, at: now, crls, ...context })

  it('are a chain, and say what the key of one is for', async () => {
    const tree = await check(await chainOf(), [await issueList('ARK-Milan', keys.ark)])
    expect([tree.id, tree.outcome, findings(tree)]).toEqual([
      'certificates',
      'passed',
      {
        'certificates.format': 'SEV-VCEK ← SEV-Milan ← ARK-Milan',
        'certificates.path': `until ${until.toISOString()}`,
        'certificates.endorsement': 'VCEK of Milan-B0, fmc 0, bootLoader 4, tee 1, snp 29, microcode 222',
      },
    ])
    const [, ask, ark] = await chainOf()
    expect(Object.keys(findings(await check([ask!, ark!])))).toEqual(['certificates.format', 'certificates.path'])
    expect(await checked(async (context) => await check([ask!, ark!], [], context))).toEqual([2, 0])
  })

  it('endorse only where their name is a signing key’s', async () => {
    for (const [leaf, endorses] of [
      ['SEV-VLEK', true],
      ['XSEV-VCEK', false],
      ['SEV-VCEKX', false],
      ['SEV-VXEK', false],
    ] as const) {
      const endorsement = { hardwareId: undefined, providerId: ia5String('somebody') }
      const tree = await check(await chainOf({ leaf, ask: 'SEV-VLEK-Milan', endorsement }))
      expect([leaf, leaves(tree).some(({ id }) => id === 'certificates.endorsement')]).toEqual([leaf, endorses])
    }
  })

  it('are refused where they cannot be read, are revoked, or are none', async () => {
    const chain = await chainOf()
    for (const [given, crls, ...wanted] of [
      [[Uint8Array.of(1)], [], 'certificates.format UnknownType'],
      [[], [], 'certificates.path UntrustedRoot'],
      [chain, [await issueList('ARK-Milan', keys.ark, [2n])], 'certificates.path CertificateRevoked'],
      [chain, [Uint8Array.of(1)], 'certificates.path UnknownType'],
      [chain.slice(0, 2), [], 'certificates.path UntrustedRoot'],
    ] as [Uint8Array[], Uint8Array[], ...string[]][])
      expect(faults(await check(given, crls))).toEqual(wanted)
  })

  it('have lists, which are their issuer’s', async () => {
    const [, ask, ark] = await chainOf()
    const crl = await issueList('SEV-Milan', keys.ask, [9n])
    const judge = async (o: Partial<Parameters<typeof checkCrl>[0]> = {}): Promise<Check> =>
      await checkCrl({ crl, issuerChain: [ask!, ark!], anchors, at: now, ...o })
    const tree = await judge()
    expect([tree.id, tree.outcome, findings(tree)]).toEqual([
      'crl',
      'passed',
      {
        'crl.format': `SEV-Milan, 1 revoked, ${made.toISOString()} to ${until.toISOString()}`,
        'crl.signature': undefined,
      },
    ])
    expect(open(await judge({ issuerChain: undefined }))).toEqual([['crl.signature', false]])
    expect(faults(await judge({ issuerChain: [ark!] }))).toEqual(['crl.signature CrlIssuerMismatch'])
    expect(faults(await judge({ issuerChain: [ask!] }))).toEqual(['crl.signature UntrustedRoot'])
    expect(faults(await judge({ crl: Uint8Array.of(1) }))).toEqual(['crl.format UnknownType'])
    expect(await checked(judge)).toEqual([3, 0])
  })
})

describe('a text of Intel’s by itself', () => {
  let keys: IntelHierarchy
  let given: TdxCollateral
  let anchors: Anchors
  beforeAll(async () => {
    keys = await openIntelHierarchy()
    given = await issueCollateral(keys)
    anchors = [{ name: 'forged', spkiSha256: await spkiPin(keys.root) }]
  })
  const check = async (o: Partial<Parameters<typeof checkCollateral>[0]> = {}): Promise<Check> =>
    await checkCollateral({
      member: 'tcbInfo',
      text: given.tcbInfo,
      issuerChainPem: given.tcbInfoIssuerChainPem,
      rootCrl: given.rootCaCrl,
      anchors,
      at: now,
      ...o,
    })

  it('is signed by anyone who may sign it, who was not revoked, and is of its time', async () => {
    const tree = await check()
    expect([tree.id, tree.outcome, findings(tree)]).toEqual([
      'collateral',
      'passed',
      {
        'collateral.format': 'TDX, FMSPC 53494d000001, evaluation 7',
        'collateral.signature': undefined,
        'collateral.revocation': undefined,
        'collateral.time': undefined,
      },
    ])
    const { id: _, ...unnamed } = tcbInfoOf() as { id: string }
    const old = await check({ text: await signedText('tcbInfo', unnamed, keys.signer) })
    expect(findings(old)['collateral.format']).toBe('SGX, FMSPC 53494d000001, evaluation 7')
    expect(await checked(check)).toEqual([4, 0])
  })

  it('is refused where one of that does not hold', async () => {
    for (const [o, ...wanted] of [
      [{ text: '{}' }, 'collateral.format InvalidEncoding'],
      [
        { text: await signedText('tcbInfo', tcbInfoOf(), keys.ca) },
        'collateral.signature CollateralSignatureInvalid',
        'collateral.revocation CollateralSignatureInvalid',
      ],
      [
        { rootCrl: await issueIntelList(keys, { of: 'root', revoked: [4n] }) },
        'collateral.revocation CertificateRevoked',
      ],
      [{ rootCrl: given.pckCrl }, 'collateral.revocation CrlIssuerMismatch'],
      [{ rootCrl: Uint8Array.of(1) }, 'collateral.revocation UnknownType'],
      [
        { text: await signedText('tcbInfo', tcbInfoOf({ nextUpdate: '2026-02-01T00:00:00Z' }), keys.signer) },
        'collateral.time CollateralExpired',
      ],
    ] as [Parameters<typeof check>[0], ...string[]][])
      expect(faults(await check(o))).toEqual(wanted)
  })

  it('stays open without its signer, whose revocation nobody has to ask for', async () => {
    expect(open(await check({ issuerChainPem: undefined }))).toEqual([
      ['collateral.signature', false],
      ['collateral.revocation', true],
    ])
    const unlisted = await check({ rootCrl: undefined })
    expect([unlisted.outcome, open(unlisted)]).toEqual(['passed', [['collateral.revocation', true]]])
  })
})
