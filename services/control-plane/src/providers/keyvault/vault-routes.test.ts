import { onBehalfOfHeader } from '@strongroom/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ownerId, tenantId, type Loose } from '../../testing/ids.ts'
import {
  alice,
  assignmentAt,
  bob,
  definition,
  giving,
  group,
  id,
  other,
  problemsOf,
  roleAt,
  senderTo,
  subscription,
} from '../../testing/role-requests.ts'
import { openVaultRights, vaultAt, type VaultRights } from '../../testing/vault-rights.ts'
import type { Plane } from '../../types/plane.ts'
import { ResourceTypes } from '../../types/registry.ts'
import { accessPolicies, vaults } from './vault-routes.ts'

let rights: VaultRights
beforeAll(async () => void (rights = await openVaultRights()))
afterAll(async () => await rights.close())
const send = senderTo(() => rights)

/** Each test has its own vault. */
let [number, name, kv] = [0, '', '']
beforeEach(() => {
  number += 1
  name = `kv${number}`
  kv = vaultAt(`Kv${number}`)
  rights.wire.calls.length = 0
})
const permissions = { keys: ['get'], secrets: [], certificates: [], storage: [] }
const policy = (objectId: string, o: object = permissions): object => ({ tenantId, objectId, permissions: o })
const request = (properties: object = {}, o: object = {}): Loose => ({
  tags: { a: 'b' },
  properties: { tenantId, sku: { family: 'A', name: 'premium' }, ...properties },
  ...o,
})
/** The key service's record of a vault. */
const told = (of = name): Loose => rights.wire.vaults.live.get(of)
/** A role with only these actions, for alice at the group. */
const allow = async (...actions: string[]): Promise<void> => {
  const permissions = [{ actions }]
  await send('PUT', roleAt(group, 1), definition({ roleName: 'Some', permissions }))
  await send('PUT', assignmentAt(group, 1), giving(id(1)))
}

describe('a name for a vault', () => {
  const path = `${subscription}/providers/Microsoft.KeyVault/checkNameAvailability`
  const asked = { name: 'Asked', type: 'Microsoft.KeyVault/vaults' }

  it('is asked of the key service, by anyone who may', async () => {
    expect((await send('POST', path, asked)).body).toEqual({ nameAvailable: true })
    expect((await send('POST', path, { name: 'Asked' })).body).toEqual({ nameAvailable: true })
    await send('PUT', vaultAt('asked'), request())
    expect((await send('POST', path, asked)).body).toEqual({ nameAvailable: false })
    await send('POST', path, {})
    expect(rights.wire.calls.at(-1)!.path).toBe('/availability/')
    for (const [actions, status] of [
      [['Microsoft.KeyVault/vaults/read'], 403],
      [['Microsoft.KeyVault/checkNameAvailability/read'], 200],
    ] as const) {
      const permissions = [{ actions }]
      await send('PUT', roleAt(subscription, 2), definition({ permissions, assignableScopes: [subscription] }))
      await send('PUT', assignmentAt(subscription, 2), giving(id(2)))
      expect((await send('POST', path, asked, alice)).status).toBe(status)
    }
  })

  it('is of a vault, and of nothing else', async () => {
    expect(problemsOf(await send('POST', path, { name: 'x', type: 'Microsoft.KeyVault/other' }))).toEqual([
      [400, 'BadRequest', 'type'],
    ])
    expect(problemsOf(await send('POST', path, { name: 7 }))).toEqual([[400, 'InvalidRequestContent', 'name']])
  })
})

