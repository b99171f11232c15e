import { principals as platformPrincipals } from '@strongroom/contract'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { IdentityService } from './service.ts'
import { testContext, testService } from './testing.ts'

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
  it('are made by the control plane and give the machine tokens in the name of the resource', async () => {
    const { send, tokenOf, tenantId, service } = await open()
    const [controlPlane, machine] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const made = await send('PUT', '', controlPlane, { resourceId, displayName: 'vm' })
    expect(made).toMatchObject({ status: 200, body: { tenantId } })
    expect((await send('PUT', '', controlPlane, { resourceId, displayName: 'vm' })).body).toEqual(made.body)
    const vault = 'https://vault.azure.net'
    const token = await send('POST', '/token', machine, {
      resourceId: resourceId.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions'),
      audience: vault,
    })
    expect(token.body).toMatchObject({ clientId: made.body.clientId, objectId: made.body.principalId, expiresIn: 3600 })
    expect(decodeJwt(token.body.accessToken as string)).toMatchObject({ aud: vault, oid: made.body.principalId })
    const caller = await service.verifier.verify(token.body.accessToken as string, [vault])
    expect(caller.objectId).toBe(made.body.principalId)
    expect((await send('DELETE', '', controlPlane, { resourceId })).status).toBe(204)
    expect((await send('POST', '/token', machine, { resourceId, audience: vault })).body.error.code).toBe(
      'ManagedIdentityNotFound',
    )
  })

  it('are for the platform’s own principals alone, each for its part', async () => {
    const { send, tokenOf, service } = await open()
    const owner = await service.ownerToken(audience)
    const [controlPlane, machine] = [await tokenOf('controlPlane'), await tokenOf('orchestrator')]
    const body = { resourceId, audience: 'https://vault.azure.net' }
    for (const [method, path, right] of [
      ['PUT', '', controlPlane],
      ['DELETE', '', controlPlane],
      ['POST', '/token', machine],
    ] as const) {
      for (const token of [owner, controlPlane, machine].filter((each) => each !== right))
        expect((await send(method, path, token, body)).status, method).toBe(403)
      expect((await send(method, path, undefined, body)).status, method).toBe(401)
      expect((await send(method, path, `${right}x`, body)).status, method).toBe(401)
      expect((await send(method, path, await service.ownerToken('https://vault.azure.net'), body)).status).toBe(401)
    }
  })

  it('refuse a resource or an audience of another form', async () => {
    const { send, tokenOf } = await open()
    const machine = await tokenOf('orchestrator')
    for (const body of [{}, { resourceId: 'vm' }, { resourceId }, { resourceId, audience: 'a b' }, { resourceId: 7 }])
      expect((await send('POST', '/token', machine, body)).body.error.code).toBe('InvalidRequestContent')
  })
})
