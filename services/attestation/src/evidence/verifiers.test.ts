import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collateralPaths } from '@strongroom/contract'
import { parseCertificate, parsePem, tdAttributes, toBase64Url, type TdxCollateral } from '@strongroom/evidence'
import { createLogger, openStore, ServiceError } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { urgentAmdList } from '@strongroom/silicon/testing'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { Collateral } from '../collateral/collateral.ts'
import { migrations } from '../store/migrations.ts'
import {
  boundTo,
  chainPem,
  collateralBody,
  FakeCollateral,
  firmware,
  firmwareIsThere,
  runtimeBytes,
  runtimeClaims,
  serveCollateral,
  serveTdxCollateral,
  sharedKeys,
  silicon,
  snpBody,
  snpReport,
} from '../testing/harness.ts'
import { lengthsAt, otherWords, resigned } from '../testing/tdx-evidence.ts'
import { fmspcOf } from '../testing/vendor-server.ts'
import { openAnchors } from '../anchors/anchors.ts'
import type { AttestedEvidence } from './attested.ts'
import { SnpVerifier } from './snp.ts'
import { TcbMinimum } from './tcb-minimum.ts'
import { TdxVerifier } from './tdx.ts'

const day = 24 * 3600_000
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const initBytes = new TextEncoder().encode('{"policy":1}')
const json = (bytes: Uint8Array): object => ({ data: toBase64Url(bytes), dataType: 'JSON' })

