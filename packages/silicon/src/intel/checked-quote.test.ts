import {
  ByteWriter,
  checkTdx,
  missingChecks,
  VerificationCache,
  type Check,
  type TdxCollateral,
  type TdxPolicy,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '../pki/pem-writer.ts'
import { spkiPin } from '../testing/amd-hierarchy.ts'
import { faults, findings, leaves } from '../testing/checks.ts'
import { counting } from '../testing/counting.ts'
import {
  identityOf,
  issueCollateral,
  issueIntelChain,
  issueIntelList,
  issueQuote,
  openIntelHierarchy,
  signedText,
  tcbInfoOf,
  type CertificateChanges,
  type IntelHierarchy,
  type QuoteChanges,
} from '../testing/intel-hierarchy.ts'
import { now, until } from '../testing/times.ts'
import { platformTcb } from './platform-tcb.ts'

describe('checkTdx', () => {
  let keys: IntelHierarchy
  let good: TdxCollateral
  let pin: string
  beforeAll(async () => {
    keys = await openIntelHierarchy()
    good = await issueCollateral(keys)
    pin = await spkiPin(keys.root)
  })

  interface Given {
    quote?: QuoteChanges
    collateral?: Partial<TdxCollateral>
    without?: (keyof TdxCollateral)[]
    pckChain?: readonly Uint8Array[]
    policy?: TdxPolicy
    at?: Date
    cut?: true
  }
  const check = async (o: Given = {}): Promise<{ check: Check; genuine: boolean }> => {
    const quote = await issueQuote(keys, o.quote)
    const collateral = Object.fromEntries(
      Object.entries({ ...good, ...o.collateral }).filter(
        ([name]) => o.without?.includes(name as keyof TdxCollateral) !== true,
      ),
    )
    const found = await checkTdx({
      quote: o.cut === true ? quote.subarray(0, 100) : quote,
      collateral,
      pckChain: o.pckChain,
      policy: o.policy,
      anchors: { simulated: true, amd: [], intel: [{ name: 'forged', spkiSha256: pin }] },
      at: o.at ?? now,
    })
    return { check: found.check, genuine: found.value !== undefined }
  }
  const tcbInfo = async (changes: object, level: object = {}, by = keys.signer): Promise<Partial<TdxCollateral>> => ({
    tcbInfo: await signedText('tcbInfo', tcbInfoOf({ ...changes }, { ...level }), by),
  })
  const identity = async (changes: object, level: object = {}, by = keys.signer): Promise<Partial<TdxCollateral>> => ({
    qeIdentity: await signedText('enclaveIdentity', identityOf({ ...changes }, { ...level }), by),
  })
  const certified = async (o: CertificateChanges): Promise<QuoteChanges> => {
    const { pck, ca, root } = await issueIntelChain(keys, o)
    return { certification: { kind: 5, data: new TextEncoder().encode(toPem([pck, ca, root])) } }
  }

  it('says what it found at each step', async () => {
    const { check: tree, genuine } = await check({ policy: { septVeDisableRequired: false } })
    expect([tree.id, tree.outcome, tree.actual, genuine]).toEqual(['tdx', 'passed', 'TCB UpToDate', true])
    const window = '2026-01-01T00:00:00.000Z to 2026-12-01T00:00:00.000Z'
    expect(findings(tree)).toEqual({
      'tdx.format': 'version 4, TDX 1.0',
      'tdx.vendor': undefined,
      'tdx.pck.format': undefined,
      'tdx.pck.path': expect.stringMatching(/^forged, key [0-9a-f]{64}$/),
      'tdx.pck.extension': 'FMSPC 53494d000001',
      'tdx.qe.signature': undefined,
      'tdx.qe.binding': undefined,
      'tdx.signature': undefined,
      'tdx.crl.root': `0 revoked, next update ${until.toISOString()}, list 01 of Intel SGX Root CA`,
      'tdx.crl.pck': `0 revoked, next update ${until.toISOString()}, list 01 of Intel SGX PCK Platform CA`,
      'tdx.pck.revocation': undefined,
      'tdx.tcbInfo.signature': 'evaluation data number 7',
      'tdx.tcbInfo.time': window,
      'tdx.tcbInfo.platform': undefined,
      'tdx.qeIdentity.signature': 'evaluation data number 8',
      'tdx.qeIdentity.time': window,
      'tdx.module': 'version 0, signed by Intel',
      'tdx.platform': 'UpToDate, TCB of 2026-01-01',
      'tdx.qe.identity': 'UpToDate, TCB of 2026-01-01',
      'tdx.verifier': undefined,
      'tdx.policy': undefined,
    })
    const old = { ...(await tcbInfo({}, { tcbStatus: 'OutOfDate', advisoryIDs: ['SA-1', 'SA-2'] })) }
    const module = await check({ quote: { td: (bytes) => (bytes[49] = 1) }, collateral: old })
    expect(findings(module.check)).toMatchObject({
      'tdx.module': 'TDX_01 UpToDate, TCB of 2026-01-01',
      'tdx.platform': 'OutOfDate, TCB of 2026-01-01, SA-1 SA-2',
    })
    const below = await check({ collateral: await identity({ tcbLevels: [] }) })
    expect(findings(below.check)['tdx.qe.identity']).toBe('NoMatchingLevel')
  })

  it.each<[without: keyof TdxCollateral, missing: string]>([
    ['tcbInfo', 'tdx.tcbInfo.signature'],
    ['tcbInfoIssuerChainPem', 'tdx.tcbInfo.signature'],
    ['qeIdentity', 'tdx.qeIdentity.signature'],
    ['qeIdentityIssuerChainPem', 'tdx.qeIdentity.signature'],
    ['pckCrl', 'tdx.crl.pck'],
    ['rootCaCrl', 'tdx.crl.root'],
  ])('gives no verdict without %s, and says so', async (without, missing) => {
    const { check: tree, genuine } = await check({ without: [without] })
    expect([tree.outcome, genuine, faults(tree)]).toEqual(['skipped', false, []])
    const open = missingChecks(tree).find(({ id }) => id === missing)
    expect(open?.message).toMatch(/https:\/\/[\w.]*trustedservices\.intel\.com\//)
    // The platform's own kind, by its certificate.
    if (missing === 'tdx.tcbInfo.signature') expect(open?.message).toContain('fmspc=53494d000001')
  })

  it.each<[what: string, given: () => Promise<Given>, wanted: string[]]>([
    ['a quote that ends early', async () => ({ cut: true }), ['tdx.format Truncated']],
    ['another vendor', async () => ({ quote: { td: (bytes) => (bytes[12]! ^= 1) } }), ['tdx.vendor QeVendorMismatch']],
    [
      'another authority over its key',
      async () => ({
        quote: await certified({ ca: 'Intel SGX Something CA' }),
        collateral: { pckCrl: await issueIntelList(keys, { of: 'ca', ca: 'Intel SGX Something CA' }) },
      }),
      ['tdx.pck.path CertificateNotForThisUse'],
    ],
    [
      'a chain of its root alone',
      async () => {
        const data = new TextEncoder().encode(toPem([(await issueIntelChain(keys)).root]))
        return { quote: { certification: { kind: 5, data } } }
      },
      [
        'tdx.pck.path CertificateNotForThisUse',
        'tdx.pck.extension CertificateNotForThisUse',
        'tdx.qe.signature QeReportSignatureInvalid',
      ],
    ],
    [
      'a time after its chain',
      async () => ({ at: new Date(until.getTime() + 1000) }),
      ['tdx.pck.path CertificateExpired', 'tdx.crl.root CrlExpired', 'tdx.crl.pck CrlExpired'],
    ],
    [
      'a certificate of no platform',
      async () => ({ quote: await certified({ sgx: undefined }) }),
      ['tdx.pck.extension CertificateNotForThisUse'],
    ],
    [
      'a key on another curve',
      async () => ({ quote: await certified({ pckKey: keys.strange }) }),
      ['tdx.qe.signature AlgorithmNotAllowed'],
    ],
    [
      'a report that its key did not sign',
      async () => ({ quote: { pck: keys.ca } }),
      ['tdx.qe.signature QeReportSignatureInvalid'],
    ],
    [
      'an attestation key that nobody vouched for',
      async () => ({ quote: { enclave: (bytes) => (bytes[320]! ^= 1) } }),
      ['tdx.qe.binding QeReportDataMismatch'],
    ],
    [
      'more in the enclave’s word than the key',
      async () => ({ quote: { enclave: (bytes) => (bytes[383] = 1) } }),
      ['tdx.qe.binding QeReportDataMismatch'],
    ],
    [
      'a quote that its key did not sign',
      async () => ({ quote: { quoteSigner: keys.ca } }),
      ['tdx.signature QuoteSignatureInvalid'],
    ],
    [
      'a revoked key',
      async () => ({ collateral: { pckCrl: await issueIntelList(keys, { of: 'ca', revoked: [3n] }) } }),
      ['tdx.pck.revocation CertificateRevoked'],
    ],
    ['a list of another', async () => ({ collateral: { pckCrl: good.rootCaCrl } }), ['tdx.crl.pck CrlIssuerMismatch']],
    [
      'a list of another for the root’s',
      async () => ({ collateral: { rootCaCrl: good.pckCrl } }),
      ['tdx.crl.root CrlIssuerMismatch'],
    ],
    [
      'a TCB info that is not signed',
      async () => ({ collateral: await tcbInfo({}, {}, keys.ca) }),
      ['tdx.tcbInfo.signature CollateralSignatureInvalid'],
    ],
    [
      'a TCB info out of date',
      async () => ({ collateral: await tcbInfo({ nextUpdate: '2026-02-01T00:00:00Z' }) }),
      ['tdx.tcbInfo.time CollateralExpired'],
    ],
    [
      'a TCB info of other platforms',
      async () => ({ collateral: await tcbInfo({ fmspc: '53494D000002' }) }),
      ['tdx.tcbInfo.platform FmspcMismatch'],
    ],
    [
      'a TCB info of another enclave',
      async () => ({ collateral: await tcbInfo({ pceId: '0001' }) }),
      ['tdx.tcbInfo.platform PceIdMismatch'],
    ],
    [
      'an identity that is not signed',
      async () => ({ collateral: await identity({}, {}, keys.ca) }),
      ['tdx.qeIdentity.signature CollateralSignatureInvalid'],
    ],
    [
      'an identity of the future',
      async () => ({ collateral: await identity({ issueDate: '2026-07-01T00:00:00Z' }) }),
      ['tdx.qeIdentity.time CollateralNotYetValid'],
    ],
    [
      'an identity of another enclave',
      async () => ({ collateral: await identity({ isvprodid: 1 }) }),
      ['tdx.qe.identity QeIdentityMismatch'],
    ],
    [
      'a module that nobody knows',
      async () => ({ quote: { td: (bytes) => (bytes[49] = 2) } }),
      ['tdx.module TdxModuleMismatch'],
    ],
  ])('fails with %s, at that check alone', async (_, given, wanted) => {
    const { check: tree, genuine } = await check(await given())
    expect([faults(tree), genuine, tree.outcome]).toEqual([wanted, false, 'failed'])
    expect(tree.actual).toBeUndefined()
  })

  it('takes a certificate from beside the quote that names it, and no other', async () => {
    const { pck, ca, root } = await issueIntelChain(keys)
    const named = (pceSvn: number): QuoteChanges => ({
      certification: {
        kind: 1,
        data: new ByteWriter().zero(16).bytes(platformTcb.cpuSvn).u16le(pceSvn).zero(2).finish(),
      },
    })
    const pckChain = [pck, ca, root]
    const taken = await check({ quote: named(platformTcb.pceSvn), pckChain })
    expect([taken.genuine, Object.keys(findings(taken.check))]).toEqual([
      true,
      expect.arrayContaining(['tdx.pck.named']),
    ])
    const other = await check({ quote: named(1), pckChain })
    expect(faults(other.check)).toEqual(['tdx.pck.named CertificateNotForThisUse'])
    const missing = await check({ quote: named(1) })
    expect([missing.check.outcome, missingChecks(missing.check)[0]!.id]).toEqual(['skipped', 'tdx.pck.format'])
    expect(leaves((await check()).check).map(({ id }) => id)).not.toContain('tdx.pck.named')
  })

  it('is made by the primitives that were given, and once where a cache knows the collateral', async () => {
    const { primitives, checks } = counting()
    const anchors = { simulated: true, amd: [], intel: [{ name: 'forged', spkiSha256: pin }] }
    const { pck, ca, root } = await issueIntelChain(keys)
    const certification = { kind: 5, data: new TextEncoder().encode(toPem([pck, ca, root])) }
    const o = { collateral: good, anchors, at: now, primitives, cache: new VerificationCache() }
    const found: number[] = []
    for (const value of [1, 2]) {
      const td = (bytes: Uint8Array): void => void bytes.fill(value, 568, 632)
      expect((await checkTdx({ quote: await issueQuote(keys, { td, certification }), ...o })).check.outcome).toBe(
        'passed',
      )
      found.push(checks())
    }
    // Twelve and two, like verifyTdx alone; and two of the quote by their own checks.
    expect(found).toEqual([12 + 2, 2 + 2])
  })

  it('appraises a genuine quote and no other', async () => {
    const policy: TdxPolicy = { mrTds: ['11'.repeat(48)], septVeDisableRequired: false }
    const unwanted = await check({ policy })
    expect([faults(unwanted.check), unwanted.genuine]).toEqual([['policy.mrTd NotEqual'], true])
    const forged = await check({ policy, quote: { quoteSigner: keys.ca } })
    expect(faults(forged.check)).toEqual(['tdx.signature QuoteSignatureInvalid'])
    expect(leaves(forged.check).at(-1)).toMatchObject({ id: 'tdx.policy', outcome: 'skipped' })
    expect(leaves((await check()).check).at(-1)).toMatchObject({ id: 'tdx.policy', outcome: 'skipped', optional: true })
  })
})
