import { collateralBundleFormat, collateralPaths, type CollateralBundle } from '@strongroom/contract'
import { toBase64Url, type TdxCollateral } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'
import { urgentAmdList } from '@strongroom/silicon/testing'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  chainPem,
  collateralBody,
  FakeCollateral,
  firmware,
  firmwareIsThere,
  newSilicon,
  openService,
  ownerObjectId,
  runtimeBytes,
  serveCollateral,
  serveTdxCollateral,
  snpBody,
  type Answer,
  type TestService,
} from '../testing/harness.ts'
import { otherWords, resigned, withOtherS, withOtherSignature, withReencodedRoot } from '../testing/tdx-evidence.ts'
import { fmspcOf } from '../testing/vendor-server.ts'

const day = 24 * 3600_000
const query = '?api-version=2022-08-01'

/** Items of a collateral in other bytes whose signature is also valid. */
const reencoded = {
  tcbInfo: { path: collateralPaths.tdxTcbInfo, encode: withOtherSignature },
  qeIdentity: { path: () => collateralPaths.tdxQeIdentity, encode: withOtherSignature },
  pckCrl: {
    path: () => collateralPaths.tdxPckRevocationList('platform'),
    encode: (der: Uint8Array) => withOtherS(der),
  },
  rootCaCrl: {
    path: () => collateralPaths.tdxRootRevocationList,
    encode: (der: Uint8Array) => withOtherS(der),
  },
}

