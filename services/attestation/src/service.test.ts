import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import type { Kysely } from 'kysely'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import type { Decision } from './store/decision-entry.ts'
import type { Tables } from './store/tables.ts'
import {
  chainPem,
  claimsOf,
  FakeCollateral,
  firmwareIsThere,
  issuer,
  newSilicon,
  openService,
  ownerObjectId,
  runtimeBytes,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from './testing/harness.ts'

const path = '/attest/SevSnpVm?api-version=2022-08-01'
const policyPath = '/policies/SevSnpVm?api-version=2022-08-01'

describe.skipIf(!firmwareIsThere)('the attestation service', () => {
  let stateDir: string
  let running: TestService | undefined

  const start = async (collateral?: FakeCollateral): Promise<TestService> => {
    const processor = await silicon()
    running = await openService({
      anchors: processor.anchors,
      stateDir,
      ...(collateral === undefined ? {} : { collateral }),
    })
    if (collateral === undefined) await serveCollateral(running.collateral, processor)
    await running.service.start()
    return running
  }
  const stop = async (): Promise<void> => {
    await running?.close()
    running = undefined
  }
  const decisions = async (): Promise<Decision[]> => {
    const store = await openStore({ url: `sqlite:${stateDir}`, service: 'attestation', sealer: testSealer })
    const rows: Decision[] = await (store.db as Kysely<Tables>)
      .selectFrom('decision')
      .selectAll()
      .orderBy('at')
      .execute()
    await store.close()
    return rows
  }

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'E-attestation-'))
  })
  afterEach(async () => {
    await stop()
    await rm(stateDir, { recursive: true, force: true })
  })

  it('keeps key, policy and collateral over a restart', async () => {
    const first = await start()
    const body = snpBody(await snpReport(), { pem: await chainPem() })
    const { token } = (await first.post(path, body)).body as { token: string }
    const policy = unsignedPolicyJws('version=1.0;authorizationrules{[type=="x-ms-compliance-status"]=>permit();};')
    await first.call('PUT', policyPath, { token: ownerObjectId, contentType: 'text/plain', payload: policy })
    await stop()
    const fake = new FakeCollateral()
    fake.down = true
    const second = await start(fake)
    await jwtVerify(token, createLocalJWKSet((await second.call('GET', '/certs')).body), { issuer })
    expect(claimsOf(await second.call('GET', policyPath, { token: ownerObjectId }))['x-ms-policy']).toBe(policy)
    expect((await second.post(path, body)).status).toBe(200)
  })

  it('records every decision with evidence, policy and outcome', async () => {
    const test = await start()
    const report = await snpReport()
    const pem = await chainPem()
    const token = claimsOf(await test.post(path, snpBody(report, { pem })))
    await test.post(path, snpBody(report, { pem, runtimeData: { data: 'e30', dataType: 'JSON' } }))
    const deny = unsignedPolicyJws('version=1.0;authorizationrules{=>deny();};')
    await test.call('PUT', policyPath, { token: ownerObjectId, contentType: 'text/plain', payload: deny })
    const denied = await test.post(path, snpBody(report, { pem }))
    expect(denied.status).toBe(400)
    const rows = await decisions()
    expect(rows.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['Permitted', null],
      ['Refused', 'BindingMismatch'],
      ['Denied', 'PolicyEvaluationError'],
    ])
    expect(rows[0]).toMatchObject({
      evidence_digest: createHash('sha256').update(report).digest('hex'),
      policy_hash: token['x-ms-policy-hash'],
      token_id: token['jti'],
      simulated: 1,
    })
    expect(rows[2]!.policy_hash).not.toBe(rows[0]!.policy_hash)
  })

  it("refuses without a revocation list that is current, and consults the one of the evidence's own root", async () => {
    const fake = new FakeCollateral()
    const test = await start(fake)
    const report = await snpReport()
    const pem = await chainPem()
    const none = await test.post(path, snpBody(report, { pem }))
    expect(none.body.error.code).toBe('PolicyEvaluationError')
    expect(JSON.stringify(none.body.error.details)).toContain('revocation list')
    // Another authority's list for the same product is not accepted; the right one beside it is.
    await serveCollateral(fake, await newSilicon())
    test.clock.set(new Date(Date.now() + 61_000))
    const { crl } = await (await silicon()).amd.endorsements()
    const strange = await test.post(path, snpBody(report, { pem }))
    expect([strange.status, strange.body.error.code]).toEqual([503, 'CollateralUnavailable'])
    expect((await test.post(path, snpBody(report, { pem, crl }))).status).toBe(200)
    test.clock.set(new Date(Date.now() + 40 * 24 * 3600_000))
    fake.answers.clear()
    const stale = await test.post(path, snpBody(report, { pem, crl }))
    expect(stale.status).toBe(400)
    expect(stale.body.error).toMatchObject({ code: 'InvalidParameter', details: [{ code: 'CrlExpired' }] })
  })

  it('calls no address that a request names (attack K7)', async () => {
    const test = await start()
    const before = test.collateral.asked.length
    await test.post(path, {
      ...snpBody(await snpReport(), { pem: await chainPem() }),
      jku: 'https://evil.example/certs',
      collateralUrl: 'https://evil.example',
      endorsements: 'https://evil.example/vcek',
    })
    expect(
      test.collateral.asked.slice(before).every((url) => url.startsWith('https://collateral.strongroom.internal/')),
    ).toBe(true)
  })

  it('lets runtime data say nothing outside x-ms-runtime (attack K7)', async () => {
    const test = await start()
    const runtime = new TextEncoder().encode(
      JSON.stringify({
        ...(JSON.parse(new TextDecoder().decode(runtimeBytes)) as object),
        iss: 'https://evil.example',
        exp: 9_999_999_999,
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-attestation-type': 'tdxvm',
      }),
    )
    const reportData = new Uint8Array(64)
    reportData.set(createHash('sha256').update(runtime).digest())
    const claims = claimsOf(
      await test.post(path, snpBody(await snpReport({ reportData }), { pem: await chainPem(), runtime })),
    )
    expect(claims).toMatchObject({ iss: issuer, 'x-ms-attestation-type': 'sevsnpvm' })
    expect(Number(claims['exp'])).toBeLessThan(9_999_999_999)
  })

  it('leaves no private key in clear in its files', async () => {
    const test = await start()
    await test.call('GET', '/certs')
    await stop()
    for (const name of await readdir(stateDir)) {
      const bytes = await readFile(join(stateDir, name))
      expect(bytes.includes('PRIVATE KEY')).toBe(false)
      // Base64url of an RSA key's PKCS#8 begins like this.
      expect(bytes.includes('MIIEv'), name).toBe(false)
    }
  })
})
