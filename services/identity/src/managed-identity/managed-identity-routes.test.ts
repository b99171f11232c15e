import { principals as platformPrincipals } from '@strongroom/contract'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { IdentityService } from '../service.ts'
import { testContext, testService } from '../testing.ts'

const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm'
const audience = 'https://login.strongroom.internal'

interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what the wire answers
  body: any
}

async function open(): Promise<{
  service: IdentityService
  tenantId: string
  tokenOf: (who: keyof typeof platformPrincipals) => Promise<string>
  send: (method: 'PUT' | 'DELETE' | 'POST', path: string, token: string | undefined, body: object) => Promise<Answer>
}> {
  const context = await testContext()
  const service = await testService(context)
  const { tenantId } = context.installation
  const { app } = service.hosts[0]!
  return {
    service,
    tenantId,
    tokenOf: async (who) => {
      const { appId } = await service.setPrincipal({ ...platformPrincipals[who], secret: 'in memory' })
      const payload = `grant_type=client_credentials&client_id=${appId}&client_secret=in+memory&scope=${audience}/.default`
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const reply = await app.inject({ method: 'POST', url: `/${tenantId}/oauth2/v2.0/token`, headers, payload })
      return reply.json<{ access_token: string }>().access_token
    },
    send: async (method, path, token, body) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const reply = await app.inject({ method, url: `/${tenantId}/managedIdentities${path}`, headers, payload: body })
      return { status: reply.statusCode, body: reply.body === '' ? undefined : reply.json() }
    },
  }
}