/** A platform's operator sends collateral that its vendor signed, but the service has newer. */
describe.skipIf(!firmwareIsThere)('older collateral of a request', () => {
  const keys = new Map<string, Uint8Array>()
  const now = new Date()
  let processor: Silicon
  let quote: Uint8Array
  let fmspc: string
  let newer: TdxCollateral
  let older: TdxCollateral
  let collateral: FakeCollateral
  const opened: TestService[] = []

  const open = async (): Promise<TestService> => {
    collateral = new FakeCollateral()
    const test = await openService({ anchors: processor.anchors, collateral })
    opened.push(test)
    return test
  }
  const attestTdx = async (test: TestService, sentQuote: Uint8Array, sent?: TdxCollateral): Promise<Answer> =>
    await test.post(`/attest/TdxVm${query}`, {
      quote: toBase64Url(sentQuote),
      runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
      ...(sent === undefined ? {} : { collateral: collateralBody(sent) }),
    })
  const tcbSigning = (): Uint8Array => keys.get('simulated-intel-tcb-signing')!
  beforeAll(async () => {
    processor = await newSilicon({ keys })
    const guest = await processor.intel.launch({ firmware: firmware() })
    quote = await processor.intel.quote(await guest.tdReport(boundTo(runtimeBytes)))
    fmspc = fmspcOf(quote)
    older = await (await newSilicon({ keys, at: new Date(now.getTime() - 10 * day) })).intel.collateral()
    const present = await processor.intel.collateral()
    const outdated = otherWords({ issued: now, until: new Date(now.getTime() + 30 * day), status: 'OutOfDate' })
    newer = { ...present, tcbInfo: resigned(present.tcbInfo, tcbSigning(), outdated) }
  })
  afterEach(async () => {
    for (const test of opened.splice(0)) await test.close()
  })

  it('does not make the service forget its newer TCB info, however the quote encodes its root (attacks T4, W3)', async () => {
    const test = await open()
    await serveTdxCollateral(collateral, newer, fmspc)
    for (const [name, sent] of [
      ['as it was signed', quote],
      ['with the other s', withReencodedRoot(quote)],
    ] as const) {
      const { status, body } = await attestTdx(test, sent, older)
      expect([name, status, body.error?.code]).toEqual([name, 400, 'PolicyEvaluationError'])
      expect(JSON.stringify(body.error.details), name).toContain('OutOfDate')
    }
    // The same quote and collateral, with a service that knows nothing: they have no other fault.
    expect((await attestTdx(await open(), withReencodedRoot(quote), older)).status).toBe(200)
  })

  it.each([
    ['QE identity', collateralPaths.tdxQeIdentity],
    ['PCK revocation list', collateralPaths.tdxPckRevocationList('platform')],
    ['root revocation list', collateralPaths.tdxRootRevocationList],
  ])(
    'does not hide a newer %s behind a platform that the service has no TCB info of (attack W3)',
    async (_name, path) => {
      const test = await open()
      const { tdxQeIdentity, tdxPckRevocationList, tdxRootRevocationList } = collateralPaths
      await importItems(test, newer, [tdxQeIdentity, tdxPckRevocationList('platform'), tdxRootRevocationList])
      const mixed = { ...newer, ...itemOf(path, older) }
      const { status, body } = await attestTdx(test, quote, mixed)
      expect([status, body.error?.code, body.error?.details?.[0]?.code]).toEqual([
        400,
        'InvalidParameter',
        'CollateralSuperseded',
      ])
      // Collateral that is not older is accepted.
      const whole = await attestTdx(test, quote, await processor.intel.collateral())
      expect([whole.status, whole.body.error]).toEqual([200, undefined])
    },
  )

  it.each(Object.keys(reencoded) as (keyof typeof reencoded)[])(
    'is older in another encoding of its signature too: %s (attack W3)',
    async (member) => {
      const test = await open()
      const { encode } = reencoded[member]
      // Something must be missing, or the service uses its own without examining what was sent.
      const lacking = reencoded[member === 'tcbInfo' ? 'qeIdentity' : 'tcbInfo'].path(fmspc)
      const paths = Object.values(reencoded).map((each) => each.path(fmspc))
      await importItems(
        test,
        newer,
        paths.filter((each) => each !== lacking),
      )
      const other = encode(older[member] as never)
      expect(other).not.toEqual(older[member])
      // If the service knows nothing, the other encoding is as good as the first.
      expect((await attestTdx(await open(), quote, { ...older, [member]: other })).status).toBe(200)
      const { status, body } = await attestTdx(test, quote, {
        ...(await processor.intel.collateral()),
        [member]: other,
      })
      expect([status, body.error?.target, body.error?.details?.[0]?.code]).toEqual([
        400,
        `collateral.${member}`,
        'CollateralSuperseded',
      ])
    },
  )

  it('is a list of the root also where the service was given that list with nothing that names its root (attack W3)', async () => {
    const test = await open()
    await importItems(test, newer, [
      collateralPaths.tdxRootRevocationList,
      collateralPaths.tdxPckRevocationList('platform'),
    ])
    const sent = { ...(await processor.intel.collateral()), rootCaCrl: older.rootCaCrl }
    const { status, body } = await attestTdx(test, quote, sent)
    expect([status, body.error?.target, body.error?.details?.[0]?.code]).toEqual([
      400,
      'collateral.rootCaCrl',
      'CollateralSuperseded',
    ])
  })

  it('does not count where it, or any part of it, is of another root that counts here too (attack W3)', async () => {
    const stranger = await newSilicon()
    const anchors = { ...processor.anchors, intel: [...processor.anchors.intel, ...stranger.anchors.intel] }
    const test = await openService({ anchors, collateral: new FakeCollateral() })
    opened.push(test)
    const [own, foreign] = [await processor.intel.collateral(), await stranger.intel.collateral()]
    const parts: (keyof TdxCollateral)[][] = [
      ['tcbInfo', 'tcbInfoIssuerChainPem'],
      ['qeIdentity', 'qeIdentityIssuerChainPem'],
      ['pckCrl', 'pckCrlIssuerChainPem'],
      ['rootCaCrl'],
      Object.keys(foreign) as (keyof TdxCollateral)[],
    ]
    for (const part of parts) {
      const taken = Object.fromEntries(part.map((each) => [each, foreign[each]]))
      const { status, body } = await attestTdx(test, quote, { ...own, ...taken })
      expect([part, status, body.error?.details?.[0]?.code]).toEqual([part, 400, 'CrlSignatureInvalid'])
    }
    expect((await attestTdx(test, quote, own)).status).toBe(200)
  })

  it('does not count when the newer one has ended and no newer one can be had (attack W3)', async () => {
    const test = await open()
    const soon = new Date(now.getTime() + 3600_000)
    const urgent = { issued: now, until: soon, status: 'OutOfDate' }
    await serveTdxCollateral(
      collateral,
      { ...newer, tcbInfo: resigned(newer.tcbInfo, tcbSigning(), otherWords(urgent)) },
      fmspc,
    )
    expect((await attestTdx(test, quote)).body.error.code).toBe('PolicyEvaluationError')
    collateral.down = true
    test.clock.set(new Date(soon.getTime() + 1000))
    const { status, body } = await attestTdx(test, quote, older)
    expect([status, body.error?.details?.[0]?.code]).toEqual([400, 'CollateralSuperseded'])
    expect(body.error.target).toBe('collateral.tcbInfo')
  })

  it('is older also where it was issued later from less knowledge of the vendor’s (attack W3)', async () => {
    const test = await open()
    const soon = new Date(now.getTime() + 3600_000)
    const early = { issued: new Date(now.getTime() - 20 * day), until: soon, status: 'OutOfDate', edition: 19 }
    await serveTdxCollateral(
      collateral,
      { ...newer, tcbInfo: resigned(newer.tcbInfo, tcbSigning(), otherWords(early)) },
      fmspc,
    )
    expect((await attestTdx(test, quote)).body.error.code).toBe('PolicyEvaluationError')
    collateral.down = true
    test.clock.set(new Date(soon.getTime() + 1000))
    const { status, body } = await attestTdx(test, quote, older)
    expect([status, body.error?.details?.[0]?.code]).toEqual([400, 'CollateralSuperseded'])
  })

  it('is not a revocation list of AMD’s either (attack W3)', async () => {
    const test = await open()
    await serveCollateral(collateral, processor)
    const { product, crl } = await processor.amd.endorsements()
    const soon = new Date(now.getTime() + 3600_000)
    const store = { load: async (name: string) => keys.get(name), save: async () => undefined }
    const body = await urgentAmdList({ keys: store, product, thisUpdate: now, nextUpdate: soon })
    collateral.answers.set(collateralPaths.snpRevocationList(product), { body })
    const machine = await processor.amd.launch({ firmware: firmware(), vCPUs: 2, vcpuType: 'EPYC-Milan' })
    const report = await machine.report(boundTo(runtimeBytes))
    const pem = await chainPem(processor)
    expect((await test.post(`/attest/SevSnpVm${query}`, snpBody(report, { pem }))).status).toBe(200)
    collateral.down = true
    test.clock.set(new Date(soon.getTime() + 1000))
    const answer = await test.post(`/attest/SevSnpVm${query}`, snpBody(report, { pem, crl }))
    expect([answer.status, answer.body.error?.details?.[0]?.code]).toEqual([400, 'CollateralSuperseded'])
    // A list that is not older is accepted while the service has no valid one.
    const later = { keys: store, product, thisUpdate: soon, nextUpdate: new Date(now.getTime() + day) }
    const sent = snpBody(report, { pem, crl: await urgentAmdList(later) })
    expect((await test.post(`/attest/SevSnpVm${query}`, sent)).status).toBe(200)
  })
})

