import { ServiceError } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spec, tenantId, TestEndpoints, type Answer, type Call } from './testing/test-endpoints.ts'

let endpoints: TestEndpoints
beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
afterAll(async () => await endpoints.close())
const send = (o: Call): Promise<Answer> => endpoints.send(o)

describe('/metadata/identity/oauth2/token', () => {
  const path = '/metadata/identity/oauth2/token/?api-version=2018-02-01'

  it('gives a token of the VM’s identity, fetched as the host for this VM alone', async () => {
    endpoints.identity = { clientId: 'c1', objectId: 'o1' }
    const { status, json } = await send({ path: `${path}&resource=https%3A%2F%2Fvault.azure.net` })
    expect(status).toBe(200)
    expect(json).toEqual({
      access_token: 'eyJ.token',
      client_id: 'c1',
      expires_in: '3600',
      expires_on: '1800003600',
      ext_expires_in: '3600',
      not_before: '1800000000',
      resource: 'https://vault.azure.net',
      token_type: 'Bearer',
    })
    expect(endpoints.asked.at(-1)).toMatchObject({
      url: `https://login.strongroom.internal/${tenantId}/managedIdentities/token`,
      token: 'orchestrator for https://login.strongroom.internal',
      body: { resourceId: spec.resourceId, audience: 'https://vault.azure.net' },
    })
  })

  it('asks the directory for the identity that the guest names', async () => {
    endpoints.identity = { clientId: 'c1', objectId: 'o1' }
    const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana'
    for (const [query, choice] of [
      ['client_id=c1', { clientId: 'c1' }],
      ['object_id=o1', { objectId: 'o1' }],
      [`msi_res_id=${id}`, { identityId: id }],
      [`mi_res_id=${encodeURIComponent(id)}`, { identityId: id }],
      ['client_id=c1&object_id=o1', { clientId: 'c1', objectId: 'o1' }],
    ] as const) {
      expect((await send({ path: `${path}&resource=r&${query}` })).status, query).toBe(200)
      // Always the VM's own id: the directory refuses identities that are not assigned to it.
      expect(endpoints.asked.at(-1)?.body, query).toEqual({ ...choice, resourceId: spec.resourceId, audience: 'r' })
    }
  })

  it('answers in OAuth’s shape, with Azure’s words', async () => {
    endpoints.identity = undefined
    const ask = async (query: string): Promise<unknown> => {
      const { status, json } = await send({ path: `${path}&${query}` })
      return [status, json.error, json.error_description]
    }
    expect(await ask('resource=https://vault.azure.net')).toEqual([400, 'invalid_request', 'Identity not found'])
    const asked = endpoints.asked.length
    expect(await ask('resource=r&client_id=c1&client_id=c1')).toEqual([400, 'invalid_request', 'Identity not found'])
    expect(endpoints.asked.length).toBe(asked)
    endpoints.refusal = new ServiceError({ code: 'ManagedIdentityAmbiguous', message: 'several' })
    expect(await ask('resource=r')).toEqual([
      400,
      'invalid_request',
      'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
    ])
    const missing = await send({ path })
    expect(missing.json.error_description).toBe("Required query variable 'resource' is missing")
    expect((await send({ path: `${path}&resource=a%20b` })).json.error).toBe('invalid_resource')
  })
})
