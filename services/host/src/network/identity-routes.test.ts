import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spec, tenantId, TestEndpoints, type Answer, type Call } from './test-endpoints.ts'

let endpoints: TestEndpoints
beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
afterAll(async () => await endpoints.close())
const send = (o: Call): Promise<Answer> => endpoints.send(o)

describe('/metadata/identity/oauth2/token', () => {
  const path = '/metadata/identity/oauth2/token/?api-version=2018-02-01'

  it('gives a token of the VM’s identity, fetched as the machine for this VM alone', async () => {
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

  it('answers in OAuth’s shape where there is no identity, or another is asked for', async () => {
    endpoints.identity = undefined
    const none = await send({ path: `${path}&resource=https://vault.azure.net` })
    expect([none.status, none.json]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'Identity not found' },
    ])
    endpoints.identity = { clientId: 'c1', objectId: 'o1' }
    expect((await send({ path: `${path}&resource=r&client_id=C1&object_id=o1` })).status).toBe(200)
    for (const other of ['client_id=c2', 'object_id=o2', 'msi_res_id=/subscriptions/s', 'client_id=c1&client_id=c1']) {
      const refused = await send({ path: `${path}&resource=r&${other}` })
      expect(refused.json, other).toEqual({ error: 'invalid_request', error_description: 'Identity not found' })
    }
    const missing = await send({ path })
    expect(missing.json.error_description).toBe("Required query variable 'resource' is missing")
    expect((await send({ path: `${path}&resource=a%20b` })).json.error).toBe('invalid_resource')
  })
})
