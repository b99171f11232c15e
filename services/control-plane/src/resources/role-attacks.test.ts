import { systemClock } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Access } from '../arm/access.ts'
import { ResourceStore } from '../store/resources.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group, subscriptionId, tenantId, type Loose, type TestReply } from '../testing/test-plane.ts'

const attacker = '0f2a9f3e-0000-4000-8000-00000000a77a'
const accomplice = '0f2a9f3e-0000-4000-8000-00000000a77b'
const owner = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'
const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
const subscription = `/subscriptions/${subscriptionId}`
const other = `${subscription}/resourceGroups/other`
const authorization = 'providers/Microsoft.Authorization'
const id = (n: number): string => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`
const rolePath = (scope: string, n: number): string => `${scope}/${authorization}/roleDefinitions/${id(n)}`

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane()
  for (const path of [group, other]) await plane.send('PUT', path, { location: 'westeurope' })
  expect((await assign(group, owner, 1, attacker)).status).toBe(201)
})
afterAll(async () => await plane.close())

const role = (n: number, assignableScopes: string[], actions = ['*/read']): Loose => ({
  properties: { roleName: `Role ${n}`, permissions: [{ actions }], assignableScopes },
})
const assign = async (scope: string, roleId: string, n: number, principalId: string): Promise<TestReply> =>
  await plane.send('PUT', `${scope}/${authorization}/roleAssignments/${id(n)}`, {
    properties: { principalId, roleDefinitionId: `${subscription}/${authorization}/roleDefinitions/${roleId}` },
  })
const asAttacker = async (method: string, path: string, body?: object): Promise<[number, string | undefined]> => {
  const { status, body: answer } = await plane.send(method, path, body, { as: attacker })
  return [status, answer?.error?.code]
}
const actionsOf = async (n: number): Promise<unknown> =>
  (await plane.send('GET', rolePath(subscription, n))).body.properties.permissions[0].actions

describe('the owner of one resource group', () => {
  it('rewrites no role that may be given elsewhere, wherever he says that it will be given (attack W1)', async () => {
    await plane.send('PUT', rolePath(subscription, 10), role(10, [subscription]))
    await assign(subscription, id(10), 11, accomplice)
    const everything = role(10, [group], ['*'])
    for (const at of [group, subscription])
      expect(await asAttacker('PUT', rolePath(at, 10), everything)).toEqual([403, 'AuthorizationFailed'])
    expect(await actionsOf(10)).toEqual(['*/read'])
    expect((await plane.send('PUT', other, { location: 'westeurope' }, { as: accomplice })).status).toBe(403)
  })

  it('rewrites no role that a group beside his may give too (attack W1)', async () => {
    await plane.send('PUT', rolePath(subscription, 12), role(12, [group, other]))
    expect(await asAttacker('PUT', rolePath(group, 12), role(12, [group], ['*']))).toEqual([403, 'AuthorizationFailed'])
    expect(await asAttacker('DELETE', rolePath(group, 12))).toEqual([403, 'AuthorizationFailed'])
    expect(await actionsOf(12)).toEqual(['*/read'])
  })

  it('rewrites no role that somebody elsewhere has still, though it may be given there no more (attack W1)', async () => {
    await plane.send('PUT', rolePath(subscription, 13), role(13, [group, other]))
    await assign(other, id(13), 14, accomplice)
    expect((await plane.send('PUT', rolePath(subscription, 13), role(13, [group]))).status).toBe(201)
    expect(await asAttacker('PUT', rolePath(group, 13), role(13, [group], ['*']))).toEqual([403, 'AuthorizationFailed'])
    expect((await plane.send('DELETE', other, undefined, { as: accomplice })).status).toBe(403)
  })

  it('changes roles of his own group', async () => {
    expect(await asAttacker('PUT', rolePath(group, 15), role(15, [group]))).toEqual([201, undefined])
    expect(await asAttacker('PUT', rolePath(group, 15), role(15, [group], ['*']))).toEqual([201, undefined])
    expect(await asAttacker('DELETE', rolePath(group, 15))).toEqual([200, undefined])
  })

  it('is not let through by a right that was checked before another request widened the role (attack W1)', async () => {
    await plane.send('PUT', rolePath(subscription, 16), role(16, [group]))
    const access = new Access(new ResourceStore(plane.store, systemClock), systemClock, async () => [])
    const checked = await access.role(id(16))
    await plane.send('PUT', rolePath(subscription, 16), role(16, [subscription]))
    const late = access.putRole(undefined, { ...checked!, actions: ['*'] }, checked)
    await expect(late).rejects.toMatchObject({ status: 409, code: 'Conflict' })
    await expect(access.putRole(undefined, { ...checked!, actions: ['*'] }, undefined)).rejects.toThrow(/changed/)
    expect(await actionsOf(16)).toEqual(['*/read'])
  })
})

describe('a Contributor', () => {
  const vault = `${group}/providers/Microsoft.KeyVault/vaults/kv`
  const vaultBody = (properties: object): Loose => ({
    location: 'westeurope',
    properties: { tenantId, sku: { family: 'A', name: 'standard' }, ...properties },
  })
  const own = [{ tenantId, objectId: accomplice, permissions: { keys: ['all'] } }]
  const asContributor = async (method: string, path: string, body?: object): Promise<[number, string | undefined]> => {
    const { status, body: answer } = await plane.send(method, path, body, { as: accomplice })
    return [status, answer?.error?.code]
  }
  const model = (): unknown => plane.wire.vaults.live.get('kv')!.enableRbacAuthorization
  beforeAll(async () => {
    await assign(group, contributor, 20, accomplice)
    await plane.send('PUT', vault, vaultBody({ enableRbacAuthorization: true }))
  })

  it.each([
    ['PATCH', { properties: { enableRbacAuthorization: false, accessPolicies: own } }],
    ['PUT', vaultBody({ enableRbacAuthorization: false, accessPolicies: own })],
  ])('turns no vault of roles into one of access policies by %s (attack W2)', async (method, body) => {
    expect(await asContributor(method, vault, body)).toEqual([403, 'InsufficientPermissions'])
    expect(plane.wire.vaults.live.get('kv')).toMatchObject({ enableRbacAuthorization: true, accessPolicies: [] })
  })

  it('does not by leaving the model out of a PUT (attack W2)', async () => {
    expect(await asContributor('PUT', vault, vaultBody({ accessPolicies: own }))).toEqual([200, undefined])
    expect(model()).toBe(true)
  })

  it('does not by a deployment (attack W2)', async () => {
    const template = {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      resources: [
        {
          type: 'Microsoft.KeyVault/vaults',
          apiVersion: '2023-07-01',
          name: 'kv',
          ...vaultBody({ enableRbacAuthorization: false, accessPolicies: own }),
        },
      ],
    }
    const path = `${group}/providers/Microsoft.Resources/deployments/d`
    const reply = await plane.send('PUT', path, { properties: { mode: 'Incremental', template } }, { as: accomplice })
    expect(reply.status).toBe(201)
    const operation = await plane.follow(reply)
    expect(operation.status).toBe('Failed')
    expect(JSON.stringify(operation.error)).toContain('InsufficientPermissions')
    expect(model()).toBe(true)
  })

  it('does not by deleting and recovering it (attack W2)', async () => {
    expect((await asContributor('DELETE', vault))[0]).toBe(200)
    const recover = vaultBody({ createMode: 'recover', enableRbacAuthorization: false, accessPolicies: own })
    expect((await asContributor('PUT', vault, recover))[0]).toBe(200)
    expect(model()).toBe(true)
    // There is nothing to recover any more, and nothing to gain by leaving that out.
    expect(await asContributor('PUT', vault, recover)).toEqual([400, 'BadRequest'])
    const again = vaultBody({ enableRbacAuthorization: false, accessPolicies: own })
    expect(await asContributor('PUT', vault, again)).toEqual([403, 'InsufficientPermissions'])
    expect(model()).toBe(true)
  })

  it('does not by moving it (attack W2)', async () => {
    await assign(other, contributor, 21, accomplice)
    const move = { resources: [vault], targetResourceGroup: other }
    expect(await asContributor('POST', `${group}/moveResources`, move)).toEqual([403, 'LinkedAuthorizationFailed'])
    expect(model()).toBe(true)
  })

  it('turns no vault of access policies into one of roles either, and writes its policies, as on Azure', async () => {
    await plane.send('PATCH', vault, { properties: { enableRbacAuthorization: false } })
    expect(await asContributor('PATCH', vault, { properties: { enableRbacAuthorization: true } })).toEqual([
      403,
      'InsufficientPermissions',
    ])
    expect(await asContributor('PATCH', vault, { properties: { accessPolicies: own } })).toEqual([200, undefined])
    expect(model()).toBe(false)
  })
})
