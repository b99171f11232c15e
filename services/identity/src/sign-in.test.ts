import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { principals } from '@strongroom/contract'
import { issueSelfSigned } from '@strongroom/platform'
import { decodeJwt, exportJWK, SignJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityService } from './service.ts'
import { askOwnerSocket, testContext, testService } from './testing.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })
const hour = 3600_000
const github = 'https://token.actions.example'

let service: IdentityService
let tenant: string
let now: number
let owner: string
let socket: string

interface Answer {
  statusCode: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  json(): any
}

const form = async (path: string, body: Record<string, string>): Promise<Answer> =>
  await service.hosts[0]!.app.inject({
    method: 'POST',
    url: `/${tenant}/oauth2/v2.0/${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(body).toString(),
  })
const graph = async (method: string, path: string, body?: object, token?: string): Promise<Answer> =>
  await service.hosts[1]!.app.inject({
    method: method as 'GET',
    url: `/v1.0${path}`,
    headers: { authorization: `Bearer ${token ?? (await service.ownerToken('https://graph.strongroom.internal/'))}` },
    ...(body !== undefined && { payload: body }),
  })
const assertion = async (
  claims: Record<string, unknown>,
  o: { key?: KeyObject; header?: Record<string, string> } = {},
): Promise<string> =>
  await new SignJWT({ exp: now / 1000 + 600, ...claims })
    .setProtectedHeader({ alg: 'PS256', ...o.header })
    .sign(o.key ?? pair.privateKey)
const signIn = async (
  appId: string,
  token: string,
  scope: string = 'https://management.azure.com//.default',
): Promise<Answer> =>
  await form('token', {
    grant_type: 'client_credentials',
    scope,
    client_id: appId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token,
  })

/** Requests to the other issuer. */
let issuerAsked: string[] = []
let issuerIsDown = false
beforeEach(async () => {
  now = Date.parse('2026-03-01T00:00:00Z')
  const context = await testContext({ clock: { now: () => new Date(now) } })
  tenant = context.installation.tenantId
  const jwk = { ...(await exportJWK(foreign.publicKey)), kid: 'k', alg: 'RS256' }
  issuerAsked = []
  issuerIsDown = false
  service = await testService({
    ...context,
    fetchJson: async (url) => {
      issuerAsked.push(url)
      if (issuerIsDown) throw new Error('status 503')
      return url.endsWith('/keys') ? { keys: [jwk] } : { issuer: github, jwks_uri: `${github}/keys` }
    },
  })
  owner = service.firstStart!.ownerAppId
  socket = join(context.stateDir, 'run/owner.sock')
  await service.start()
})

const certificate = (key: KeyObject = pair.privateKey): X509Certificate =>
  new X509Certificate(
    issueSelfSigned({
      subject: 'CN=robot',
      privateKey: key,
      usages: ['digitalSignature'],
      notBefore: new Date(now - hour),
      notAfter: new Date(now + 24 * hour),
    }),
  )

async function makeApplication(): Promise<string> {
  const made = await graph('POST', '/applications', {
    displayName: 'robot',
    keyCredentials: [{ type: 'AsymmetricX509Cert', usage: 'Verify', key: certificate().raw.toString('base64') }],
  })
  expect(made.statusCode).toBe(201)
  return made.json().appId as string
}

describe('sign-in by certificate', () => {
  const claims = (appId: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    iss: appId,
    sub: appId,
    aud: `https://login.strongroom.internal/${tenant}/oauth2/v2.0/token`,
    jti: 'once',
    ...more,
  })
  const header = async (appId: string): Promise<Record<string, string>> => {
    const { keyCredentials } = (await graph('GET', `/applications/${appId}`)).json()
    const hex = keyCredentials[0].customKeyIdentifier as string
    // With padding, as MSAL for Python writes it.
    return { x5t: `${Buffer.from(hex, 'hex').toString('base64url')}=` }
  }

  it('takes an assertion of a registered certificate for every audience while it is valid, and of no other key (attack Q4)', async () => {
    const appId = await makeApplication()
    const good = await assertion(claims(appId), { header: await header(appId) })
    const answer = await signIn(appId, good)
    expect(decodeJwt(answer.json().access_token)).toMatchObject({ appid: appId, appidacr: '2' })
    const other = await signIn(appId, good, 'https://vault.azure.net/.default')
    expect(decodeJwt(other.json().access_token)).toMatchObject({ appid: appId, aud: 'https://vault.azure.net' })
    const forged = await assertion(claims(appId, { jti: 'two' }), {
      key: foreign.privateKey,
      header: await header(appId),
    })
    expect((await signIn(appId, forged)).json().error_codes).toEqual([700_027])
    now += hour
    expect((await signIn(appId, good)).json().error_description).toContain('it has expired')
  })

  it('takes dates as texts, as MSAL for .NET writes them, and holds them to the same (attack Q4)', async () => {
    const appId = await makeApplication()
    const at = (seconds: number): string => String(now / 1000 + seconds)
    const dated = async (dates: object): Promise<string> => {
      const token = await assertion(claims(appId, { ...dates }), { header: await header(appId) })
      const answer = await signIn(appId, token)
      return answer.statusCode === 200 ? 'taken' : (answer.json().error_description as string)
    }
    expect(await dated({ nbf: at(0), exp: at(600) })).toBe('taken')
    expect(await dated({ nbf: at(120), exp: at(600) })).toContain("its claim 'nbf' has the wrong value")
    expect(await dated({ exp: at(-120) })).toContain('it has expired')
    expect(await dated({ exp: at(2 * 24 * 3600) })).toContain('it is valid for more than a day')
    for (const exp of ['', 'soon', '1e20', '-1', [at(600)], null])
      expect(await dated({ exp }), JSON.stringify(exp)).toContain("its claim 'exp' has the wrong value")
  })

  it.each([
    ['for another installation', { aud: 'https://login.microsoftonline.com/x/oauth2/v2.0/token' }],
    ['for another application', { sub: '00000000-0000-4000-8000-000000000000' }],
    ['that has expired', { exp: Date.parse('2026-02-01T00:00:00Z') / 1000 }],
    ['that lasts for a year', { exp: Date.parse('2027-03-01T00:00:00Z') / 1000 }],
  ])('refuses an assertion %s', async (_name, change) => {
    const appId = await makeApplication()
    const answer = await signIn(appId, await assertion(claims(appId, change), { header: await header(appId) }))
    expect([answer.statusCode, answer.json().error]).toEqual([401, 'invalid_client'])
  })

  it('refuses a certificate of another application, a removed one and an expired one (attack Q4)', async () => {
    const appId = await makeApplication()
    const known = await header(appId)
    const other = (await graph('POST', '/applications', { displayName: 'other' })).json().appId as string
    expect((await signIn(other, await assertion(claims(other), { header: known }))).statusCode).toBe(401)
    now += 48 * hour
    expect((await signIn(appId, await assertion(claims(appId), { header: known }))).json().error_description).toContain(
      'not currently valid',
    )
    now -= 48 * hour
    expect((await graph('PATCH', `/applications/${appId}`, { keyCredentials: [] })).statusCode).toBe(204)
    expect((await signIn(appId, await assertion(claims(appId), { header: known }))).statusCode).toBe(401)
  })
})

