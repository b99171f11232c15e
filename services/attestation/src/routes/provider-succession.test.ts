import { attestationManagementHost, managementHost, principals } from '@strongroom/contract'
import type { WireRequest } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultPolicies } from '../policy/defaults.ts'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import { claimsOf, openService, silicon, type Answer, type TestService } from '../testing/harness.ts'

const host = 'mine.weu.attest.strongroom.internal'
const policies = '/policies/SevSnpVm?api-version=2022-08-01'
const tenant = '55555555-5555-4555-8555-555555555555'
const permitAll = unsignedPolicyJws('version=1.0;authorizationrules{=>permit();};')

/** A provider's name passes from one tenant to another, even during a call of the first. */
describe('a provider that was deleted', () => {
  let test: TestService
  const manage = async (method: string, owner: string): Promise<Answer> =>
    await test.call(method, '/providers/weu/mine?api-version=2025-06-01', {
      token: principals.controlPlane.appId,
      host: attestationManagementHost,
      ...(method === 'PUT' && {
        contentType: 'application/json',
        payload: JSON.stringify({
          resourceId: `/subscriptions/${owner}/resourceGroups/g/providers/Microsoft.Attestation/attestationProviders/mine`,
          policySigningCertificates: [],
        }),
      }),
    })
  /** Deletes the provider while the service asks the resource manager about the caller's rights. */
  const passOn = (then: () => Promise<unknown>): void => {
    const { collateral } = test
    const answer = collateral.request.bind(collateral)
    collateral.request = async (o: WireRequest) => {
      if (new URL(o.url).hostname !== managementHost) return await answer(o)
      collateral.request = answer
      expect((await manage('DELETE', 'first')).status).toBe(204)
      await then()
      return await answer(o)
    }
  }
  const toAnother = async (): Promise<void> => expect((await manage('PUT', 'another')).status).toBe(201)
  const call = async (method: string, path: string, payload?: string): Promise<Answer> =>
    await test.call(method, path, { host, token: tenant, contentType: 'text/plain', ...(payload && { payload }) })
  const gone = { status: 404, body: { error: { code: 'ProviderNotFound' } } }

  beforeEach(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    test.collateral.access = () => true
  })
  afterEach(() => test?.close())

  it.each(['another', 'nobody'])(
    'has no policy set for anyone who has the name next (%s in between) (attack P2)',
    async (next) => {
      await manage('PUT', 'first')
      passOn(async () => (next === 'another' ? await toAnother() : undefined))
      expect(await call('PUT', policies, permitAll)).toMatchObject(gone)
      if (next === 'nobody') await toAnother()
      expect(claimsOf(await call('GET', policies))['x-ms-policy']).toBe(unsignedPolicyJws(defaultPolicies.SevSnpVm))
    },
  )

  it('has no policy reset for anyone who has the name next (attack P2)', async () => {
    const deny = unsignedPolicyJws('version=1.0;authorizationrules{=>deny();};')
    await manage('PUT', 'first')
    passOn(async () => {
      await toAnother()
      expect((await call('PUT', policies, deny)).status).toBe(200)
    })
    expect(await call('POST', '/policies/SevSnpVm:reset?api-version=2022-08-01')).toMatchObject(gone)
    expect(claimsOf(await call('GET', policies))['x-ms-policy']).toBe(deny)
  })

  it('leaves its decisions to no one who has the name next (attack P2)', async () => {
    const [version, attest] = ['api-version=2025-06-01', '/attest/SevSnpVm?api-version=2025-06-01']
    const decisions = async (): Promise<{ id: string }[]> => (await call('GET', `/decisions?${version}`)).body.value
    await manage('PUT', 'first')
    expect((await test.post(attest, { report: 'e30' }, { host })).status).toBe(400)
    const [{ id } = { id: '' }] = await decisions()
    expect((await call('GET', `/decisions/${id}/bundle?${version}`)).status).toBe(200)
    await manage('DELETE', 'first')
    await toAnother()
    expect(await decisions()).toEqual([])
    for (const path of [`/decisions/${id}`, `/decisions/${id}/bundle`])
      expect((await call('GET', `${path}?${version}`)).body.error.code).toBe('DecisionNotFound')
    await test.post(attest, { report: 'e30' }, { host })
    expect(await decisions()).toHaveLength(1)
  })
})
