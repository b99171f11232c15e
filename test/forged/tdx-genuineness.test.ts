import { ByteWriter, parseCertificate, readPckExtension, toBase64Url, type TdxCollateral } from '@strongroom/evidence'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  collateralBody,
  openService,
  runtimeBytes,
  type TestService,
} from '../../services/attestation/src/testing/harness.ts'
import { refusal, verifyFiles, type Verdict } from './support/doors.ts'
import { at, IntelAuthority, qe, withCertification } from './support/intel-authority.ts'

const path = '/attest/TdxVm?api-version=2022-08-01'
type Json = Record<string, unknown>

// Quotes are signed again by attestation key and platform key, texts by Intel's signer: only the rule in question is broken.
describe('a quote that Intel’s keys signed', () => {
  let intel: IntelAuthority
  let test: TestService
  const reportData = boundTo(runtimeBytes)

  beforeAll(async () => {
    intel = await IntelAuthority.open()
    test = await openService({ anchors: intel.anchors })
  })
  afterAll(() => test?.close())

  const filesOf = (quote: Uint8Array, collateral: TdxCollateral): Record<string, Uint8Array | string> => ({
    'quote.bin': quote,
    'tcbinfo.json': collateral.tcbInfo,
    'qeidentity.json': collateral.qeIdentity,
    'signing-chain.pem': collateral.tcbInfoIssuerChainPem,
    'pck.crl': collateral.pckCrl,
    'root.crl': collateral.rootCaCrl,
  })
  const byFiles = async (quote: Uint8Array, changed: Partial<TdxCollateral> = {}, policy?: object): Promise<Verdict> =>
    await verifyFiles(filesOf(quote, { ...intel.collateral, ...changed }), {
      anchors: intel.anchors,
      ...(policy === undefined ? {} : { policy }),
    })
  const byWire = async (quote: Uint8Array, changed: Partial<TdxCollateral> = {}): Promise<string> =>
    refusal(
      await test.post(path, {
        quote: toBase64Url(quote),
        runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
        collateral: collateralBody({ ...intel.collateral, ...changed }),
      }),
    )
  const refused = async (
    quote: Uint8Array,
    code: string,
    check: string,
    changed: Partial<TdxCollateral> = {},
  ): Promise<void> => {
    const verdict = await byFiles(quote, changed)
    expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining([`${code} ${check}`])])
    expect(verdict.text).not.toContain('Accepted')
    expect(await byWire(quote, changed)).toContain(`400 InvalidParameter ${code}:`)
  }

  it('is accepted unchanged at both doors, so that each refusal below is for its own reason', async () => {
    const quote = await intel.quote({ reportData })
    expect(await byFiles(quote)).toMatchObject({ exit: 0, reason: 'accepted' })
    expect(await byWire(quote)).toBe('200')
    const tcbInfo = await intel.signed('tcbInfo', () => undefined)
    expect(await byFiles(quote, { tcbInfo })).toMatchObject({ exit: 0, reason: 'accepted' })
    expect(await byWire(quote, { tcbInfo })).toBe('200')
  })

  it('is of Intel’s quoting enclave: vendor, signer, product, attributes and misc select (attack T2)', async () => {
    const vendor = await intel.quote({ reportData, td: (bytes) => bytes.fill(7, at.vendorId, at.vendorId + 16) })
    await refused(vendor, 'QeVendorMismatch', 'tdx.vendor')
    for (const field of [qe.mrSigner, qe.isvProdId, qe.attributes, qe.miscSelect]) {
      const quote = await intel.quote({ reportData, enclave: (bytes) => (bytes[field]! ^= 2) })
      await refused(quote, 'QeIdentityMismatch', 'tdx.qe.identity')
    }
  })

  it('is by the attestation key that the quoting enclave vouches for, and that by the platform’s key (attack T2)', async () => {
    const attacker = await intel.pointOf('attacker')
    const swapped = {
      reportData,
      signer: 'attacker' as const,
      td: (bytes: Uint8Array) => bytes.set(attacker, at.attestationKey),
    }
    await refused(await intel.quote(swapped), 'QeReportDataMismatch', 'tdx.qe.binding')
    // The attacker's enclave vouches for his key, and no platform for his enclave.
    const quote = await intel.quote({ reportData })
    const authentication = quote.subarray(at.qeAuthentication, at.pckType)
    const vouched = await intel.vouchingFor(attacker, authentication)
    const own = await intel.quote({
      ...swapped,
      enclave: (bytes) => bytes.set(vouched, qe.reportData),
      enclaveSigner: 'attacker',
    })
    await refused(own, 'QeReportSignatureInvalid', 'tdx.qe.signature')
    const unused = await intel.quote({ reportData, enclave: (bytes) => (bytes[qe.reportData + 63] = 1) })
    await refused(unused, 'QeReportDataMismatch', 'tdx.qe.binding')
    await refused(await intel.quote({ reportData, signer: 'attacker' }), 'QuoteSignatureInvalid', 'tdx.signature')
  })

  it.each<[string, number]>([
    ['version', at.teeTcbSvn + 1],
    ['signer', at.mrSignerSeam],
    ['attributes', at.seamAttributes],
  ])('is of a TDX module that Intel names: another %s is none (attack T3)', async (_, offset) => {
    const quote = await intel.quote({ reportData, td: (bytes) => (bytes[offset]! ^= 2) })
    await refused(quote, 'TdxModuleMismatch', 'tdx.module')
  })

  it('is of no TDX module once the list of modules is empty (attack T3)', async () => {
    const tcbInfo = await intel.signed('tcbInfo', (value) => void (value['tdxModuleIdentities'] = []))
    await refused(await intel.quote({ reportData }), 'TdxModuleMismatch', 'tdx.module', { tcbInfo })
  })

  it('is judged by collateral of this time alone (attack T4)', async () => {
    const quote = await intel.quote({ reportData })
    const [past, future] = [-1000, 3_600_000].map((ms) =>
      new Date(Date.now() + ms).toISOString().replace(/\.\d+Z/, 'Z'),
    )
    for (const [member, name] of [
      ['tcbInfo', 'tcbInfo'],
      ['enclaveIdentity', 'qeIdentity'],
    ] as const) {
      const expired = await intel.signed(member, (value) => void (value['nextUpdate'] = past))
      await refused(quote, 'CollateralExpired', `tdx.${name}.time`, { [name]: expired })
      const early = await intel.signed(member, (value) => void (value['issueDate'] = future))
      await refused(quote, 'CollateralNotYetValid', `tdx.${name}.time`, { [name]: early })
    }
    const old = { thisUpdate: new Date(Date.now() - 9e8), nextUpdate: new Date(Date.now() - 1000) }
    const early = { thisUpdate: new Date(Date.now() + 9e8), nextUpdate: new Date(Date.now() + 18e8) }
    for (const [name, which, check] of [
      ['pckCrl', 'platform-ca', 'tdx.crl.pck'],
      ['rootCaCrl', 'root', 'tdx.crl.root'],
    ] as const) {
      await refused(quote, 'CrlExpired', check, { [name]: await intel.crl(which, old) })
      await refused(quote, 'CrlNotYetValid', check, { [name]: await intel.crl(which, early) })
    }
  })

  it('is not made up to date by an old text beside the one of now (attack T4)', async () => {
    const now = await intel.signed('tcbInfo', (value) => {
      value['issueDate'] = new Date(Date.now() - 1000).toISOString().replace(/\.\d+Z/, 'Z')
      for (const level of value['tcbLevels'] as Json[]) level['tcbStatus'] = 'OutOfDate'
    })
    const before = await intel.signed('tcbInfo', (value) => void (value['issueDate'] = '2026-01-01T00:00:00Z'))
    const files = filesOf(await intel.quote({ reportData }), { ...intel.collateral, tcbInfo: before })
    expect((await verifyFiles(files, { anchors: intel.anchors })).exit).toBe(0)
    for (const both of [
      { ...files, 'newer.json': now },
      { 'newer.json': now, ...files },
    ]) {
      const verdict = await verifyFiles(both, { anchors: intel.anchors })
      expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining(['NotAllowed policy.tcbStatus'])])
    }
  })

  it('is judged by a TCB info of its own kind of platform and provisioning enclave (attack T6)', async () => {
    const quote = await intel.quote({ reportData })
    const fmspc = await intel.signed('tcbInfo', (value) => void (value['fmspc'] = '53494D000002'))
    await refused(quote, 'FmspcMismatch', 'tdx.tcbInfo.platform', { tcbInfo: fmspc })
    const pceId = await intel.signed('tcbInfo', (value) => void (value['pceId'] = '0100'))
    await refused(quote, 'PceIdMismatch', 'tdx.tcbInfo.platform', { tcbInfo: pceId })
  })

  it('is judged by the signed bytes of Intel’s texts, not by what they say (attack T7)', async () => {
    const quote = await intel.quote({ reportData })
    for (const [member, name, check] of [
      ['tcbInfo', 'tcbInfo', 'tdx.tcbInfo.signature'],
      ['enclaveIdentity', 'qeIdentity', 'tdx.qeIdentity.signature'],
    ] as const) {
      const signature = /,"signature":"[0-9a-f]+"\}$/.exec(intel.collateral[name])![0]
      const body = intel.bodyOf(member)
      const value = JSON.parse(body) as Json
      const rewritten = {
        'keys in another order': JSON.stringify(Object.fromEntries(Object.entries(value).toReversed())),
        'white space': JSON.stringify(value, null, 2),
        'one space': body.replace(':', ': '),
        'an escape': body.replace('"id"', '"\\u0069d"'),
        'a number’s other form': body.replace(/"version":(\d)/, '"version":$1.0'),
        'a key twice': body.replace('{', '{"version":1,'),
      }
      for (const [how, text] of Object.entries(rewritten)) {
        expect(text, how).not.toBe(body)
        const forged = `{"${member}":${text}${signature}`
        const verdict = await byFiles(quote, { [name]: forged })
        expect([how, verdict.exit, verdict.reasons]).toEqual([
          how,
          1,
          expect.arrayContaining([`CollateralSignatureInvalid ${check}`]),
        ])
        expect(await byWire(quote, { [name]: forged }), how).toMatch(
          /^400 InvalidParameter (CollateralSignatureInvalid|InvalidEncoding):/,
        )
      }
      // The same in another form is equally valid if the signature covers that form.
      const form = await intel.signedText(member, JSON.stringify(value, null, 2))
      expect(await byFiles(quote, { [name]: form })).toMatchObject({ exit: 0, reason: 'accepted' })
    }
  })

  it('is under a certificate for platforms: an authority’s is none, whoever issued it (attack T8)', async () => {
    const [pck, platformCa, root] = intel.chain
    const authority = await intel.pckThatIsAuthority()
    const again = await intel.pckAgain()
    // The same certificate is accepted if it is not an authority's.
    expect(await byFiles(await intel.quote({ reportData, chain: [again, platformCa, root] }))).toMatchObject({
      exit: 0,
    })
    const cases: [string, readonly Uint8Array[], 'pck' | 'platform-ca' | 'root'][] = [
      ['a PCK certificate that is an authority’s', [authority, platformCa, root], 'pck'],
      ['the platform CA in its place', [platformCa, root], 'platform-ca'],
      ['the platform CA twice', [platformCa, platformCa, root], 'platform-ca'],
      ['the root', [root, root, root], 'root'],
      ['a chain that ends early', [pck, platformCa], 'pck'],
      ['another order', [pck, root, platformCa], 'pck'],
    ]
    for (const [how, chain, enclaveSigner] of cases) {
      const quote = await intel.quote({ reportData, chain, enclaveSigner })
      const verdict = await byFiles(quote)
      expect([how, verdict.exit, verdict.reasons.join()]).toEqual([how, 1, expect.stringContaining('tdx.pck.path')])
      expect(await byWire(quote), how).toMatch(/^400 InvalidParameter \w+:/)
    }
  })

  it('that names its certificate (types 1 to 3) is judged under that one alone, and no other type is read (attack T8)', async () => {
    const whole = await intel.quote({ reportData })
    const [pck, platformCa, root] = intel.chain
    const { cpuSvn, pceSvn, pceId, ppid } = readPckExtension(parseCertificate(pck))
    const named = (type: 1 | 2 | 3, o: { pceSvn?: number } = {}): Uint8Array => {
      const data = new ByteWriter()
        .padded(type === 1 ? ppid : new Uint8Array(16), type === 1 ? 16 : type === 2 ? 256 : 384)
        .bytes(cpuSvn)
        .u16le(o.pceSvn ?? pceSvn)
        .bytes(pceId)
        .finish()
      return withCertification(whole, type, data)
    }
    const chain = { 'chain.pem': toPem([pck, platformCa, root]) }
    for (const type of [1, 2, 3] as const) {
      const files = filesOf(named(type), intel.collateral)
      expect((await verifyFiles({ ...files, ...chain }, { anchors: intel.anchors })).exit).toBe(0)
      expect((await verifyFiles(files, { anchors: intel.anchors })).exit).toBe(2)
      expect(await byWire(named(type))).toContain('400 InvalidParameter CertificationDataNotSupported:')
      // One version off, it belongs to another certificate.
      const other = await verifyFiles(
        { ...filesOf(named(type, { pceSvn: pceSvn - 1 }), intel.collateral), ...chain },
        { anchors: intel.anchors },
      )
      expect(other.exit).not.toBe(0)
    }
    for (const type of [0, 4, 6, 7, 8]) {
      const quote = withCertification(whole, type, whole.subarray(at.pckData))
      const verdict = await byFiles(quote)
      expect([type, verdict.exit]).not.toEqual([type, 0])
      expect(await byWire(quote)).toContain('400 InvalidParameter UnknownType:')
    }
  })
})