describe('a vault', () => {
  it('is made where its group is, or where it is said, as the key service is told', async () => {
    const made = await send('PUT', kv, request({ createMode: 'default', enableRbacAuthorization: true }))
    expect(made).toMatchObject({
      status: 201,
      body: {
        id: kv,
        name: `Kv${number}`,
        type: 'Microsoft.KeyVault/vaults',
        location: 'westeurope',
        tags: { a: 'b' },
        properties: { vaultUri: `https://${name}.vault.strongroom.internal/`, enableRbacAuthorization: true },
      },
    })
    expect(told()).toMatchObject({ resourceId: kv, location: 'westeurope', sku: 'premium', grants: [] })
    expect(rights.wire.calls.at(-1)!.headers[onBehalfOfHeader]).toBe(`${ownerId} app of ${ownerId}`)
    await send('PUT', vaultAt('elsewhere'), request({}, { location: 'North Europe' }))
    expect(told('elsewhere')).toMatchObject({ location: 'northeurope', enableRbacAuthorization: false })
    expect((await send('GET', kv)).body).toEqual(made.body)
  })

  it.each<[string, object, unknown[]]>([
    ['nowhere', request({}, { location: 'mars' }), [400, 'FaqRule', 'S24']],
    ['in another mode', request({ createMode: 'purge' }), [400, 'BadRequest', 'properties.createMode']],
    ['of another tenant', request({ tenantId: alice }), [400, 'BadRequest', 'properties.tenantId']],
    ['from a deleted one nowhere', request({ createMode: 'recover' }, { location: 'mars' }), [400, 'FaqRule', 'S24']],
  ])('is not made %s', async (_where, body, expected) => {
    expect(problemsOf(await send('PUT', kv, body))).toContainEqual(expected)
    expect(rights.wire.calls).toEqual([])
  })

  it('is made once of two requests at one moment', async () => {
    const replies = await Promise.all([send('PUT', kv, request()), send('PUT', kv, request())])
    expect(new Set(replies.map(({ status, code }) => `${status} ${code}`))).toEqual(
      new Set(['201 undefined', '409 Conflict']),
    )
    expect(replies.find(({ status }) => status === 409)!.error.message).toContain(`vault 'Kv${number}'`)
  })

  it('stays where it is, by a PUT as by a PATCH, and keeps what neither names', async () => {
    await send('PUT', kv, request({ enableRbacAuthorization: true, accessPolicies: [policy(bob)] }))
    expect(await send('PUT', kv, request({}, { location: 'northeurope' }))).toMatchObject({
      status: 409,
      code: 'InvalidResourceLocation',
    })
    expect((await send('PUT', kv, request({}, { tags: { c: 'd' } }))).body).toMatchObject({
      location: 'westeurope',
      tags: { c: 'd' },
      properties: { enableRbacAuthorization: true, accessPolicies: [] },
    })
    await send('PATCH', kv, { properties: { accessPolicies: [policy(bob)] } })
    expect(await send('PATCH', kv, { location: 'northeurope' })).toMatchObject({
      status: 409,
      code: 'PropertyChangeNotAllowed',
    })
    const patched = await send('PATCH', kv, { properties: { enabledForDeployment: true } })
    expect(patched).toMatchObject({
      status: 200,
      body: { location: 'westeurope', tags: { c: 'd' }, properties: { accessPolicies: [{ objectId: bob }] } },
    })
    expect(told()).toMatchObject({ resource: { enabledForDeployment: true }, accessPolicies: [{ objectId: bob }] })
    expect(problemsOf(await send('PATCH', kv, { properties: { tenantId: alice } }))).toEqual([
      [400, 'BadRequest', 'properties.tenantId'],
    ])
  })

  it.each([true, false])(
    'has its permission model by roles (%s) changed by anyone who may only give roles',
    async (model) => {
      const made = { enableRbacAuthorization: model }
      const changed = { enableRbacAuthorization: !model }
      await send('PUT', kv, request(made))
      await allow('Microsoft.KeyVault/vaults/write')
      const before = told()
      for (const [method, body] of [
        ['PATCH', { properties: changed }],
        ['PUT', request(changed)],
      ] as const) {
        const refused = await send(method, kv, body, alice)
        expect([refused.status, refused.code, refused.error.target]).toEqual([
          403,
          'InsufficientPermissions',
          'properties.enableRbacAuthorization',
        ])
        expect([refused.error.expected, refused.error.found]).toEqual([String(model), String(!model)])
        expect(told()).toEqual(before)
      }
      // He may change what leaves the model unchanged, explicitly or by omission.
      for (const properties of [made, {}]) expect((await send('PATCH', kv, { properties }, alice)).status).toBe(200)
      await allow('Microsoft.KeyVault/vaults/write', 'Microsoft.Authorization/roleAssignments/write')
      expect((await send('PATCH', kv, { properties: changed }, alice)).status).toBe(200)
      expect(told()).toMatchObject(changed)
    },
  )

  it('goes to where deleted ones are, and its row stays while the key service does not answer', async () => {
    await send('PUT', kv, request())
    rights.wire.away = /DELETE/
    expect((await send('DELETE', kv)).status).toBe(503)
    expect((await send('GET', kv)).status).toBe(200)
    rights.wire.away = undefined
    expect((await send('DELETE', kv)).status).toBe(200)
    expect(rights.wire.calls.at(-1)!.headers[onBehalfOfHeader]).toBe(`${ownerId} app of ${ownerId}`)
    expect([told(), rights.wire.vaults.deleted.has(name)]).toEqual([undefined, true])
    const deleted = await send('GET', `${subscription}/providers/Microsoft.KeyVault/deletedVaults`)
    expect(deleted.body.value.map((each: Loose) => each.name)).toEqual([name])
  })

  it('is given back as it was, under its own id, whatever else is asked', async () => {
    await send('PUT', kv, request({ enableRbacAuthorization: true, enablePurgeProtection: true }))
    await send('DELETE', kv)
    const recover = request({ createMode: 'recover', enableRbacAuthorization: false, sku: { name: 'standard' } })
    for (const [path, found] of [
      [vaultAt(name, other), kv],
      [vaultAt('none'), 'none'],
    ] as const) {
      const refused = await send('PUT', path, recover)
      expect([refused.status, refused.code, refused.error.expected, refused.error.found]).toEqual([
        404,
        'DeletedVaultNotFound',
        `a deleted vault with the id ${path}`,
        found,
      ])
    }
    expect(rights.wire.vaults.deleted.has(name)).toBe(true)
    const recovered = await send('PUT', vaultAt(name.toUpperCase()), { ...recover, location: 'northeurope', tags: {} })
    expect(recovered).toMatchObject({
      status: 200,
      body: {
        location: 'westeurope',
        tags: { a: 'b' },
        properties: { enableRbacAuthorization: true, enablePurgeProtection: true, sku: { name: 'premium' } },
      },
    })
    expect(rights.wire.calls.filter(({ path }) => path.endsWith('/recover'))).toMatchObject([
      { method: 'POST', headers: { [onBehalfOfHeader]: `${ownerId} app of ${ownerId}` } },
    ])
    // What only the key service stores is neither in the row nor sent again.
    const internal = (await rights.resources.get(kv)).internal
    for (const each of ['name', 'createdAt', 'deletionDate', 'scheduledPurgeDate']) {
      expect(internal).not.toHaveProperty(each)
      expect(rights.wire.calls.at(-1)!.body).not.toHaveProperty(each)
    }
    expect(told()).toMatchObject({ resourceId: vaultAt(name.toUpperCase()), enableRbacAuthorization: true })
  })

  it('is purged with the installation’s test data, but where it is protected', async () => {
    for (const [each, enablePurgeProtection] of [
      [name, false],
      ['protected', true],
    ] as const) {
      await send('PUT', vaultAt(each), request({ enablePurgeProtection }))
      await send('DELETE', vaultAt(each))
    }
    await vaults.purge!({ vaults: rights.client } as Plane)
    expect([...rights.wire.vaults.deleted.keys()]).toEqual(['protected'])
  })
})