let fake: FakeCollateral
let snp: SnpVerifier
let tdx: TdxVerifier
/** What the service found absent or unavailable is requested again after a while. */
let ahead = 0
const later = (): void => void (ahead += 120_000)
beforeEach(async () => {
  if (!firmwareIsThere) return
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-evidence-'))
  const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  await store.migrate('attestation', migrations)
  fake = new FakeCollateral()
  ahead = 0
  const clock = { now: () => new Date(Date.now() + ahead) }
  const anchors = openAnchors((await silicon()).anchors, 'simulated')
  const collateral = new Collateral({
    store,
    wire: fake,
    clock,
    logger: createLogger({ level: 'silent' }),
    baseUrl: 'https://collateral.strongroom.internal',
    endpoints: {},
    anchors,
  })
  const common = { anchors, baseline: { launchMeasurements: [], idKeyDigests: [] }, clock, context: {} }
  snp = new SnpVerifier({ ...common, collateral: collateral.amd, tcbMinimum: new TcbMinimum() })
  tdx = new TdxVerifier({ ...common, collateral: collateral.intel })
  onTestFinished(async () => {
    await collateral.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
})

/** Status, code, target and reason of the refusal; `taken` if accepted. */
async function judged(verifying: Promise<AttestedEvidence>): Promise<unknown> {
  const error: unknown = await verifying.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error === undefined) return 'taken'
  if (!(error instanceof ServiceError)) throw error
  return [error.status, error.code, error.target, error.details?.[0]?.code]
}
const refused = (target: string, reason?: unknown): unknown[] => [400, 'InvalidParameter', target, reason]
const claimsNamed = (list: readonly { claim: string }[]): string[] => list.map(({ claim }) => claim)
const asking = { caller: undefined }

describe.skipIf(!firmwareIsThere)('a report of SNP', () => {
  const verify = (body: Record<string, unknown>): Promise<AttestedEvidence> => snp.verify(body, asking)
  const unchecked = 'x-strongroom-revocation-checked'

  it('is told by its claims, its record, and nothing against it', async () => {
    await serveCollateral(fake, await silicon())
    const report = await snpReport({ hostData: boundTo(initBytes).subarray(0, 32) })
    const body = snpBody(report, { pem: await chainPem(), initTimeData: json(initBytes) })
    const { record, ...rest } = await verify(body)
    expect(rest).toEqual({
      type: 'SevSnpVm',
      attestationType: 'sevsnpvm',
      simulated: true,
      digest: sha256(report),
      claims: expect.objectContaining({
        'x-ms-runtime': runtimeClaims,
        'x-ms-inittime': { policy: 1 },
        'x-strongroom-tcb-status': 'UpToDate',
      }),
      byNameOnly: [],
      shortcomings: [],
    })
    expect(rest.claims).not.toHaveProperty(unchecked)
    expect(record.own).toEqual({
      snpReport: base64(report),
      runtimeClaims: base64(runtimeBytes),
      initTimeData: base64(initBytes),
    })
    expect(Object.keys(record.shared)).toEqual(['certificateChain', 'revocationList'])
    expect(record.shared['certificateChain']!.text()).toBe(await chainPem())
  })

  it('takes its chain from the service for a chip that this knows, and asks for no other', async () => {
    const report = await snpReport()
    const missing = refused('report', 'CollateralMissing')
    expect(await judged(verify(snpBody(report)))).toEqual(missing)
    await serveCollateral(fake, await silicon())
    later()
    expect(await judged(verify(snpBody(report)))).toBe('taken')
    const asked = fake.asked.length
    // Version 2 does not name its product; a provider's key belongs to no chip.
    const ofVersion2 = Uint8Array.from(report).fill(0, 0x188, 0x18b)
    ofVersion2[0] = 2
    const byVlek = Uint8Array.from(report)
    byVlek[0x48] = 1 << 2
    for (const other of [ofVersion2, byVlek]) {
      expect(await judged(verify(snpBody(other)))).toEqual(missing)
    }
    expect(fake.asked).toHaveLength(asked)
  })

  it('without a revocation list anywhere is taken, and says so for a policy to name', async () => {
    const { claims, byNameOnly, shortcomings, record } = await verify(
      snpBody(await snpReport(), { pem: await chainPem() }),
    )
    expect(claims[unchecked]).toBe(false)
    expect(byNameOnly).toEqual([{ claim: unchecked, message: expect.any(String) }])
    expect(shortcomings).toEqual([{ path: unchecked, message: expect.any(String) }])
    expect(Object.keys(record.shared)).toEqual(['certificateChain'])
  })

  const list = async (from: number, until: number, revoked: readonly bigint[] = []): Promise<Uint8Array> =>
    await urgentAmdList({
      keys: {
        load: (name) => Promise.resolve(sharedKeys.get(name)),
        save: () => Promise.reject(new Error('a new key')),
      },
      product: (await (await silicon()).amd.endorsements()).product,
      thisUpdate: new Date(Date.now() + from * day),
      nextUpdate: new Date(Date.now() + until * day),
      revoked,
    })

  it('takes the list of the request where the service has none or does not answer, and its own where it does', async () => {
    const [report, pem] = [await snpReport(), await chainPem()]
    const sent = (crl: Uint8Array): Promise<AttestedEvidence> => verify(snpBody(report, { pem, crl }))
    expect((await sent(await list(-1, 1))).byNameOnly).toEqual([])
    expect(await judged(sent(await list(-2, -1)))).toEqual(refused('report', 'CrlExpired'))
    fake.down = true
    later()
    expect((await sent(await list(-1, 1))).byNameOnly).toEqual([])
    expect(await judged(verify(snpBody(report, { pem })))).toEqual([
      503,
      'CollateralUnavailable',
      expect.any(String),
      undefined,
    ])
    // Faults that no list could fix are reported as such.
    const changed = Uint8Array.from(report)
    changed[0x90]! ^= 1
    expect(await judged(verify(snpBody(changed, { pem })))).toEqual(refused('report', 'ReportSignatureInvalid'))
    fake.down = false
    later()
    await serveCollateral(fake, await silicon())
    expect(await judged(sent(await list(-2, -1)))).toBe('taken')
  })

  it('is held to no older list than the service has seen, also once that has expired (attack W3)', async () => {
    const [report, pem] = [await snpReport(), await chainPem()]
    const sent = async (from: number): Promise<unknown> =>
      await judged(verify(snpBody(report, { pem, crl: await list(from, 9) })))
    await serveCollateral(fake, await silicon())
    const { product } = await (await silicon()).amd.endorsements()
    fake.answers.set(collateralPaths.snpRevocationList(product), { body: await list(-1, 1) })
    expect(await sent(-9)).toBe('taken')
    ahead = 2 * day
    expect([await sent(-9), await sent(0)]).toEqual([refused('report.Crl', 'CollateralSuperseded'), 'taken'])
  })

  it('under a certificate that its root revoked is refused, whoever has the list', async () => {
    const [report, pem] = [await snpReport(), await chainPem()]
    const { serialNumber } = parseCertificate(parsePem(pem)[1]!)
    const crl = await list(-1, 1, [BigInt(`0x${serialNumber}`)])
    expect(await judged(verify(snpBody(report, { pem, crl })))).toEqual(refused('report', 'CertificateRevoked'))
    await serveCollateral(fake, await silicon())
    const { product } = await (await silicon()).amd.endorsements()
    fake.answers.set(collateralPaths.snpRevocationList(product), { body: crl })
    later()
    expect(await judged(verify(snpBody(report, { pem })))).toEqual(refused('report', 'CertificateRevoked'))
  })

  it.each([
    ['debugging', 0xb001fn, 'x-ms-sevsnpvm-is-debuggable'],
    ['a migration agent', 0x7001fn, 'x-ms-sevsnpvm-migration-allowed'],
  ])('that allows %s has to be named for it', async (_name, policy, claim) => {
    await serveCollateral(fake, await silicon())
    const { byNameOnly, shortcomings } = await verify(snpBody(await snpReport({ policy }), { pem: await chainPem() }))
    expect(claimsNamed(byNameOnly)).toEqual([claim])
    expect(shortcomings).toHaveLength(1)
  })

  it('is bound to what is sent with it', async () => {
    const [report, pem] = [await snpReport(), await chainPem()]
    for (const [name, field] of [
      ['runtimeData', 'report_data'],
      ['initTimeData', 'host_data'],
    ] as const) {
      const verifying = verify(snpBody(report, { pem, [name]: json(initBytes) }))
      expect(await judged(verifying)).toEqual(refused(name, 'BindingMismatch'))
      await expect(verifying).rejects.toThrow(field)
    }
    for (const name of ['runtimeData', 'initTimeData'])
      expect(await judged(verify(snpBody(report, { pem, [name]: { data: 'e30' } })))).toEqual(
        refused(`${name}.dataType`),
      )
    for (const runtimeData of [undefined, { data: '', dataType: 'JSON' }])
      expect(await judged(verify(snpBody(report, { pem, runtimeData })))).toBe('taken')
  })

  it('is refused by the member at fault', async () => {
    const [report, pem] = [await snpReport(), await chainPem()]
    const inner = (value: unknown): object => ({ report: toBase64Url(new TextEncoder().encode(JSON.stringify(value))) })
    const certificates = pem.match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g)!
    for (const [body, at, reason] of [
      [{}, 'report', undefined],
      [inner([]), 'report', undefined],
      [inner({}), 'report.SnpReport', undefined],
      [inner({ SnpReport: 'AAAA' }), 'report', expect.any(String)],
      [inner({ SnpReport: toBase64Url(report), VcekCertChain: '' }), 'report.VcekCertChain', undefined],
      [inner({ SnpReport: toBase64Url(report), Crl: '' }), 'report.Crl', undefined],
      [snpBody(report, { pem: certificates.slice(0, 2).join('') }), 'report.VcekCertChain', undefined],
      [snpBody(report, { pem: pem + certificates[2] }), 'report.VcekCertChain', undefined],
      [
        snpBody(report, { pem: '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n' }),
        'report.VcekCertChain',
        expect.any(String),
      ],
      [snpBody(report, { pem, crl: Uint8Array.of(1) }), 'report', expect.any(String)],
    ] as const)
      expect(await judged(verify(body as Record<string, unknown>))).toEqual(refused(at, reason))
    await expect(verify(snpBody(report, { pem: certificates[0]! }))).rejects.toMatchObject({ found: '1 certificates' })
  })
})