describe('managed identities', () => {
  it('are made by the control plane and give the host tokens in the name of the resource', async () => {
    const { send, tokenOf, tenantId, service } = await open()
    const [controlPlane, host] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const made = await send('PUT', '', controlPlane, { resourceId, displayName: 'vm' })
    expect(made).toMatchObject({ status: 200, body: { tenantId } })
    expect((await send('PUT', '', controlPlane, { resourceId, displayName: 'vm' })).body).toEqual(made.body)
    const vault = 'https://vault.azure.net'
    const token = await send('POST', '/token', host, {
      resourceId: resourceId.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions'),
      audience: vault,
    })
    expect(token.body).toMatchObject({ clientId: made.body.clientId, objectId: made.body.principalId, expiresIn: 3600 })
    expect(decodeJwt(token.body.accessToken as string)).toMatchObject({ aud: vault, oid: made.body.principalId })
    const caller = await service.verifier.verify(token.body.accessToken as string, [vault])
    expect(caller.objectId).toBe(made.body.principalId)
    expect((await send('DELETE', '', controlPlane, { resourceId })).status).toBe(204)
    expect((await send('POST', '/token', host, { resourceId, audience: vault })).body.error.code).toBe(
      'ManagedIdentityNotFound',
    )
  })

  it('are for the platform’s own principals alone, each for its part', async () => {
    const { send, tokenOf, service } = await open()
    const owner = await service.ownerToken(audience)
    const [controlPlane, host] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const body = { resourceId, audience: 'https://vault.azure.net' }
    for (const [method, path, right] of [
      ['PUT', '', controlPlane],
      ['DELETE', '', controlPlane],
      ['PUT', '/assignments', controlPlane],
      ['POST', '/token', host],
    ] as const) {
      for (const token of [owner, controlPlane, host].filter((each) => each !== right))
        expect((await send(method, path, token, body)).status, method).toBe(403)
      expect((await send(method, path, undefined, body)).status, method).toBe(401)
      expect((await send(method, path, `${right}x`, body)).status, method).toBe(401)
      expect((await send(method, path, await service.ownerToken('https://vault.azure.net'), body)).status).toBe(401)
    }
  })

  it('are given to another resource, which asks for a token of one of them, until they are gone', async () => {
    const { send, tokenOf } = await open()
    const [controlPlane, host] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const userPath = (name: string): string =>
      `/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
    const make = async (id: string): Promise<Answer['body']> =>
      (await send('PUT', '', controlPlane, { resourceId: id })).body
    const assign = async (...clientIds: string[]): Promise<number> =>
      (await send('PUT', '/assignments', controlPlane, { resourceId, clientIds })).status
    const ask = async (choice: object = {}): Promise<string> => {
      const { body } = await send('POST', '/token', host, {
        resourceId,
        audience: 'https://vault.azure.net',
        ...choice,
      })
      return body.error?.code ?? (decodeJwt(body.accessToken as string)['oid'] as string)
    }
    const [ana, ben, other] = [await make(userPath('ana')), await make(userPath('ben')), await make(userPath('other'))]
    expect(await assign(ana.clientId)).toBe(204)
    expect(await ask()).toBe(ana.principalId)
    await assign(ana.clientId, ben.clientId)
    expect(await ask()).toBe('ManagedIdentityAmbiguous')
    expect(await ask({ clientId: (ben.clientId as string).toUpperCase() })).toBe(ben.principalId)
    expect(await ask({ objectId: ana.principalId })).toBe(ana.principalId)
    expect(await ask({ identityId: userPath('BEN') })).toBe(ben.principalId)
    // All given values must match, and a resource gets only identities that it has.
    expect(await ask({ clientId: ana.clientId, objectId: ben.principalId })).toBe('ManagedIdentityNotFound')
    expect(await ask({ clientId: other.clientId })).toBe('ManagedIdentityNotFound')
    expect(await ask({ identityId: userPath('other') })).toBe('ManagedIdentityNotFound')

    const own = await make(resourceId)
    expect(await ask()).toBe(own.principalId)
    expect(await ask({ clientId: own.clientId })).toBe(own.principalId)
    // Its own identity is named by no resource.
    expect(await ask({ identityId: resourceId })).toBe('ManagedIdentityNotFound')

    await send('DELETE', '', controlPlane, { resourceId: userPath('ben') })
    expect((await make(userPath('ben'))).clientId).not.toBe(ben.clientId)
    expect(await ask({ identityId: userPath('ben') })).toBe('ManagedIdentityNotFound')
    await assign()
    expect(await ask({ clientId: ana.clientId })).toBe('ManagedIdentityNotFound')
    // Not one that signs in with a secret.
    await assign(platformPrincipals.controlPlane.appId)
    expect(await ask({ clientId: platformPrincipals.controlPlane.appId })).toBe('ManagedIdentityNotFound')
    const malformed = await send('PUT', '/assignments', controlPlane, { resourceId, clientIds: ['a'] })
    expect(malformed.body.error.code).toBe('InvalidRequestContent')
  })

  it('are acted as by the control plane in the name of who asked it; nobody else may name anybody', async () => {
    const { send, tokenOf } = await open()
    const [controlPlane, host] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const set = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/set'
    await send('PUT', '', controlPlane, { resourceId: set })
    const body = { resourceId: set, audience: 'https://vault.azure.net' }
    const claimsOf = (answer: Answer): Record<string, unknown> => decodeJwt(answer.body.accessToken as string)
    const askedBy = { objectId: 'alice', appId: 'az' }
    const named = await send('POST', '/token', controlPlane, { ...body, askedBy })
    expect(claimsOf(named)).toMatchObject({ 'x-strongroom-asked-by': 'alice az', oid: named.body.objectId })
    expect(claimsOf(await send('POST', '/token', controlPlane, body))).not.toHaveProperty('x-strongroom-asked-by')
    expect((await send('POST', '/token', host, { ...body, askedBy })).body.error.code).toBe('AuthorizationFailed')
    expect(claimsOf(await send('POST', '/token', host, body))).not.toHaveProperty('x-strongroom-asked-by')
    for (const odd of [
      null,
      'alice az',
      {},
      { objectId: 'a' },
      { objectId: 'a b', appId: 'c' },
      { ...askedBy, appId: 7 },
    ])
      expect((await send('POST', '/token', controlPlane, { ...body, askedBy: odd })).body.error.target).toBe('askedBy')
  })

  it('refuse a resource or an audience of another form', async () => {
    const { send, tokenOf } = await open()
    const host = await tokenOf('orchestrator')
    for (const body of [{}, { resourceId: 'vm' }, { resourceId }, { resourceId, audience: 'a b' }, { resourceId: 7 }])
      expect((await send('POST', '/token', host, body)).body.error.code).toBe('InvalidRequestContent')
  })
})
