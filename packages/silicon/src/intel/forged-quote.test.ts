import { namedBits } from '@strongroom/der'
import { generateKeyPairSync } from 'node:crypto'
import {
  ByteWriter,
  fromHex,
  parseTdxQuote,
  VerificationCache,
  verifyTdx,
  type TdxCollateral,
  type VerifiedTdx,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { leafExtensions } from '../pki/certificate-writer.ts'
import { toPem } from '../pki/pem-writer.ts'
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
  zeroSgx,
  type CertificateChanges,
  type IntelHierarchy,
  type QuoteChanges,
} from '../testing/intel-hierarchy.ts'
import { spkiPin } from '../testing/amd-hierarchy.ts'
import { now } from '../testing/times.ts'
import { platformTcb } from './platform-tcb.ts'

const rsaSpki = (): Uint8Array =>
  new Uint8Array(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' }))

// Everything is signed by the right key: only one rule at a time fails.
describe('verifyTdx', () => {
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
    pckChain?: readonly Uint8Array[]
    at?: Date
    simulated?: boolean
  }
  const verify = async (o: Given = {}): Promise<VerifiedTdx> =>
    await verifyTdx({
      quote: parseTdxQuote(await issueQuote(keys, o.quote)),
      collateral: { ...good, ...o.collateral },
      anchors: {
        simulated: o.simulated ?? true,
        amd: [],
        intel: [
          { name: 'another', spkiSha256: '00'.repeat(32) },
          { name: 'forged', spkiSha256: pin },
        ],
      },
      pckChain: o.pckChain,
      at: o.at ?? now,
    })
  const tcbInfo = async (changes: object, level: object = {}): Promise<Partial<TdxCollateral>> => ({
    tcbInfo: await signedText('tcbInfo', tcbInfoOf({ ...changes }, { ...level }), keys.signer),
  })
  const identity = async (changes: object, level: object = {}): Promise<Partial<TdxCollateral>> => ({
    qeIdentity: await signedText('enclaveIdentity', identityOf({ ...changes }, { ...level }), keys.signer),
  })
  const refused = async (o: Given, code: string, facts: object = {}): Promise<void> => {
    await expect(verify(o)).rejects.toMatchObject({ name: 'VerificationError', code, ...facts })
  }

  it('says what quote, platform, enclave and collateral are', async () => {
    const verified = await verify()
    expect(verified).toMatchObject({
      tcbStatus: 'UpToDate',
      advisoryIds: [],
      platform: { status: 'UpToDate' },
      quotingEnclave: { status: 'UpToDate' },
      pck: { fmspc: platformTcb.fmspc, pceSvn: platformTcb.pceSvn },
      tcbEvaluationDataNumber: 7,
      validUntil: new Date('2026-12-01T00:00:00Z'),
      root: { name: 'forged', spkiSha256: pin },
      simulated: true,
    })
    expect(verified).not.toHaveProperty('module')
    expect(verified.body).toBe(verified.quote.body)
    expect((await verify({ simulated: false })).simulated).toBe(false)
    const withModule = await verify({ quote: { td: (bytes) => (bytes[49] = 1) } })
    expect(withModule.module).toMatchObject({ id: 'TDX_01', status: 'UpToDate' })
  })

  it('is as bad as the worst part, and names the advisories of all once', async () => {
    const collateral = {
      ...(await tcbInfo({ tcbEvaluationDataNumber: 9 }, { tcbStatus: 'OutOfDate', advisoryIDs: ['SA-2', 'SA-3'] })),
      ...(await identity({}, { tcbStatus: 'Revoked', advisoryIDs: ['SA-1', 'SA-2'] })),
    }
    expect(await verify({ collateral })).toMatchObject({
      tcbStatus: 'Revoked',
      advisoryIds: ['SA-1', 'SA-2', 'SA-3'],
      platform: { status: 'OutOfDate' },
      quotingEnclave: { status: 'Revoked' },
      tcbEvaluationDataNumber: 8,
    })
    const [module] = (tcbInfoOf() as { tdxModuleIdentities: object[] }).tdxModuleIdentities
    const old = { tcb: { isvsvn: 0 }, tcbDate: '2026-01-01T00:00:00Z', tcbStatus: 'OutOfDate', advisoryIDs: ['SA-M'] }
    const behind = await tcbInfo({ tdxModuleIdentities: [{ ...module, tcbLevels: [old] }] })
    expect(await verify({ quote: { td: (bytes) => (bytes[49] = 1) }, collateral: behind })).toMatchObject({
      tcbStatus: 'OutOfDate',
      advisoryIds: ['SA-M'],
      platform: { status: 'UpToDate' },
      module: { id: 'TDX_01', status: 'OutOfDate' },
    })
  })

  it('holds until the first of its collateral is renewed', async () => {
    const first = new Date('2026-07-01T00:00:00Z')
    const text = '2026-07-01T00:00:00Z'
    for (const collateral of [
      await tcbInfo({ nextUpdate: text }),
      await identity({ nextUpdate: text }),
      { pckCrl: await issueIntelList(keys, { of: 'ca', nextUpdate: first }) },
      { rootCaCrl: await issueIntelList(keys, { of: 'root', nextUpdate: first }) },
    ]) {
      expect((await verify({ collateral })).validUntil).toEqual(first)
      expect((await verify({ collateral, at: first })).validUntil).toEqual(first)
      await expect(verify({ collateral, at: new Date(first.getTime() + 1000) })).rejects.toMatchObject({
        code: expect.stringMatching(/^(Collateral|Crl)Expired$/) as string,
      })
    }
  })

  it.each([
    ['TCB info', tcbInfoOf, 'tcbInfo'],
    ['QE identity', identityOf, 'enclaveIdentity'],
  ] as const)('takes a %s from its issue on', async (subject, make, member) => {
    const text = await signedText(member, make({ issueDate: '2026-06-01T00:00:00Z' }), keys.signer)
    const collateral = member === 'tcbInfo' ? { tcbInfo: text } : { qeIdentity: text }
    expect((await verify({ collateral })).tcbStatus).toBe('UpToDate')
    await refused({ collateral, at: new Date(now.getTime() - 1000) }, 'CollateralNotYetValid', { subject })
    await refused({ collateral: { ...collateral }, at: new Date(Number.NaN) }, 'CertificateNotYetValid')
  })

  it('refuses what is not signed by whom it names', async () => {
    await refused({ quote: { pck: keys.ca } }, 'QeReportSignatureInvalid', { subject: 'TD quote' })
    await refused({ quote: { quoteSigner: keys.ca } }, 'QuoteSignatureInvalid', { subject: 'TD quote' })
    // Another platform's attestation key, under a report of this one's enclave.
    const vouched = parseTdxQuote(await issueQuote(keys)).qeReport.reportData
    const enclave = (bytes: Uint8Array): void => bytes.set(vouched, 320)
    await refused({ quote: { attestation: keys.ca, enclave } }, 'QeReportDataMismatch')
    await refused({ quote: { enclave: (bytes) => (bytes[383] = 1) } }, 'QeReportDataMismatch')
    await refused({ quote: { td: (bytes) => (bytes[12]! ^= 1) } }, 'QeVendorMismatch', {
      expected: '939a7233f79c4ca9940a0db3957f0607',
      found: '929a7233f79c4ca9940a0db3957f0607',
    })
    // A point off the curve that the enclave vouches for: nothing can be signed with it.
    const off = keys.attestation.spki.with(-1, keys.attestation.spki.at(-1)! ^ 1)
    const attestation = { ...keys.attestation, spki: off }
    await refused({ quote: { attestation, quoteSigner: keys.attestation } }, 'QuoteSignatureInvalid')
    const texts = { tcbInfo: await signedText('tcbInfo', tcbInfoOf(), keys.ca) }
    await refused({ collateral: texts }, 'CollateralSignatureInvalid', { subject: 'TCB info' })
    const identities = { qeIdentity: await signedText('enclaveIdentity', identityOf(), keys.ca) }
    await refused({ collateral: identities }, 'CollateralSignatureInvalid', { subject: 'QE identity' })
  })

  it('refuses collateral of other platforms', async () => {
    await refused({ collateral: await tcbInfo({ fmspc: '53494D000002' }) }, 'FmspcMismatch', {
      expected: '53494d000002',
      found: '53494d000001',
    })
    await refused({ collateral: await tcbInfo({ pceId: '0001' }) }, 'PceIdMismatch', {
      expected: '0001',
      found: '0000',
    })
  })

  const certified = async (o: CertificateChanges, length = 3): Promise<Given> => {
    const { pck, ca, root } = await issueIntelChain(keys, o)
    const chain = length === 3 ? [pck, ca, root] : [pck, ca, root].slice(3 - length)
    const data = new TextEncoder().encode(toPem(chain))
    return {
      quote: { certification: { kind: 5, data }, ...(o.pckKey === undefined ? {} : { pck: o.pckKey }) },
      ...(o.ca === undefined ? {} : { collateral: { pckCrl: await issueIntelList(keys, { of: 'ca', ca: o.ca }) } }),
    }
  }

  it('takes PCK certificates of Intel’s two authorities for platforms alone', async () => {
    expect((await verify(await certified({ ca: 'Intel SGX PCK Processor CA' }))).tcbStatus).toBe('UpToDate')
    await refused(await certified({ ca: 'Intel SGX Something CA' }), 'CertificateNotForThisUse', {
      subject: 'PCK',
      found: 'a chain of 3 over Intel SGX Something CA',
    })
    await refused(await certified({ sgx: undefined }), 'CertificateNotForThisUse', { subject: 'PCK', found: 'absent' })
    await refused(await certified({ pckKey: keys.strange }), 'AlgorithmNotAllowed', { subject: 'PCK', found: 'EC' })
  })

  it('takes no chain that is shorter', async () => {
    const { signer, root } = await issueIntelChain(keys)
    const data = new TextEncoder().encode(toPem([signer, root]))
    const given = { quote: { certification: { kind: 5, data } }, collateral: { pckCrl: good.rootCaCrl } }
    await refused(given, 'CertificateNotForThisUse', { found: 'a chain of 2 over Intel SGX Root CA' })
  })

  it('refuses what was revoked, and wants both lists', async () => {
    const pckCrl = await issueIntelList(keys, { of: 'ca', revoked: [3n] })
    await refused({ collateral: { pckCrl } }, 'CertificateRevoked', { subject: 'Intel SGX PCK Certificate' })
    for (const [revoked, subject] of [
      [2n, 'Intel SGX PCK Platform CA'],
      [4n, 'Intel SGX TCB Signing'],
    ] as const) {
      const rootCaCrl = await issueIntelList(keys, { of: 'root', revoked: [revoked] })
      await refused({ collateral: { rootCaCrl } }, 'CertificateRevoked', { subject })
    }
    await refused({ collateral: { pckCrl: good.rootCaCrl } }, 'CollateralMissing')
    await refused({ collateral: { rootCaCrl: good.pckCrl } }, 'CollateralMissing')
  })

  const named = (o: {
    kind?: 1 | 2 | 3
    ppid?: number
    cpuSvn?: string
    pceSvn?: number
    pceId?: string
  }): QuoteChanges => {
    const { kind = 1, ppid = 0, pceSvn = platformTcb.pceSvn } = o
    const data = new ByteWriter()
      .bytes(new Uint8Array({ 1: 16, 2: 256, 3: 384 }[kind]).fill(ppid))
      .bytes(o.cpuSvn === undefined ? platformTcb.cpuSvn : fromHex(o.cpuSvn))
      .u16le(pceSvn)
      .bytes(fromHex(o.pceId ?? '0000'))
      .finish()
    return { certification: { kind, data } }
  }

  it('takes the PCK certificate that a quote names from beside it', async () => {
    const { pck, ca, root } = await issueIntelChain(keys)
    const pckChain = [pck, ca, root]
    for (const kind of [1, 2, 3] as const)
      expect((await verify({ quote: named({ kind }), pckChain })).root.name).toBe('forged')
    // Only in clear does the name identify it.
    expect((await verify({ quote: named({ kind: 2, ppid: 9 }), pckChain })).root.name).toBe('forged')
    for (const [field, quote, expected, found] of [
      ['CPUSVN', named({ cpuSvn: '00'.repeat(16) }), '00'.repeat(16), '03030202040100050000000000000000'],
      ['PCESVN', named({ pceSvn: 12 }), '12', '13'],
      ['PCE id', named({ pceId: '0100' }), '0100', '0000'],
      ['PPID', named({ ppid: 9 }), '09'.repeat(16), '00'.repeat(16)],
    ] as const)
      await refused({ quote, pckChain }, 'CertificateNotForThisUse', {
        message: expect.stringContaining(`: ${field} differs`) as string,
        expected,
        found,
      })
    await refused({ quote: named({ kind: 3 }) }, 'CertificationDataNotSupported', { found: 'type 3' })
    await refused({ quote: named({}), pckChain: [] }, 'CertificationDataNotSupported', { found: 'type 1' })
    // A chain in the quote takes precedence.
    expect((await verify({ pckChain: [root] })).root.name).toBe('forged')
  })

  it.each<[what: string, change: (strange: IntelHierarchy) => CertificateChanges, code: string]>([
    ['another name', () => ({ signerName: 'Intel SGX PCK Certificate' }), 'CertificateNotForThisUse'],
    ['no name', () => ({ signerName: '' }), 'CertificateNotForThisUse'],
    [
      'an SGX extension',
      () => ({ signerExtensions: [...leafExtensions(), { oid: '1.2.840.113741.1.13.1', value: zeroSgx }] }),
      'CertificateNotForThisUse',
    ],
    [
      'a key for other uses',
      () => ({ signerExtensions: [leafExtensions()[0]!, { oid: '2.5.29.15', value: namedBits([2]) }] }),
      'CertificateNotForThisUse',
    ],
    ['a key on another curve', ({ strange }) => ({ signerKey: strange }), 'CollateralSignatureInvalid'],
    [
      'a key on no curve',
      ({ signer }) => ({ signerKey: { ...signer, spki: rsaSpki() } }),
      'CollateralSignatureInvalid',
    ],
  ])('takes no text from a signer with %s', async (_, change, code) => {
    const { signer, root } = await issueIntelChain(keys, change(keys))
    const chain = toPem([signer, root])
    await refused({ collateral: { tcbInfoIssuerChainPem: chain } }, code, { subject: 'TCB info' })
    await refused({ collateral: { qeIdentityIssuerChainPem: chain } }, code, { subject: 'QE identity' })
  })

  it('takes a signer whose certificate restricts nothing, under the root itself', async () => {
    const { signer, root, ca } = await issueIntelChain(keys, { signerExtensions: [leafExtensions()[0]!] })
    const collateral = { tcbInfoIssuerChainPem: toPem([signer, root]) }
    expect((await verify({ collateral })).tcbStatus).toBe('UpToDate')
    for (const chain of [[root], [signer, ca, root]])
      await refused({ collateral: { tcbInfoIssuerChainPem: toPem(chain) } }, 'PathTooLong', {
        found: `${chain.length}`,
      })
  })

  it('checks two signatures of a second quote whose collateral a cache knows', async () => {
    const { primitives, checks } = counting()
    const anchors = { simulated: true, amd: [], intel: [{ name: 'forged', spkiSha256: pin }] }
    const o = { collateral: good, anchors, at: now, primitives, cache: new VerificationCache() }
    const found: number[] = []
    const { pck, ca, root } = await issueIntelChain(keys)
    const certification = { kind: 5, data: new TextEncoder().encode(toPem([pck, ca, root])) }
    for (const value of [1, 2]) {
      const td = (bytes: Uint8Array): void => void bytes.fill(value, 568, 632)
      await verifyTdx({ quote: parseTdxQuote(await issueQuote(keys, { td, certification })), ...o })
      found.push(checks())
    }
    // The root's certificate in two chains, authority, PCK and signer; the root's list under either and the authority's; two
    // texts; the enclave's report and the quote. Then these two alone.
    expect(found).toEqual([5 + 3 + 2 + 2, 2])
  })
})
