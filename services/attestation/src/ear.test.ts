import { createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { guestBody, guestPath, TestGuest, testAuthority } from './testing/guest.ts'
import {
  chainPem,
  firmwareIsThere,
  issuer,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from './testing/harness.ts'

const path = '/attest/SevSnpVm?api-version=2025-06-01'
const policyPath = '/policies/SevSnpVm?api-version=2025-06-01'
const accept = 'application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#04"'
const owner = { token: ownerObjectId, contentType: 'text/plain' }

interface Appraisal {
  ear_status: string
  ear_trustworthiness_vector: Record<string, number>
  ear_attester_claims: Record<string, unknown>
  ear_verifier_claims: Record<string, unknown>
}

describe.skipIf(!firmwareIsThere)('EAT attestation results', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>

  const post = async (url: string, body: unknown): Promise<{ status: number; type: string; text: string }> => {
    const response = await test.service.hosts[0]!.app.inject({
      method: 'POST',
      url,
      headers: { host: new URL(issuer).host, accept, 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    })
    return { status: response.statusCode, type: String(response.headers['content-type']), text: response.body }
  }
  const open = async (jwt: string): Promise<JWTPayload & { submods: Record<string, Appraisal> }> => {
    const { body: keys } = await test.call('GET', '/certs')
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(keys), { issuer })
    return payload as JWTPayload & { submods: Record<string, Appraisal> }
  }

  beforeAll(async () => {
    authority = await testAuthority()
    const processor = await silicon()
    test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
    await serveCollateral(test.collateral, processor)
  })
  afterAll(async () => {
    await test?.close()
    await authority?.remove()
  })

  it('are given to clients that accept them, signed by the same key, and affirm a compliant VM', async () => {
    const answer = await post(path, snpBody(await snpReport(), { pem: await chainPem(), nonce: 'a nonce of one' }))
    expect(answer.type).toBe(accept)
    const result = await open(answer.text)
    expect(result).toMatchObject({
      eat_profile: 'tag:ietf.org,2026:rats/ear#04',
      ear_verifier_id: { developer: issuer, build: expect.any(String) },
      ear_status: 'affirming',
      eat_nonce: 'a nonce of one',
      submods: {
        sevsnpvm: {
          ear_status: 'affirming',
          ear_trustworthiness_vector: {
            'instance-identity': 2,
            configuration: 2,
            executables: 3,
            hardware: 2,
            'runtime-opaque': 2,
          },
          ear_appraisal_policy_ids: [expect.stringMatching(/^policy:[\w-]{43}$/)],
          ear_attester_claims: { 'x-ms-sevsnpvm-vmpl': 0 },
          ear_verifier_claims: { 'x-strongroom-simulated': true },
        },
      },
    })
    // No claim of the other form appears where a release policy would look for it.
    expect(Object.keys(result).filter((name) => name.startsWith('x-ms-'))).toEqual([])
  })

  it('come to the same verdict as tokens: what a policy denies is denied, what it excuses is warned of', async () => {
    const debuggable = snpBody(await snpReport({ policy: 0xb001fn }), { pem: await chainPem() })
    const denied = await post(path, debuggable)
    expect(denied.status).toBe(400)
    expect(JSON.parse(denied.text)).toMatchObject({ error: { code: 'PolicyEvaluationError' } })
    const byName =
      'version=1.0;authorizationrules{[type=="x-ms-sevsnpvm-is-debuggable"]=>permit();};issuancerules{=>issue(type="level", value=3);};'
    await test.call('PUT', policyPath, { ...owner, payload: unsignedPolicyJws(byName) })
    const { submods, ear_status: status } = await open((await post(path, debuggable)).text)
    expect(status).toBe('warning')
    expect(submods['sevsnpvm']).toMatchObject({
      ear_status: 'warning',
      ear_trustworthiness_vector: { configuration: 32, hardware: 2 },
      ear_verifier_claims: { level: 3, shortcomings: [expect.stringContaining('debug')] },
    })
    await test.call('POST', '/policies/SevSnpVm:reset?api-version=2025-06-01', { ...owner, payload: '' })
  })

  it('refuse a nonce that no EAT carries', async () => {
    const answer = await post(path, snpBody(await snpReport(), { pem: await chainPem(), nonce: 'short' }))
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'InvalidParameter', target: 'nonce' } })
  })

  it.skipIf(!tpmIsThere)(
    'of a guest appraise TPM and hardware each for itself, sealed to the TPM',
    async () => {
      const guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
      try {
        const parts = await guest.parts()
        const { token } = JSON.parse((await post(guestPath, guestBody(parts))).text) as { token: string }
        const { submods, ear_status: status } = await open(await guest.tpm.open(token, parts.key))
        expect(status).toBe('affirming')
        expect(submods['azurevm']!.ear_trustworthiness_vector).toEqual({ 'instance-identity': 2, executables: 3 })
        expect(submods['sevsnpvm']).toMatchObject({ ear_status: 'affirming' })
        expect(submods['azurevm']!.ear_attester_claims['x-ms-isolation-tee']).toBeUndefined()
      } finally {
        await guest.close()
      }
    },
    60_000,
  )
})
