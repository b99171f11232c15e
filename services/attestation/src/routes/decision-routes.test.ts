import type { DecisionBundle, DecisionList, DecisionView } from '@strongroom/contract'
import {
  parseCertificate,
  parsePem,
  parseTdxQuote,
  readPckExtension,
  spkiSha256,
  toBase64Url,
  toHex,
} from '@strongroom/evidence'
import { detect, judge, type Judgement } from '@strongroom/evidence/files'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import { tpmIsThere } from '../testing/guest-tpm.ts'
import { guestBody, guestPath, tdxQuote, testAuthority, TestGuest } from '../testing/guest.ts'
import {
  boundTo,
  chainPem,
  claimsOf,
  firmwareIsThere,
  openService,
  ownerObjectId,
  runtimeBytes,
  serveCollateral,
  serveTdxCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

const version = 'api-version=2025-06-01'
const owner = { token: ownerObjectId }

describe.skipIf(!firmwareIsThere)('decisions on record', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>

  const newest = async (): Promise<DecisionView> =>
    (await test.call('GET', `/decisions?${version}&$top=1`, owner)).body.value[0] as DecisionView
  const bundleOf = async ({ id }: DecisionView): Promise<DecisionBundle> => {
    const answer = await test.call('GET', `/decisions/${id}/bundle?${version}`, owner)
    expect(answer.status).toBe(200)
    return answer.body as DecisionBundle
  }
  /** Like `strongroom evidence verify bundle.json --anchors anchors.json --ca ca.pem`. */
  const offline = async (bundle: unknown): Promise<Judgement> => {
    const pieces = detect('bundle.json', new TextEncoder().encode(JSON.stringify(bundle)))
    const root = parseCertificate(parsePem(authority.caPem)[0]!)
    const roots = [{ name: 'installation', spkiSha256: await spkiSha256(root) }]
    const { anchors } = await silicon()
    return judge({ pieces, anchors, at: new Date(), authority: { roots, signer: 'any' } })
  }

  beforeAll(async () => {
    const processor = await silicon()
    authority = await testAuthority()
    test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
    await serveCollateral(test.collateral, processor)
    const { certification } = parseTdxQuote(await tdxQuote(new Uint8Array(64)))
    if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
    const { fmspc } = readPckExtension(parseCertificate(certification.chain[0]!))
    await serveTdxCollateral(test.collateral, await processor.intel.collateral(), toHex(fmspc))
  })
  afterAll(async () => {
    await test?.close()
    await authority?.remove()
  })

  it('say who asked, on what, under which policy, and lead to evidence that verifies offline', async () => {
    const answer = await test.post(`/attest/SevSnpVm?${version}`, snpBody(await snpReport(), { pem: await chainPem() }))
    const token = claimsOf(answer)
    const decision = await newest()
    expect(decision).toMatchObject({
      type: 'SevSnpVm',
      outcome: 'Permitted',
      caller: '127.0.0.1',
      policyHash: token['x-ms-policy-hash'],
      tokenId: token['jti'],
      simulated: true,
      failedRules: [],
      failedChecks: [],
    })
    const bundle = await bundleOf(decision)
    expect(bundle).toMatchObject({
      format: 'strongroom-attestation-decision',
      decision,
      policy: { hash: decision.policyHash },
    })
    expect(bundle.claims?.['x-ms-sevsnpvm-launchmeasurement']).toBe(token['x-ms-sevsnpvm-launchmeasurement'])
    expect(JSON.stringify(bundle)).not.toContain(answer.body.token)
    expect((await offline(bundle)).verdict).toBe('accepted')
  })

  it('are worth nothing once a byte of the evidence was changed', async () => {
    await test.post(`/attest/SevSnpVm?${version}`, snpBody(await snpReport(), { pem: await chainPem() }))
    const bundle = await bundleOf(await newest())
    const changed = (name: string): unknown => {
      const bytes = Buffer.from(bundle.evidence[name] as string, 'base64')
      bytes[name === 'runtimeClaims' ? 40 : 0x95]! ^= 1
      return { ...bundle, evidence: { ...bundle.evidence, [name]: bytes.toString('base64') } }
    }
    expect((await offline(changed('snpReport'))).verdict).toBe('refused')
    expect((await offline(changed('runtimeClaims'))).verdict).toBe('refused')
  })

  it('are kept of TDX with Intel’s collateral', async () => {
    const quote = await tdxQuote(boundTo(runtimeBytes))
    const runtimeData = { data: toBase64Url(runtimeBytes), dataType: 'JSON' }
    await test.post(`/attest/TdxVm?${version}`, { quote: toBase64Url(quote), runtimeData })
    const bundle = await bundleOf(await newest())
    expect((await offline(bundle)).verdict).toBe('accepted')
  })

  it.skipIf(!tpmIsThere)(
    'are kept of guests, quote and log included',
    async () => {
      const guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
      try {
        for (const isolation of ['SevSnp', 'Tdx', 'TrustedLaunch'] as const) {
          const answer = await test.post(guestPath, guestBody(await guest.parts({ isolation })))
          expect(answer.status).toBe(200)
          const bundle = await bundleOf(await newest())
          expect(bundle.decision.type).toBe('AzureGuest')
          expect((await offline(bundle)).verdict, isolation).toBe('accepted')
          const { tpmQuote } = bundle.evidence as { tpmQuote: { pcrs: Record<string, string> } }
          const pcrs = { ...tpmQuote.pcrs, 4: '00'.repeat(32) }
          const changed = { ...bundle, evidence: { ...bundle.evidence, tpmQuote: { ...tpmQuote, pcrs } } }
          expect((await offline(changed)).verdict, isolation).toBe('refused')
        }
      } finally {
        await guest.close()
      }
    },
    60_000,
  )

  it('name the rule that did not permit, and the check that failed', async () => {
    const policy = 'version=1.0;authorizationrules{[type=="nothing"]=>permit();};'
    const route = `/policies/SevSnpVm?${version}`
    await test.call('PUT', route, { ...owner, contentType: 'text/plain', payload: unsignedPolicyJws(policy) })
    const body = snpBody(await snpReport(), { pem: await chainPem() })
    await test.post(`/attest/SevSnpVm?${version}`, body)
    const denied = await newest()
    expect(denied).toMatchObject({ outcome: 'Denied', code: 'PolicyEvaluationError', policyHash: expect.any(String) })
    expect(denied.failedRules[0]).toMatchObject({ expected: expect.any(String), found: expect.any(String) })
    const kept = await bundleOf(denied)
    expect(kept.policy?.text).toBe(policy)
    expect(kept.claims).toBeUndefined()
    expect(kept.policyClaims).toMatchObject({
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-sevsnpvm-is-debuggable': false,
    })
    expect((await offline(kept)).verdict).toBe('accepted')
    await test.call('POST', `/policies/SevSnpVm:reset?${version}`, { ...owner, payload: '' })
    await test.post(`/attest/SevSnpVm?${version}`, { ...body, runtimeData: { data: 'e30', dataType: 'JSON' } })
    const refused = await newest()
    expect(refused).toMatchObject({
      outcome: 'Refused',
      code: 'BindingMismatch',
      failedChecks: [{ code: 'BindingMismatch', target: 'runtimeData', expected: expect.any(String) }],
    })
    expect((await bundleOf(refused)).evidence).toMatchObject({ request: { report: body['report'] } })
  })

  it('come page by page', async () => {
    for (let call = 0; call < 7; call++) await test.post(`/attest/TdxVm?${version}`, {})
    const first = await test.call('GET', `/decisions?${version}&$top=3`, owner)
    const link = new URL(first.body.nextLink as string)
    const second = await test.call('GET', `${link.pathname}${link.search}`, owner)
    const ids = [...first.body.value, ...second.body.value].map((decision: DecisionView) => decision.id)
    expect(new Set(ids).size).toBe(6)
    for (const bad of ['$top=0', '$top=x', '$top=1000', '$skiptoken=x'])
      expect((await test.call('GET', `/decisions?${version}&${bad}`, owner)).status, bad).toBe(400)
  })

  it('come with the claims that their policies were asked about, where these are asked for', async () => {
    const body = snpBody(await snpReport(), { pem: await chainPem() })
    await test.post(`/attest/SevSnpVm?${version}`, body)
    await test.post(`/attest/TdxVm?${version}`, {})
    const listed = async (query: string): Promise<DecisionList['value']> =>
      ((await test.call('GET', `/decisions?${version}&$top=2${query}`, owner)).body as DecisionList).value
    const [refused, permitted] = await listed('&$expand=claims')
    expect(refused).toMatchObject({ outcome: 'Refused' })
    expect(refused).not.toHaveProperty('claims')
    expect(permitted?.claims).toEqual((await bundleOf(permitted!)).claims)
    expect(permitted?.claims).toHaveProperty('x-ms-sevsnpvm-launchmeasurement')
    for (const each of await listed('')) expect(each).not.toHaveProperty('claims')
    const first = await test.call('GET', `/decisions?${version}&$top=1&$expand=claims`, owner)
    expect(first.body.nextLink).toContain('$expand=claims')
    for (const bad of ['$expand=evidence', '$expand=claims&$top=101'])
      expect((await test.call('GET', `/decisions?${version}&${bad}`, owner)).status, bad).toBe(400)
  })

  it('are only for those who may read the provider’s policies', async () => {
    const { id } = await newest()
    for (const path of [`/decisions?${version}`, `/decisions/${id}?${version}`, `/decisions/${id}/bundle?${version}`]) {
      expect((await test.call('GET', path)).status).toBe(401)
      const stranger = await test.call('GET', path, { token: '99999999-9999-4999-8999-999999999999' })
      expect(stranger.status).toBe(403)
      expect((await test.call('GET', path, owner)).status).toBe(200)
    }
    const missing = await test.call('GET', `/decisions/00000000-0000-4000-8000-000000000000?${version}`, owner)
    expect(missing.body.error).toMatchObject({ code: 'DecisionNotFound' })
  })
})
