import { rm } from 'node:fs/promises'
import { attestationManagementHost, principals, type AccessQuestion } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import {
  chainPem,
  claimsOf,
  firmwareIsThere,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type CallOptions,
  type TestService,
} from '../testing/harness.ts'

const resourceId = (name: string): string =>
  `/subscriptions/s/resourceGroups/g/providers/Microsoft.Attestation/attestationProviders/${name}`
const host = 'mine.weu.attest.strongroom.internal'
const policies = '/policies/SevSnpVm?api-version=2022-08-01'
const tenant = '55555555-5555-4555-8555-555555555555'
const permitAll = unsignedPolicyJws('version=1.0;authorizationrules{=>permit();};')

describe('the wire of the resource manager', () => {
  let test: TestService
  const manage = async (method: string, path: string, body?: unknown, o: CallOptions = {}): Promise<Answer> =>
    await test.call(method, `/providers/${path}${path.includes('?') ? '' : '?api-version=2025-06-01'}`, {
      token: principals.controlPlane.appId,
      host: attestationManagementHost,
      ...(body === undefined ? {} : { contentType: 'application/json', payload: JSON.stringify(body) }),
      ...o,
    })
  const definition = (name: string): unknown => ({ resourceId: resourceId(name), policySigningCertificates: [] })

  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
  })
  afterAll(async () => {
    await test?.close()
    if (test !== undefined) await rm(test.stateDir, { recursive: true, force: true })
  })

  it('is closed to everybody else, the owner included', async () => {
    expect((await manage('PUT', 'weu/mine', definition('mine'), { token: ownerObjectId })).body.error.code).toBe(
      'Forbidden',
    )
    const anonymous = await test.call('GET', '/providers/weu/mine?api-version=2025-06-01', {
      host: attestationManagementHost,
    })
    expect(anonymous.status).toBe(401)
    expect((await test.call('GET', '/certs', { host })).status).toBe(404)
  })

  it('makes a provider once for one resource, and never gives its name to another', async () => {
    const made = await manage('PUT', 'weu/Mine', definition('mine'))
    expect(made).toMatchObject({ status: 201, body: { name: 'mine', trustModel: 'AAD', attestUri: `https://${host}` } })
    expect((await manage('PUT', 'weu/mine', definition('mine'))).status).toBe(200)
    expect((await manage('PUT', 'weu/mine', definition('other'))).body.error).toMatchObject({
      code: 'NameNotAvailable',
    })
    // Nobody can have the name of a region's shared provider.
    expect((await manage('PUT', 'weu/sharedweu', definition('sharedweu'))).body.error.code).toBe('NameNotAvailable')
    expect((await manage('DELETE', 'weu/sharedweu')).status).toBe(204)
    expect((await test.call('GET', '/certs')).status).toBe(200)
  })

  it('gives a provider to the resource that its own became, and to no other', async () => {
    await manage('PUT', 'weu/moving', definition('moving'))
    const to = resourceId('moving').replace('/g/', '/h/')
    const move = async (body: object, o: CallOptions = {}): Promise<Answer> =>
      await manage('POST', 'weu/moving/move', body, o)
    expect((await move({ from: resourceId('other'), to })).body.error.code).toBe('NameNotAvailable')
    expect((await move({ from: resourceId('moving'), to: '/x' })).body.error.code).toBe('InvalidParameter')
    expect((await move({ from: resourceId('moving'), to }, { token: ownerObjectId })).status).toBe(403)
    expect((await move({ from: resourceId('moving'), to })).body.resourceId).toBe(to)
    expect((await move({ from: resourceId('moving'), to })).status).toBe(200)
    expect((await manage('PUT', 'weu/moving', definition('moving'))).body.error.code).toBe('NameNotAvailable')
    expect((await manage('POST', 'weu/sharedweu/move', { from: to, to: resourceId('x') })).status).toBe(404)
    await manage('DELETE', 'weu/moving')
  })

  it.each(['a', '-ab', 'ab-', 'a.b.c', 'a_b', 'x'.repeat(25), 'mine.weu.attest.strongroom.internal'])(
    'refuses the name %s',
    async (name) => {
      expect((await manage('PUT', `weu/${name}`, definition(name))).body.error.code).toBe('InvalidParameter')
    },
  )

  it.each([
    [{}, 'resourceId'],
    [{ resourceId: '/x', policySigningCertificates: [] }, 'resourceId'],
    [{ resourceId: resourceId('b') }, 'policySigningCertificates'],
    [{ resourceId: resourceId('b'), policySigningCertificates: [{ kty: 'RSA' }] }, 'policySigningCertificates.keys[0]'],
    [
      { resourceId: resourceId('b'), policySigningCertificates: [{ kty: 'RSA', x5c: ['AAAA'] }] },
      'policySigningCertificates.keys[0]',
    ],
  ])('refuses the definition %j', async (body, target) => {
    expect((await manage('PUT', 'weu/wrong', body)).body.error).toMatchObject({ code: 'InvalidParameter', target })
    expect((await manage('GET', 'weu/wrong')).body.error.code).toBe('ProviderNotFound')
  })

  it('keeps providers over a restart, and earlier keys in /certs after a rotation', async () => {
    const kids = async (): Promise<string[]> =>
      ((await test.call('GET', '/certs', { host })).body.keys as { kid: string }[]).map(({ kid }) => kid)
    const [before] = await kids()
    const { kid } = (await manage('POST', 'weu/mine/rotateKey')).body
    expect(await kids()).toEqual([kid, before])
    await test.service.close()
    test = await openService({ anchors: (await silicon()).anchors, stateDir: test.stateDir })
    expect(await kids()).toEqual([kid, before])
    // After a year, no token of the earlier key is still valid.
    test.clock.set(new Date(Date.now() + 366 * 24 * 3600_000))
    expect(await kids()).toEqual([kid])
    test.clock.set(new Date())
  })

  describe('the policies of a provider', () => {
    const asked: { path: string; question: AccessQuestion }[] = []
    const as = { host, token: tenant, contentType: 'text/plain' }

    it('are for whom the resource manager says, right by right, and for no other tenant (attack P2)', async () => {
      const rights = new Set<string>()
      test.collateral.access = (path, question) => {
        asked.push({ path, question })
        return question.principalId === tenant && rights.has(question.action.split('/').at(-1)!)
      }
      expect((await test.call('GET', policies, as)).body.error).toMatchObject({
        code: 'Forbidden',
        innererror: { expected: expect.stringContaining('Attestation Reader'), remedy: expect.any(String) },
      })
      expect(asked.at(-1)).toMatchObject({
        path: `${resourceId('mine')}/providers/Strongroom.Authorization/checkAccess`,
        question: { principalId: tenant, action: 'Microsoft.Attestation/attestationProviders/attestation/read' },
      })
      rights.add('read')
      expect((await test.call('GET', policies, as)).status).toBe(200)
      const put = async (): Promise<Answer> => await test.call('PUT', policies, { ...as, payload: permitAll })
      expect((await put()).body.error).toMatchObject({ code: 'Forbidden' })
      rights.add('write')
      expect(claimsOf(await put())).toMatchObject({ iss: `https://${host}`, 'x-ms-policy-result': 'Updated' })
      const reset = async (): Promise<Answer> => await test.call('POST', policies.replace('?', ':reset?'), as)
      expect((await reset()).status).toBe(403)
      rights.add('delete')
      expect(claimsOf(await reset())['x-ms-policy-token-hash']).toEqual(expect.any(String))
      // A tenant's right at one provider gives none at another's, nor at the shared one.
      expect(
        (await test.call('PUT', policies, { ...as, host: 'sharedweu.weu.attest.strongroom.internal' })).status,
      ).toBe(403)
    })

    it('stay closed while the resource manager does not answer', async () => {
      test.collateral.access = undefined
      expect((await test.call('PUT', policies, { ...as, payload: permitAll })).status).toBe(503)
    })
  })

  it.skipIf(!firmwareIsThere)(
    'decide by their own policy, and sign in their own name, whatever the shared one does',
    async () => {
      await serveCollateral(test.collateral, await silicon())
      test.collateral.access = () => true
      const body = snpBody(await snpReport(), { pem: await chainPem() })
      const path = '/attest/SevSnpVm?api-version=2022-08-01'
      const issuer = async (at: string): Promise<unknown> => {
        const answer = await test.post(path, body, { host: at })
        return answer.status === 200 ? claimsOf(answer)['iss'] : answer.body.error.code
      }
      const shared = 'sharedweu.weu.attest.strongroom.internal'
      expect([await issuer(host), await issuer(shared)]).toEqual([`https://${host}`, `https://${shared}`])
      const denyAll = unsignedPolicyJws('version=1.0;authorizationrules{=>deny();};')
      await test.call('PUT', policies, { host, token: tenant, contentType: 'text/plain', payload: denyAll })
      expect([await issuer(host), await issuer(shared)]).toEqual(['PolicyEvaluationError', `https://${shared}`])
    },
  )

  it('forgets a provider with its policies: a new one of the same name begins with the default and another key', async () => {
    test.collateral.access = () => true
    const as = { host, token: tenant, contentType: 'text/plain' }
    await test.call('PUT', policies, { ...as, payload: permitAll })
    const [before] = (await test.call('GET', '/certs', { host })).body.keys
    expect((await manage('DELETE', 'weu/mine')).status).toBe(204)
    expect((await test.call('GET', '/certs', { host })).status).toBe(404)
    await manage('PUT', 'weu/mine', definition('mine'))
    expect(claimsOf(await test.call('GET', policies, as))['x-ms-policy']).not.toBe(permitAll)
    expect((await test.call('GET', '/certs', { host })).body.keys[0].kid).not.toBe(before.kid)
  })
})