describe.skipIf(!firmwareIsThere)('a quote of TDX', () => {
  const verify = (quote: Uint8Array, more: Record<string, unknown> = {}): Promise<AttestedEvidence> =>
    tdx.verify({ quote: toBase64Url(quote), runtimeData: json(runtimeBytes), ...more }, asking)
  const quoteOf = async (o: { attributes?: bigint; mrConfigId?: Uint8Array } = {}): Promise<Uint8Array> => {
    const { intel } = await silicon()
    return await intel.quote(await (await intel.launch({ firmware: firmware(), ...o })).tdReport(boundTo(runtimeBytes)))
  }
  const collateral = async (status?: string): Promise<TdxCollateral> => {
    const present = await (await silicon()).intel.collateral()
    if (status === undefined) return present
    const words = otherWords({ issued: new Date(Date.now() - day), until: new Date(Date.now() + day), status })
    return { ...present, tcbInfo: resigned(present.tcbInfo, sharedKeys.get('simulated-intel-tcb-signing')!, words) }
  }

  it('is told by its claims, its record, and nothing against it', async () => {
    const mrConfigId = new Uint8Array(48)
    mrConfigId.set(createHash('sha384').update(initBytes).digest())
    const quote = await quoteOf({ mrConfigId })
    await serveTdxCollateral(fake, await collateral(), fmspcOf(quote))
    const { record, ...rest } = await verify(quote, { initTimeData: json(initBytes) })
    expect(rest).toEqual({
      type: 'TdxVm',
      attestationType: 'tdxvm',
      simulated: true,
      digest: sha256(quote),
      claims: expect.objectContaining({
        'x-ms-runtime': runtimeClaims,
        'x-ms-inittime': { policy: 1 },
        attester_tcb_status: 'UpToDate',
      }),
      byNameOnly: [],
      shortcomings: [],
    })
    expect(record.own).toEqual({
      tdQuote: base64(quote),
      runtimeClaims: base64(runtimeBytes),
      initTimeData: base64(initBytes),
    })
    expect(Object.keys(record.shared)).toContain('tcbInfo')
    expect(fake.asked).toContain(
      `https://collateral.strongroom.internal${collateralPaths.tdxPckRevocationList('platform')}`,
    )
  })

  it('takes the collateral of the request where the service has none, or does not answer', async () => {
    const quote = await quoteOf()
    expect(await judged(verify(quote))).toEqual(refused('quote', 'CollateralMissing'))
    const sent = { collateral: collateralBody(await collateral()) }
    expect(await judged(verify(quote, sent))).toBe('taken')
    fake.down = true
    later()
    expect(await judged(verify(quote, sent))).toBe('taken')
    expect(await judged(verify(quote))).toEqual([503, 'CollateralUnavailable', expect.any(String), undefined])
  })

  it('goes by the collateral of the service where it has some, whatever was sent', async () => {
    const quote = await quoteOf()
    await serveTdxCollateral(fake, await collateral('OutOfDate'), fmspcOf(quote))
    const { byNameOnly } = await verify(quote, { collateral: collateralBody(await collateral()) })
    expect(claimsNamed(byNameOnly)).toEqual(['attester_tcb_status'])
  })

  interface Level {
    tcb: { pcesvn: number }
    tcbStatus: string
  }
  /** Collateral whose TCB info has other levels. */
  const withLevels = async (change: (level: Level) => Level[]): Promise<TdxCollateral> => {
    const present = await collateral()
    const words = (body: string): string => {
      const tcbInfo = JSON.parse(body) as { tcbLevels: Level[] }
      return JSON.stringify({ ...tcbInfo, tcbLevels: tcbInfo.tcbLevels.flatMap(change) })
    }
    return { ...present, tcbInfo: resigned(present.tcbInfo, sharedKeys.get('simulated-intel-tcb-signing')!, words) }
  }
  const higher = (level: Level): Level => ({ ...level, tcb: { ...level.tcb, pcesvn: 65_535 } })

  it('falls short of what its platform lacks where that is not up to date, and there alone', async () => {
    const quote = await quoteOf()
    for (const [sent, lacking] of [
      [
        await withLevels((level) => [higher(level), { ...level, tcbStatus: 'OutOfDate' }]),
        [['tcbStatus', 'attester_tcb_status'], ['attester_tcb_status']],
      ],
      // An alternative way to be up to date is nothing it lacks.
      [await withLevels((level) => [level, higher(level)]), [[], []]],
    ] as const) {
      const { byNameOnly, shortcomings } = await verify(quote, { collateral: collateralBody(sent) })
      expect([shortcomings.map(({ path }) => path), claimsNamed(byNameOnly)]).toEqual(lacking)
    }
  })

  it('of a debuggable domain has to be named for it', async () => {
    const quote = await quoteOf({ attributes: tdAttributes.septVeDisable | tdAttributes.debug })
    await serveTdxCollateral(fake, await collateral(), fmspcOf(quote))
    expect(claimsNamed((await verify(quote)).byNameOnly)).toEqual(['tdx_td_attributes_debug'])
  })

  it('is refused where Intel vouches for no level of its platform', async () => {
    const quote = await quoteOf()
    for (const sent of [await collateral('Revoked'), await withLevels((level) => [higher(level)])])
      expect(await judged(verify(quote, { collateral: collateralBody(sent) }))).toEqual(refused('quote', 'TcbMismatch'))
  })

  it('is bound to what is sent with it', async () => {
    const quote = await quoteOf()
    await serveTdxCollateral(fake, await collateral(), fmspcOf(quote))
    for (const [name, field] of [
      ['runtimeData', 'report_data'],
      ['initTimeData', 'mr_config_id'],
    ] as const) {
      const verifying = verify(quote, { [name]: json(initBytes) })
      expect(await judged(verifying)).toEqual(refused(name, 'BindingMismatch'))
      await expect(verifying).rejects.toThrow(field)
    }
    for (const name of ['runtimeData', 'initTimeData'])
      expect(await judged(verify(quote, { [name]: { data: 'e30' } }))).toEqual(refused(`${name}.dataType`))
    expect(await judged(verify(quote, { runtimeData: undefined }))).toBe('taken')
  })

  it('without its certificates is refused', async () => {
    const quote = Buffer.from(await quoteOf())
    // Replaced by an encrypted processor identity (type 3), which only Intel can resolve.
    const start = quote.indexOf('-----BEGIN CERTIFICATE-----') - 6
    const other = Buffer.concat([quote.subarray(0, start), Buffer.alloc(6 + 404)])
    other.set([3, 0, 0x94, 1, 0, 0], start)
    for (const at of lengthsAt) other.writeUInt32LE(other.readUInt32LE(at) + other.length - quote.length, at)
    expect(await judged(verify(other))).toEqual(refused('quote', 'CertificationDataNotSupported'))
    expect(await judged(verify(Uint8Array.of(1)))).toEqual(refused('quote', expect.any(String)))
    expect(await judged(tdx.verify({}, asking))).toEqual(refused('quote'))
  })
})
