import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityService } from './service.ts'
import { testContext, testService } from './testing.ts'

let service: IdentityService
let tenant: string
let owner: { client_id: string; client_secret: string }

beforeEach(async () => {
  const context = await testContext()
  tenant = context.installation.tenantId
  service = await testService(context)
  owner = { client_id: service.firstStart!.ownerAppId, client_secret: service.firstStart!.ownerSecret }
})

interface Answer {
  statusCode: number
  json(): Record<string, unknown>
  headers: Record<string, unknown>
}

function post(
  form: Record<string, string> | string,
  o: { path?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return service.hosts[0]!.app.inject({
    method: 'POST',
    url: o.path ?? `/${tenant}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...o.headers },
    payload: new URLSearchParams(form).toString(),
  })
}

const grant = { grant_type: 'client_credentials', scope: 'https://management.azure.com//.default' }

describe('the token endpoint', () => {
  it('signs a service principal in and gives the audience as the client spelt it', async () => {
    const answer = await post({
      ...grant,
      ...owner,
      client_info: '1',
      claims: '{"access_token":{"xms_cc":{"values":["CP1"]}}}',
    })
    expect(answer.json()).toMatchObject({ token_type: 'Bearer', expires_in: 3600, ext_expires_in: 3600 })
    expect(answer.headers['cache-control']).toBe('no-store')
    const token = answer.json().access_token as string
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'RS256', typ: 'JWT', kid: service.jwks.keys[0]!.kid })
    expect(decodeJwt(token)).toMatchObject({
      iss: `https://login.strongroom.internal/${tenant}/v2.0`,
      aud: 'https://management.azure.com/',
      tid: tenant,
      oid: service.ownerObjectId,
      sub: service.ownerObjectId,
      appid: owner.client_id,
    })
    expect(await service.verifier.verify(token, ['https://management.azure.com'])).toMatchObject({
      objectId: service.ownerObjectId,
    })
  })

  it('takes the credentials from a Basic header', async () => {
    const basic = Buffer.from(
      `${encodeURIComponent(owner.client_id)}:${encodeURIComponent(owner.client_secret)}`,
    ).toString('base64')
    const answer = await post(grant, { headers: { authorization: `Basic ${basic}` } })
    expect(answer.statusCode).toBe(200)
  })

  it('answers the first version of the wire with strings and the resource', async () => {
    const form = { grant_type: 'client_credentials', resource: 'https://vault.azure.net', ...owner }
    const answer = await post(form, { path: `/${tenant}/oauth2/token` })
    expect(answer.json()).toMatchObject({
      expires_in: '3600',
      resource: 'https://vault.azure.net',
      token_type: 'Bearer',
    })
  })

  it('finds the tenant in any case and under its common names', async () => {
    for (const name of [tenant.toUpperCase(), 'common', 'organizations']) {
      expect((await post({ ...grant, ...owner }, { path: `/${name}/oauth2/v2.0/token` })).statusCode, name).toBe(200)
    }
    const answer = await post(
      { ...grant, ...owner },
      { path: '/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token' },
    )
    expect(answer.json()).toMatchObject({ error: 'invalid_request', error_codes: [90002] })
  })

  it.each<[string, Record<string, string>, number, string, number]>([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['a very long secret', { client_secret: 'x'.repeat(5000) }, 401, 'invalid_client', 7000215],
    ['no secret', { client_secret: '' }, 401, 'invalid_client', 7000216],
    [
      'a certificate that nobody registered',
      {
        client_secret: '',
        client_assertion: 'x.y.z',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      },
      401,
      'invalid_client',
      700027,
    ],
    [
      'an unknown application',
      { client_id: '11111111-1111-4111-8111-111111111111' },
      400,
      'unauthorized_client',
      700016,
    ],
    ['a name that is not an application id', { client_id: "' or 1=1 --" }, 400, 'unauthorized_client', 700016],
    ['no application', { client_id: '' }, 400, 'invalid_request', 900144],
    ['no grant', { grant_type: '' }, 400, 'invalid_request', 900144],
    ['a password grant', { grant_type: 'password' }, 400, 'unauthorized_client', 70001],
    ['a made-up grant', { grant_type: 'magic' }, 400, 'unsupported_grant_type', 70003],
    ['a scope that names no resource', { scope: 'openid' }, 400, 'invalid_scope', 1002012],
    ['no scope', { scope: '' }, 400, 'invalid_request', 900144],
  ])('refuses %s as Entra does', async (_name, change, status, error, code) => {
    const answer = await post({ ...grant, ...owner, ...change })
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toMatchObject({ error, error_codes: [code] })
    expect(answer.json().error_description).toMatch(new RegExp(`^AADSTS${code}: `))
    expect(JSON.stringify(answer.json())).not.toContain(owner.client_secret)
  })

  it('refuses parameters that are repeated', async () => {
    const form = `${new URLSearchParams({ ...grant, ...owner }).toString()}&client_id=${owner.client_id}`
    expect((await post(form)).json()).toMatchObject({ error: 'invalid_request', error_codes: [9000411] })
  })

  it('refuses a body that is not a form', async () => {
    const answer = await service.hosts[0]!.app.inject({
      method: 'POST',
      url: `/${tenant}/oauth2/v2.0/token`,
      payload: { ...grant, ...owner },
    })
    expect(answer.json()).toMatchObject({ error: 'invalid_request' })
  })

  it('still signs in by the right secret after many wrong ones', async () => {
    for (let i = 0; i < 7; i++) await post({ ...grant, ...owner, client_secret: `wrong ${i}` })
    expect((await post({ ...grant, ...owner })).statusCode).toBe(200)
  })
})

describe('discovery', () => {
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await service.hosts[0]!.app.inject(path)).json()

  it('names endpoints on the login host', async () => {
    const base = `https://login.strongroom.internal/${tenant}`
    expect(await get(`/${tenant}/v2.0/.well-known/openid-configuration`)).toMatchObject({
      issuer: `${base}/v2.0`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    })
    expect(await get(`/${tenant}/.well-known/openid-configuration`)).toMatchObject({
      token_endpoint: `${base}/oauth2/token`,
    })
  })

  it('shows the public key and nothing of the private one', async () => {
    const { keys } = await get(`/${tenant}/discovery/v2.0/keys`)
    expect(keys).toHaveLength(1)
    expect(Object.keys((keys as object[])[0]!).toSorted()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  })

  it('vouches for its own authority only', async () => {
    const ask = (endpoint: string): Promise<Record<string, unknown>> =>
      get(`/common/discovery/instance?api-version=1.1&authorization_endpoint=${encodeURIComponent(endpoint)}`)
    expect(await ask(`https://login.strongroom.internal/${tenant}/oauth2/v2.0/authorize`)).toMatchObject({
      tenant_discovery_endpoint: `https://login.strongroom.internal/${tenant}/v2.0/.well-known/openid-configuration`,
    })
    for (const endpoint of [
      'https://evil.example/common',
      'http://login.strongroom.internal/common',
      `https://login.strongroom.internal.evil.example/${tenant}`,
      '',
      'x',
    ]) {
      expect(await ask(endpoint), endpoint).toMatchObject({ error: 'invalid_request', error_codes: [50049] })
    }
  })
})
