import { loginHost, managementAudience, managementHost } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

const exchangeAudience = 'api://AzureADTokenExchange'
let installation: TestInstallation
let group: string

beforeAll(async () => {
  installation = await startTestInstallation()
  group = `${installation.subscription}/resourceGroups/rg`
  await installation.arm('PUT', group, { location: 'westeurope' })
}, 120_000)
afterAll(async () => await installation.close())

describe('federated credentials of a user-assigned identity', () => {
  it('are resources within it, and let an outer token act by its roles', async () => {
    const { wire, tenantId, owner } = installation
    const arm = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
      await installation.arm<T>(method, path, body)
    const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana`
    const { properties } = await arm<{ properties: { clientId: string; principalId: string } }>('PUT', identity, {
      location: 'westeurope',
    })
    const one = `${identity}/federatedIdentityCredentials/actions`
    const issuer = `https://${loginHost}/${tenantId}/v2.0`
    const wanted = { issuer, subject: await objectIdOf(owner), audiences: [exchangeAudience] }
    const made = await arm<object>('PUT', one, { properties: wanted })
    const type = 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials'
    expect(made).toEqual({ id: one, name: 'actions', type, properties: wanted })
    expect(await arm('GET', one.replace('/actions', '/ACTIONS'))).toEqual(made)
    expect(await arm('GET', `${identity}/federatedIdentityCredentials`)).toEqual({ value: [made] })
    await expect(
      arm('PUT', `${identity}/federatedIdentityCredentials/second`, { properties: wanted }),
    ).rejects.toMatchObject({ code: 'Conflict' })
    for (const change of [{ issuer: 'http://x' }, { subject: '' }, { audiences: ['a', 'b'] }, { audiences: [] }])
      await expect(arm('PUT', one, { properties: { ...wanted, ...change } })).rejects.toMatchObject({
        code: 'InvalidParameter',
      })
    const expression = { claimsMatchingExpression: { languageVersion: 1, value: "claims['sub'] matches '*'" } }
    await expect(arm('PUT', one, { properties: { ...wanted, ...expression } })).rejects.toMatchObject({
      code: 'NotSupported',
    })

    const signIn = async (assertion: string): Promise<string> => {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        scope: `${managementAudience}/.default`,
        client_id: properties.clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      })
      const { body } = await wire.request<{ access_token: string }>({
        method: 'POST',
        url: `https://${loginHost}/${tenantId}/oauth2/v2.0/token`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      })
      return body.access_token
    }
    const { token: outer } = await owner.getToken(`${exchangeAudience}/.default`)
    const token = await signIn(outer)
    const url = `https://${managementHost}${group}?api-version=2024-11-01`
    await expect(wire.request({ method: 'GET', url, token })).rejects.toMatchObject({ code: 'AuthorizationFailed' })
    const reader = `${installation.subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`
    const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
    const role = { roleDefinitionId: reader, principalId: properties.principalId, principalType: 'ServicePrincipal' }
    await arm('PUT', assignment, { properties: role })
    expect((await wire.request({ method: 'GET', url, token })).status).toBe(200)
    // A reader of the identity cannot decide who acts as it.
    const put = {
      method: 'PUT',
      url: `https://${managementHost}${one}?api-version=2024-11-30`,
      token,
      body: { properties: wanted },
    }
    await expect(wire.request(put)).rejects.toMatchObject({ code: 'AuthorizationFailed' })

    await arm('DELETE', one)
    await expect(signIn(outer)).rejects.toThrow()
    await expect(arm('GET', one)).rejects.toMatchObject({ code: 'NotFound' })
    await arm('DELETE', identity)
    await expect(arm('PUT', one, { properties: wanted })).rejects.toMatchObject({ code: 'ResourceNotFound' })
  }, 60_000)
})
