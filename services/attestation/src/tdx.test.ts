import {
  parseCertificate,
  parseTdxQuote,
  readPckExtension,
  toBase64Url,
  toHex,
  type TdxCollateral,
} from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  claimsOf,
  collateralBody,
  FakeCollateral,
  firmware,
  firmwareIsThere,
  newSilicon,
  openService,
  runtimeBytes,
  runtimeClaims,
  serveTdxCollateral,
  silicon,
  type TestService,
} from './testing/harness.ts'

const path = '/attest/TdxVm?api-version=2022-08-01'

async function tdxQuote(
  o: { attributes?: bigint; mrConfigId?: Uint8Array; reportData?: Uint8Array } = {},
): Promise<Uint8Array> {
  const { intel } = await silicon()
  const { reportData = boundTo(runtimeBytes), ...launch } = o
  return intel.quote(await (await intel.launch({ firmware: firmware(), ...launch })).tdReport(reportData))
}

function tdxBody(quote: Uint8Array, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { quote: toBase64Url(quote), runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' }, ...more }
}

function fmspcOf(quote: Uint8Array): string {
  const { certification } = parseTdxQuote(quote)
  if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
  return toHex(readPckExtension(parseCertificate(certification.chain[0]!)).fmspc)
}

describe.skipIf(!firmwareIsThere)('attesting a TDX VM', () => {
  let test: TestService
  let quote: Uint8Array
  let collateral: TdxCollateral

  beforeAll(async () => {
    const processor = await silicon()
    test = await openService({ anchors: processor.anchors })
    quote = await tdxQuote()
    collateral = await processor.intel.collateral()
    await serveTdxCollateral(test.collateral, collateral, fmspcOf(quote))
  })
  afterAll(() => test?.close())

  it('gives a machine of the installation a token in the EAT profile', async () => {
    const answer = await test.post(path, tdxBody(quote, { nonce: 'n' }))
    expect(answer.body).toEqual({ token: expect.any(String) })
    expect(claimsOf(answer)).toMatchObject({
      nonce: 'n',
      'x-ms-attestation-type': 'tdxvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-ms-runtime': runtimeClaims,
      'x-strongroom-simulated': true,
      eat_profile: 'https://aka.ms/maa-eat-profile-tdxvm',
      dbgstat: 'disabled',
      intuse: 'generic',
      attester_tcb_status: 'UpToDate',
      tdx_mrtd: expect.stringMatching(/^[0-9a-f]{96}$/),
      tdx_report_data: Buffer.from(boundTo(runtimeBytes)).toString('hex'),
      tdx_td_attributes: expect.stringMatching(/^[0-9a-f]{16}$/),
      tdx_td_attributes_debug: false,
      tdx_td_attributes_septve_disable: true,
      tdx_seamsvn: expect.any(Number),
      tdx_xfam: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  })

  it('fetches collateral once and only from the collateral service', async () => {
    const before = test.collateral.asked.length
    await test.post(path, tdxBody(quote))
    expect(test.collateral.asked).toHaveLength(before)
    expect(test.collateral.asked.every((url) => url.startsWith('https://collateral.strongroom.internal/'))).toBe(true)
  })

  it('takes collateral from the request where the service has none, and refuses without any', async () => {
    const alone = await openService({ anchors: (await silicon()).anchors, collateral: new FakeCollateral() })
    const without = await alone.post(path, tdxBody(quote))
    expect(without.body.error).toMatchObject({ code: 'InvalidParameter', details: [{ code: 'CollateralMissing' }] })
    const sent = await alone.post(path, tdxBody(quote, { collateral: collateralBody(collateral) }))
    expect(sent.status).toBe(200)
    const altered = { ...collateralBody(collateral), tcbInfo: collateral.tcbInfo.replace('"version"', ' "version"') }
    const refused = await alone.post(path, tdxBody(quote, { collateral: altered }))
    expect(refused.status).toBe(400)
    await alone.close()
  })

  it('fails closed when the collateral service is down', async () => {
    const fake = new FakeCollateral()
    fake.down = true
    const alone = await openService({ anchors: (await silicon()).anchors, collateral: fake })
    const answer = await alone.post(path, tdxBody(quote))
    expect(answer.status).toBe(503)
    expect(answer.body.error.code).toBe('CollateralUnavailable')
    await alone.close()
  })

  it('refuses a quote with a changed byte, in header, body, signature or chain', async () => {
    for (const at of [
      12,
      48 + 100,
      48 + 136,
      48 + 520,
      48 + 584 + 8,
      48 + 584 + 80,
      48 + 584 + 400,
      quote.length - 700,
    ]) {
      const changed = Uint8Array.from(quote)
      changed[at]! ^= 1
      const answer = await test.post(path, tdxBody(changed))
      expect(answer.status, `byte ${at}`).toBe(400)
      expect(answer.body.error.code).toBe('InvalidParameter')
    }
  })

  it('refuses a quote of another installation', async () => {
    const stranger = await newSilicon()
    const guest = await stranger.intel.launch({ firmware: firmware() })
    const foreign = await stranger.intel.quote(await guest.tdReport(boundTo(runtimeBytes)))
    const answer = await test.post(
      path,
      tdxBody(foreign, { collateral: collateralBody(await stranger.intel.collateral()) }),
    )
    expect(answer.status).toBe(400)
    expect(answer.body.error.code).toBe('InvalidParameter')
  })

  it('refuses runtime data that the quote is not bound to', async () => {
    const answer = await test.post(path, tdxBody(quote, { runtimeData: { data: 'e30', dataType: 'JSON' } }))
    expect(answer.body.error).toMatchObject({
      code: 'InvalidParameter',
      target: 'runtimeData',
      details: [{ code: 'BindingMismatch' }],
    })
  })

  it('denies a debuggable domain and one whose pages the host may make fault', async () => {
    for (const [attributes, claim] of [
      [0x10000001n, 'attributes.debug'],
      [0n, 'attributes.septVeDisable'],
    ] as const) {
      const answer = await test.post(path, tdxBody(await tdxQuote({ attributes })))
      expect(answer.status).toBe(400)
      if (answer.body.error.code === 'PolicyEvaluationError')
        expect(JSON.stringify(answer.body.error.details)).toContain(claim)
      else expect(answer.body.error.code).toBe('InvalidParameter')
    }
  })

  it('takes no draft policy and no quote that is none', async () => {
    const draft = await test.post(path, tdxBody(quote, { draftPolicyForAttestation: 'e30' }))
    expect(draft.body.error).toMatchObject({ code: 'InvalidParameter', target: 'draftPolicyForAttestation' })
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(10),
      new Uint8Array(5000),
      Uint8Array.from(quote).subarray(0, 700),
    ]) {
      const answer = await test.post(path, tdxBody(bytes))
      expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'quote' })
    }
  })
})
