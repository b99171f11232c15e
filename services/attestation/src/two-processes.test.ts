import { attestationManagementHost, principals } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import {
  chainPem,
  firmwareIsThere,
  openService,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type TestService,
} from './testing/harness.ts'

const host = 'mine.weu.attest.strongroom.internal'
const tenant = '55555555-5555-4555-8555-555555555555'
const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Attestation/attestationProviders/mine'

const manage = async (at: TestService, method: string, verb = ''): Promise<Answer> =>
  await at.call(method, `/providers/weu/mine${verb}?api-version=2025-06-01`, {
    token: principals.controlPlane.appId,
    host: attestationManagementHost,
    ...(method === 'PUT' && {
      contentType: 'application/json',
      payload: JSON.stringify({ resourceId, policySigningCertificates: [] }),
    }),
  })

describeStores('two server processes on one database', (openStore) => {
  const open = async (store: Store): Promise<TestService> => {
    const processor = await silicon()
    const service = await openService({
      anchors: processor.anchors,
      storeUrl: store.url,
      storeService: `${store.service}_http`,
    })
    await serveCollateral(service.collateral, processor)
    service.collateral.access = () => true
    return service
  }
  const attest = async (at: TestService): Promise<Answer> =>
    await at.post('/attest/SevSnpVm?api-version=2022-08-01', snpBody(await snpReport(), { pem: await chainPem() }), {
      host,
    })

  it.skipIf(!firmwareIsThere)(
    'serve the same providers, policies, keys and decisions, and none that the other has removed',
    async () => {
      const store = await openStore()
      const [here, there] = [await open(store), await open(store)]
      try {
        expect((await attest(there)).status).toBe(404)
        expect((await manage(here, 'PUT')).status).toBe(201)
        const answer = await attest(there)
        expect(answer.status).toBe(200)
        const keys = (await here.call('GET', '/certs', { host })).body
        await jwtVerify(answer.body.token, createLocalJWKSet(keys), { issuer: `https://${host}` })

        const deny = unsignedPolicyJws('version=1.0;authorizationrules{=>deny();};issuancerules{};')
        const put = { host, token: tenant, contentType: 'text/plain', payload: deny }
        expect((await here.call('PUT', '/policies/SevSnpVm?api-version=2022-08-01', put)).status).toBe(200)
        expect((await attest(there)).body.error.code).toBe('PolicyEvaluationError')
        const listed = await here.call('GET', '/decisions?api-version=2025-06-01', { host, token: tenant })
        expect(listed.body.value.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['Denied', 'Permitted'])

        const { kid } = (await manage(here, 'POST', '/rotateKey')).body
        expect((await there.call('GET', '/certs', { host })).body.keys[0].kid).toBe(kid)

        expect((await manage(here, 'DELETE')).status).toBe(204)
        const gone = await attest(there)
        expect(gone).toMatchObject({ status: 404, body: { error: { code: 'ProviderNotFound' } } })
        expect((await there.call('GET', '/certs', { host })).status).toBe(404)
        // Recreated, it is a new provider: no key and no policy of the first one returns.
        expect((await manage(there, 'PUT')).status).toBe(201)
        const anew = (await here.call('GET', '/certs', { host })).body.keys as { kid: string }[]
        expect(anew).toHaveLength(1)
        expect([kid, keys.keys[0].kid]).not.toContain(anew[0]!.kid)
        expect((await attest(here)).status).toBe(200)
      } finally {
        await here.close()
        await there.close()
      }
    },
    60_000,
  )
})
