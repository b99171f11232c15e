import { principals } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { group, subscriptionId } from '../../testing/test-plane.ts'

const one = `${group}/providers/Microsoft.Attestation/attestationProviders/alpha`
const reader = '0f2a9f3e-0000-4000-8000-00000000dddd'

describe('attestation providers as resources', () => {
  let plane: Awaited<ReturnType<typeof openSqlitePlane>>
  beforeAll(async () => {
    plane = await openSqlitePlane()
    await plane.send('PUT', group, { location: 'westeurope' })
  })
  afterAll(() => plane?.close())

  it('show the provider that a region shares, and refuse a region that there is not', async () => {
    const { body } = await plane.send(
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Attestation/Locations/West%20Europe/defaultProvider`,
    )
    expect(body).toMatchObject({
      name: 'sharedweu',
      properties: { trustModel: 'AAD', status: 'Ready', attestUri: 'https://sharedweu.weu.attest.strongroom.internal' },
    })
    const none = `/subscriptions/${subscriptionId}/providers/Microsoft.Attestation/locations/atlantis/defaultProvider`
    expect((await plane.send('GET', none)).body.error.code).toBe('LocationNotAvailableForResourceType')
  })

  it('are made once, found again, tagged and deleted with what they are at the attestation service', async () => {
    const made = await plane.send('PUT', one, { location: 'westeurope', properties: {} })
    expect(made.status).toBe(201)
    expect(made.body.properties).toMatchObject({
      trustModel: 'AAD',
      attestUri: 'https://alpha.weu.attest.strongroom.internal',
    })
    expect((await plane.send('PUT', one, { location: 'westeurope', properties: {}, tags: { a: 'b' } })).status).toBe(
      200,
    )
    expect((await plane.send('GET', one)).body.tags).toEqual({ a: 'b' })
    expect((await plane.send('POST', `${one}/rotateKey`)).body).toEqual({ kid: 'new' })
    expect((await plane.send('DELETE', one)).status).toBe(200)
    expect(plane.wire.providers.size).toBe(0)
    expect((await plane.send('DELETE', one)).status).toBe(204)
    expect((await plane.send('GET', one)).status).toBe(404)
  })

  it('keep their region and signers, and refuse settings that would be taken and forgotten', async () => {
    await plane.send('PUT', one, { location: 'westeurope', properties: {} })
    const keys = [{ kty: 'RSA', x5c: ['MII'] }]
    const changed = await plane.send('PUT', one, {
      location: 'westeurope',
      properties: { policySigningCertificates: { keys } },
    })
    expect(changed).toMatchObject({ status: 409, body: { error: { code: 'PropertyChangeNotAllowed' } } })
    for (const properties of [{ publicNetworkAccess: 'Disabled' }, { tpmAttestationAuthentication: 'Enabled' }])
      expect((await plane.send('PATCH', one, { properties })).body.error.code).toBe('NotOffered')
    const empty = { policySigningCertificates: { keys: [{ kty: 'RSA' }] } }
    expect((await plane.send('PUT', `${one}2`, { location: 'westeurope', properties: empty })).body.error.code).toBe(
      'InvalidParameter',
    )
  })

  it('do not share a name across resource groups', async () => {
    const other = group.replace(/rg1$/, 'rg2')
    await plane.send('PUT', other, { location: 'westeurope' })
    const taken = await plane.send('PUT', one.replace(group, other), { location: 'westeurope', properties: {} })
    expect(taken).toMatchObject({ status: 409, body: { error: { code: 'NameNotAvailable' } } })
    expect((await plane.send('GET', one.replace(group, other))).status).toBe(404)
  })

  it('answer the attestation service alone who has which right, and nobody any right at what is gone', async () => {
    await plane.send('PUT', one, { location: 'westeurope', properties: {} })
    const ask = async (action: string, as: string = principals.attestation.appId, path = one): Promise<unknown> =>
      (
        await plane.send(
          'POST',
          `${path}/providers/Strongroom.Authorization/checkAccess`,
          { principalId: reader, action: `Microsoft.Attestation/attestationProviders/attestation/${action}` },
          { as },
        )
      ).body
    expect(await ask('read')).toEqual({ allowed: false })
    const assignment = `${one}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
    const roleDefinitionId =
      `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/` +
      'fd1bd22b-8476-40bc-a0bc-69b95687b9f3'
    const given = await plane.send('PUT', assignment, { properties: { roleDefinitionId, principalId: reader } })
    expect(given.status).toBe(201)
    expect(await ask('read')).toEqual({ allowed: true })
    expect(await ask('write')).toEqual({ allowed: false })
    expect(await ask('read', reader)).toMatchObject({ error: { code: 'AuthorizationFailed' } })
    expect(await ask('read', undefined, `${one}9`)).toEqual({ allowed: false })
    await plane.send('DELETE', assignment)
    expect(await ask('read')).toEqual({ allowed: false })
  })

  it('go with their group', async () => {
    expect(plane.wire.providers.size).toBe(1)
    const { operation } = await plane.run('DELETE', group)
    expect(operation.status).toBe('Succeeded')
    expect(plane.wire.providers.size).toBe(0)
  })
})