describe('the login certificate', () => {
  it('signs in as the owner; the last five that were made stay good', async () => {
    const made: { client_id: string; pem: string }[] = []
    for (let index = 0; index < 7; index++) {
      now += 1_000
      made.push((await askOwnerSocket(socket, '/login-certificate', {})) as { client_id: string; pem: string })
    }
    const signInBy = async ({ client_id: appId, pem }: { client_id: string; pem: string }): Promise<number> => {
      const x5t = createHash('sha1').update(new X509Certificate(pem).raw).digest('base64url')
      const aud = `https://login.strongroom.internal/${tenant}/oauth2/v2.0/token`
      const token = await assertion({ iss: appId, sub: appId, aud }, { key: createPrivateKey(pem), header: { x5t } })
      return (await signIn(appId, token)).statusCode
    }
    expect(made[0]!.client_id).toBe(owner)
    expect(await Promise.all(made.map(signInBy))).toEqual([401, 401, 200, 200, 200, 200, 200])
  })
})

describe('sign-in by a federated token', () => {
  const claims = { iss: github, sub: 'repo:me/it:ref:refs/heads/main', aud: 'api://AzureADTokenExchange' }
  const federate = async (appId: string, more: object = {}): Promise<Answer> =>
    await graph('POST', `/applications/${appId}/federatedIdentityCredentials`, {
      name: 'ci',
      issuer: claims.iss,
      subject: claims.sub,
      audiences: [claims.aud],
      ...more,
    })
  const token = async (change: object = {}, key = foreign.privateKey): Promise<string> =>
    await new SignJWT({ exp: now / 1000 + 600, ...claims, ...change })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .sign(key)

  it('takes a token of the issuer, subject and audience that were registered', async () => {
    const appId = await makeApplication()
    expect((await federate(appId)).statusCode).toBe(201)
    expect(decodeJwt((await signIn(appId, await token())).json().access_token)).toMatchObject({ appid: appId })
  })

  it.each([
    ['another subject', { sub: 'repo:me/it:pull_request' }],
    ['another audience', { aud: 'api://other' }],
    ['another issuer', { iss: 'https://evil.example' }],
  ])('refuses %s', async (_name, change) => {
    const appId = await makeApplication()
    await federate(appId)
    expect((await signIn(appId, await token(change))).statusCode).toBe(401)
  })

  it('refuses a token that the issuer did not sign, and an issuer without https', async () => {
    const appId = await makeApplication()
    await federate(appId)
    expect((await signIn(appId, await token({}, pair.privateKey))).statusCode).toBe(401)
    expect((await federate(appId, { name: 'b', issuer: 'http://x' })).statusCode).toBe(400)
  })

  it('has its issuer asked once, however many tokens come that it did not sign (attack W5)', async () => {
    const appId = await makeApplication()
    await federate(appId)
    const forged = async (kid: string): Promise<string> =>
      await new SignJWT({ exp: now / 1000 + 600, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(pair.privateKey)
    const flood = async (): Promise<void> => {
      const tokens = await Promise.all(Array.from({ length: 30 }, async (_, n) => await forged(`k${n}`)))
      const answers = await Promise.all(tokens.map(async (each) => (await signIn(appId, each)).statusCode))
      expect(answers).toEqual(tokens.map(() => 401))
    }
    await flood()
    const each = [`${github}/.well-known/openid-configuration`, `${github}/keys`]
    expect(issuerAsked).toEqual(each)
    expect((await signIn(appId, await token())).statusCode).toBe(200)
    // An unknown key is looked for, occasionally; known keys stay valid even if the issuer is unreachable.
    now += 11_000
    issuerIsDown = true
    await flood()
    expect((await signIn(appId, await token())).statusCode).toBe(200)
    expect(issuerAsked).toEqual([...each, each[0]])
    now += 15 * 60_000
    expect((await signIn(appId, await token())).statusCode).toBe(401)
  })

  it('takes a token of this installation, as a managed identity has', async () => {
    const identity = await service.ensureManagedIdentity({ resourceId: '/vm', displayName: 'vm' })
    const appId = await makeApplication()
    await federate(appId, { issuer: service.issuer, subject: identity.objectId })
    const own = await service.managedIdentityToken({ resourceId: '/vm', audience: claims.aud })
    expect((await signIn(appId, own.accessToken)).statusCode).toBe(200)
  })
})

describe('the directory', () => {
  it('is read by every principal and changed by its owner alone', async () => {
    const appId = await makeApplication()
    const { secretText } = (await graph('POST', `/applications/${appId}/addPassword`, {})).json()
    const answer = await form('token', {
      grant_type: 'client_credentials',
      client_id: appId,
      client_secret: secretText,
      scope: 'https://graph.strongroom.internal//.default',
    })
    const token = answer.json().access_token as string
    const found = await graph(
      'GET',
      `/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '${appId}')`,
      undefined,
      token,
    )
    expect(found.json().value).toHaveLength(1)
    for (const [method, path] of [
      ['POST', '/applications'],
      ['PATCH', `/applications/${appId}`],
      ['DELETE', `/applications/${appId}`],
      ['POST', `/applications/${appId}/addPassword`],
      ['POST', `/applications/${appId}/federatedIdentityCredentials`],
      ['DELETE', `/servicePrincipals/${appId}`],
    ] as const)
      expect((await graph(method, path, {}, token)).statusCode, `${method} ${path}`).toBe(403)
    const arm = await service.ownerToken('https://management.azure.com/')
    expect((await graph('GET', '/applications', undefined, arm)).statusCode).toBe(401)
  })

  it('keeps its owner, and forgets a deleted application with what it signs in by', async () => {
    const appId = await makeApplication()
    expect((await graph('DELETE', `/applications/${owner}`)).statusCode).toBe(403)
    expect((await graph('DELETE', `/applications/${appId}`)).statusCode).toBe(204)
    expect((await graph('GET', `/applications/${appId}`)).json().error.code).toBe('Request_ResourceNotFound')
  })

  it("gives nobody, the owner included, a credential of the platform's own services, nor lets them be deleted", async () => {
    const { value } = (await graph('GET', '/applications')).json() as { value: { appId: string }[] }
    for (const { appId, displayName } of Object.values(principals)) {
      await service.setPrincipal({ appId, displayName, secret: 'x'.repeat(40) })
      const { objectId } = await service.setPrincipal({ appId, displayName })
      expect(value.map((each) => each.appId)).not.toContain(appId)
      expect((await graph('POST', `/applications/${appId}/addPassword`, {})).statusCode).toBe(404)
      expect((await graph('PATCH', `/applications/${appId}`, { keyCredentials: [] })).statusCode).toBe(404)
      const federated = { name: 'x', issuer: github, subject: 's', audiences: ['a'] }
      const added = await graph('POST', `/applications/${appId}/federatedIdentityCredentials`, federated)
      expect(added.statusCode).toBe(404)
      expect((await graph('DELETE', `/servicePrincipals/${objectId}`)).statusCode).toBe(403)
    }
  })

  it('refuses a key credential that is not a certificate, and makes nothing then', async () => {
    const refused = await graph('POST', '/applications', { displayName: 'bad', keyCredentials: [{ key: 'AAAA' }] })
    expect(refused.json().error.code).toBe('InvalidCertificate')
    expect((await graph('GET', "/applications?$filter=displayName eq 'bad'")).json().value).toEqual([])
  })

  it('refuses a filter that it cannot apply', async () => {
    expect((await graph('GET', "/applications?$filter=displayName ne 'x'")).statusCode).toBe(400)
  })
})

/** As the CLI does: through the socket in the state directory. */
