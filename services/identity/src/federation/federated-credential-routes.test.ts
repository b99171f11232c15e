import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:net'
import { principals as platformPrincipals } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { createSealer, type Store } from '@strongroom/platform'
import { decodeJwt, exportJWK, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { testContext, testService } from '../testing.ts'

const issuer = 'https://token.actions.example'
const claims = { iss: issuer, sub: 'repo:me/it:ref:refs/heads/main', aud: 'api://AzureADTokenExchange' }
const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana'
const credential = { resourceId, name: 'actions', issuer, subject: claims.sub, audience: claims.aud }
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const start = Date.parse('2026-03-01T00:00:00Z')

interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what the wire answers
  body: any
}

/** An identity service with one user-assigned identity, and an external issuer. */
async function open(store: Store, o: { realIssuers?: true } = {}) {
  let now = start
  const context = await testContext({ clock: { now: () => new Date(now) } })
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256' }
  const service = await testService({
    ...context,
    storeUrl: store.url,
    storeService: store.service,
    sealer: createSealer(new Uint8Array(32)),
    ...(o.realIssuers !== true && {
      fetchJson: async (url: string) =>
        url.endsWith('/keys') ? { keys: [jwk] } : { issuer: new URL(url).origin, jwks_uri: `${issuer}/keys` },
    }),
  })
  const { tenantId } = context.installation
  const { app } = service.hosts[0]!
  const form = async (fields: Record<string, string>): Promise<Answer> => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const payload = new URLSearchParams({ grant_type: 'client_credentials', ...fields }).toString()
    const reply = await app.inject({ method: 'POST', url: `/${tenantId}/oauth2/v2.0/token`, headers, payload })
    return { status: reply.statusCode, body: reply.json() }
  }
  const { appId } = await service.setPrincipal({ ...platformPrincipals.controlPlane, secret: 'in memory' })
  const scope = 'https://login.strongroom.internal/.default'
  const asControlPlane = (await form({ client_id: appId, client_secret: 'in memory', scope })).body
    .access_token as string
  const send = async (
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    payload: object | undefined,
    token: string = asControlPlane,
  ): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}` }
    const url = `/${tenantId}/managedIdentities${path}`
    const reply = await app.inject({ method, url, headers, ...(payload !== undefined && { payload }) })
    return { status: reply.statusCode, body: reply.body === '' ? undefined : reply.json() }
  }
  const identity = (await send('PUT', '', { resourceId })).body as { clientId: string; principalId: string }
  return {
    service,
    send,
    identity,
    later: (ms: number) => void (now += ms),
    token: async (change: object = {}, key = pair.privateKey): Promise<string> =>
      await new SignJWT({ exp: now / 1000 + 600, ...claims, ...change })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .sign(key),
    signIn: async (assertion: string, clientId = identity.clientId): Promise<Answer> =>
      await form({
        scope: 'https://management.azure.com//.default',
        client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
  }
}

const path = '/federatedCredentials'
const listPath = `${path}?resourceId=${encodeURIComponent(resourceId)}`

describeStores('federated credentials of a managed identity', (store) => {
  it('let a token of the issuer, subject and audience sign in as the identity, until they are gone', async () => {
    const { send, signIn, token, identity, service } = await open(await store())
    expect((await signIn(await token())).status).toBe(401)
    expect((await send('PUT', path, credential)).body).toEqual({
      name: 'actions',
      issuer,
      subject: claims.sub,
      audience: claims.aud,
    })
    const signedIn = await signIn(await token())
    expect(decodeJwt(signedIn.body.access_token as string)).toMatchObject({ oid: identity.principalId, idtyp: 'app' })
    await service.verifier.verify(signedIn.body.access_token as string, ['https://management.azure.com/'])

    // One of the same name is changed, and the old subject is no longer accepted.
    await send('PUT', path, { ...credential, name: 'ACTIONS', subject: 'another' })
    expect((await send('GET', listPath, undefined)).body.value).toMatchObject([{ name: 'actions', subject: 'another' }])
    expect((await signIn(await token())).status).toBe(401)
    expect((await signIn(await token({ sub: 'another' }))).status).toBe(200)
    expect((await send('DELETE', path, { resourceId, name: 'actions' })).status).toBe(204)
    expect((await send('DELETE', path, { resourceId, name: 'actions' })).status).toBe(204)
    expect((await signIn(await token({ sub: 'another' }))).status).toBe(401)

    // An identity recreated under its name is another, with which nobody was federated.
    await send('PUT', path, credential)
    await send('DELETE', '', { resourceId })
    const again = (await send('PUT', '', { resourceId })).body as { clientId: string }
    expect((await send('GET', listPath, undefined)).body.value).toEqual([])
    expect((await signIn(await token(), again.clientId)).status).toBe(401)
    expect((await signIn(await token(), identity.clientId)).status).toBe(400)
  })

  it('take no token of another issuer, subject, audience or key, none that is over, and none for another identity', async () => {
    const { send, signIn, token, later } = await open(await store())
    await send('PUT', path, credential)
    for (const change of [
      { iss: 'https://evil.example' },
      { iss: `${issuer}/` },
      { sub: 'repo:me/it:pull_request' },
      { sub: claims.sub.toUpperCase() },
      { aud: 'api://other' },
      { exp: start / 1000 - 61 },
      { exp: undefined },
      { nbf: start / 1000 + 600 },
    ])
      expect((await signIn(await token(change))).status, JSON.stringify(change)).toBe(401)
    expect((await signIn(await token({}, other.privateKey))).status).toBe(401)
    const ben = (await send('PUT', '', { resourceId: resourceId.replace('/ana', '/ben') })).body as { clientId: string }
    expect((await signIn(await token(), ben.clientId)).status).toBe(401)
    const captured = await token()
    expect((await signIn(captured)).status).toBe(200)
    later(661_000)
    expect((await signIn(captured)).status).toBe(401)
  })

  it('are written for user-assigned identities, by the control plane alone, 20 at most and none twice', async () => {
    const { send, service } = await open(await store())
    const owner = await service.ownerToken('https://login.strongroom.internal')
    for (const [method, where, body] of [
      ['GET', listPath, undefined],
      ['PUT', path, credential],
      ['DELETE', path, { resourceId, name: 'actions' }],
    ] as const)
      expect((await send(method, where, body, owner)).status, method).toBe(403)
    // Nobody outside a VM can take on its own identity.
    const vm = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm'
    await send('PUT', '', { resourceId: vm })
    expect((await send('PUT', path, { ...credential, resourceId: vm })).body.error.code).toBe('ManagedIdentityNotFound')
    expect((await send('PUT', path, { ...credential, issuer: 'http://x' })).status).toBe(400)

    const made = await Promise.all(
      Array.from(
        { length: 24 },
        async (_, n) => await send('PUT', path, { ...credential, name: `actions${n}`, subject: `s${n}` }),
      ),
    )
    expect(made.filter(({ status }) => status === 200)).toHaveLength(20)
    expect(made.find(({ status }) => status !== 200)?.body.error.code).toBe('TooManyCredentials')
    const { value } = (await send('GET', listPath, undefined)).body as { value: { name: string; subject: string }[] }
    const [first, second] = value
    const clash = await send('PUT', path, { ...credential, name: first!.name, subject: second!.subject })
    expect([clash.status, clash.body.error.code]).toEqual([409, 'Request_MultipleObjectsWithSameKeyValue'])
  })

  it('of an issuer beside the machine are refused before it is asked (attack W26)', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections += 1
      socket.destroy()
    })
    await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
    try {
      const { port } = server.address() as { port: number }
      const { send, signIn, token, later, service, identity } = await open(await store(), { realIssuers: true })
      for (const [n, host] of ['localhost', '127.0.0.1', '2130706433', '[::ffff:127.0.0.1]'].entries()) {
        const beside = `https://${host}:${port}`
        await send('PUT', path, { ...credential, name: `inner${n}`, issuer: beside })
        const refused = await signIn(await token({ iss: beside }))
        expect([refused.status, refused.body.error_description], host).toEqual([
          401,
          expect.stringContaining('no public address'),
        ])
        later(11_000)
      }
      expect(connections).toBe(0)
      // The owner may name such an issuer for an application.
      const graph = async (url: string, payload: object): Promise<Answer['body']> => {
        const authorization = `Bearer ${await service.ownerToken('https://graph.strongroom.internal/')}`
        return (await service.hosts[1]!.app.inject({ method: 'POST', url, headers: { authorization }, payload })).json()
      }
      const { appId } = await graph('/v1.0/applications', { displayName: 'robot' })
      const beside = `https://localhost:${port}`
      await graph(`/v1.0/applications/${appId}/federatedIdentityCredentials`, {
        name: 'inner',
        issuer: beside,
        subject: claims.sub,
        audiences: [claims.aud],
      })
      expect((await signIn(await token({ iss: beside }), appId as string)).status).toBe(401)
      expect(connections).toBe(1)
      expect(identity.clientId).not.toBe(appId)
    } finally {
      server.close()
    }
  })
})