it('vaults and their policies are two types of the provider, as its list shows them', () => {
  expect(new ResourceTypes([vaults, accessPolicies]).within('Microsoft.KeyVault')).toEqual([
    'vaults',
    'vaults/accessPolicies',
  ])
})

describe('access policies', () => {
  const at = (operation: string, vault = kv): string => `${vault}/accessPolicies/${operation}`
  const of = (...accessPolicies: object[]): object => ({ properties: { accessPolicies } })
  const held = (): unknown =>
    told().accessPolicies.map(({ objectId, permissions: p }: Loose) => [objectId, p.keys.join()])

  it('are added, replaced and removed, each as it is called', async () => {
    await send('PUT', kv, request())
    const added = await send('PUT', at('add'), of(policy(alice)))
    expect(added).toEqual({
      status: 200,
      body: {
        id: `${kv}/accessPolicies/`,
        type: 'Microsoft.KeyVault/vaults/accessPolicies',
        location: 'westeurope',
        properties: { accessPolicies: [policy(alice)] },
      },
    })
    expect(rights.wire.calls.at(-1)!.headers[onBehalfOfHeader]).toBe(`${ownerId} app of ${ownerId}`)
    await send('PUT', at('ADD'), of(policy(alice, { keys: ['list'] }), policy(bob)))
    expect(held()).toEqual([
      [alice, 'get,list'],
      [bob, 'get'],
    ])
    await send('PUT', at('Replace'), of(policy(alice, { keys: ['sign'] })))
    expect(held()).toEqual([
      [bob, 'get'],
      [alice, 'sign'],
    ])
    await send('PUT', at('remove'), of(policy(bob)))
    expect(held()).toEqual([[alice, 'sign']])
    expect((await send('GET', kv)).body.properties).toMatchObject({
      accessPolicies: [{ objectId: alice }],
      sku: { name: 'premium' },
    })
  })

  it('are refused by what is wrong', async () => {
    await send('PUT', kv, request())
    const before = rights.wire.calls.length
    const unknown = await send('PUT', at('x'.repeat(50)), of(policy(alice)))
    expect([unknown.status, unknown.code, unknown.error.target, unknown.error.expected, unknown.error.found]).toEqual([
      400,
      'BadRequest',
      'operation',
      'add, replace or remove',
      'x'.repeat(40),
    ])
    expect(problemsOf(await send('PUT', at('add'), of(policy('me'))))).toEqual([
      [400, 'BadRequest', 'properties.accessPolicies[0].objectId'],
    ])
    expect((await send('PUT', at('add', vaultAt('none')), of(policy(alice)))).status).toBe(404)
    expect(rights.wire.calls).toHaveLength(before)
    // They have no resource routes: they are part of their vault.
    expect((await send('GET', at('add'))).code).toBe('HttpMethodNotAllowed')
    expect((await send('GET', `${kv}/accessPolicies`)).code).toBe('InvalidResourceType')
  })

  it('are written by anyone who may write them, and by nobody else', async () => {
    await send('PUT', kv, request())
    await allow('Microsoft.KeyVault/vaults/write')
    expect((await send('PUT', at('add'), of(policy(alice)), alice)).status).toBe(403)
    await allow('Microsoft.KeyVault/vaults/accessPolicies/write')
    expect((await send('PUT', at('add'), of(policy(alice)), alice)).status).toBe(200)
    expect((await send('PUT', kv, request(), alice)).status).toBe(403)
    expect((await send('GET', kv, undefined, bob)).status).toBe(403)
  })
})