function itemOf(path: string, from: TdxCollateral): Partial<TdxCollateral> {
  if (path === collateralPaths.tdxQeIdentity)
    return { qeIdentity: from.qeIdentity, qeIdentityIssuerChainPem: from.qeIdentityIssuerChainPem }
  return path === collateralPaths.tdxRootRevocationList ? { rootCaCrl: from.rootCaCrl } : { pckCrl: from.pckCrl }
}

/** Imports these collateral items into a service, as an operator does. */
async function importItems(test: TestService, collateral: TdxCollateral, paths: string[]): Promise<void> {
  const fake = new FakeCollateral()
  const fmspc = /fmspc=(\w+)/.exec(paths.join(' '))?.[1] ?? '0'.repeat(12)
  await serveTdxCollateral(fake, collateral, fmspc)
  const items = [...fake.answers]
    .filter(([path]) => paths.includes(path))
    .map(([path, { body, headers = {} }]) => ({ path, body: Buffer.from(body).toString('base64'), headers }))
  const bundle: CollateralBundle = {
    format: collateralBundleFormat,
    version: 1,
    exportedAt: new Date().toISOString(),
    items,
  }
  const imported = await test.call('POST', '/collateral/bundle', {
    token: ownerObjectId,
    contentType: 'application/json',
    payload: JSON.stringify(bundle),
  })
  expect([imported.status, imported.body.results?.length]).toEqual([200, paths.length])
}
