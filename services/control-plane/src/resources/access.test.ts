import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'
const subscription = `/subscriptions/${subscriptionId}`
const id = (n: number): string => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`
const roles = `${subscription}/providers/Microsoft.Authorization/roleDefinitions`
const assign = async (scope: string, role: string, n: number, as?: string): Promise<TestReply> =>
  await plane.send(
    'PUT',
    `${scope}/providers/Microsoft.Authorization/roleAssignments/${id(n)}`,
    { properties: { principalId: robot, roleDefinitionId: `${roles}/${role}` } },
    as === undefined ? {} : { as },
  )
const asRobot = async (method: string, path: string, body?: object): Promise<number> =>
  (await plane.send(method, path, body, { as: robot })).status

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
})
afterAll(async () => await plane.close())

describe('custom roles', () => {
  const role = (more: object = {}): Loose => ({
    properties: {
      roleName: 'Starter',
      description: 'starts',
      permissions: [
        {
          actions: ['Microsoft.Compute/virtualMachines/*/action', '*/read'],
          notActions: ['Microsoft.Compute/virtualMachines/restart/action'],
        },
      ],
      assignableScopes: [group],
      ...more,
    },
  })

  it('allow what they say, where they are given, and nothing once they are taken away', async () => {
    expect((await plane.send('PUT', `${roles}/${id(1)}`, role())).status).toBe(201)
    expect((await assign(vmPath('vm1'), id(1), 1)).status).toBe(201)
    expect(await asRobot('POST', `${vmPath('vm1')}/start`)).toBe(202)
    expect(await asRobot('POST', `${vmPath('vm1')}/restart`)).toBe(403)
    expect(await asRobot('DELETE', vmPath('vm1'))).toBe(403)
    expect(await asRobot('GET', group)).toBe(403)
    expect((await plane.send('DELETE', `${roles}/${id(1)}`)).body.error.code).toBe('RoleDefinitionHasAssignments')
    await plane.send('DELETE', `${vmPath('vm1')}/providers/Microsoft.Authorization/roleAssignments/${id(1)}`)
    expect(await asRobot('POST', `${vmPath('vm1')}/start`)).toBe(403)
    expect((await plane.send('DELETE', `${roles}/${id(1)}`)).status).toBe(200)
  })

  it('count only at their assignable scopes', async () => {
    await plane.send('PUT', `${roles}/${id(2)}`, role({ assignableScopes: [`${subscription}/resourceGroups/other`] }))
    expect((await assign(group, id(2), 2)).body.error.code).toBe('RoleDefinitionNotAssignableAtScope')
    await plane.send('DELETE', `${roles}/${id(2)}`)
  })

  it('with many stars are as quick as others', async () => {
    const actions = [`${'*'.repeat(60)}/zz`, `${'*a'.repeat(60)}/zz`]
    await plane.send('PUT', `${roles}/${id(8)}`, role({ permissions: [{ actions }] }))
    await assign(group, id(8), 8)
    expect(await asRobot('GET', vmPath('vm1'))).toBe(403)
    await plane.send('DELETE', `${group}/providers/Microsoft.Authorization/roleAssignments/${id(8)}`)
    await plane.send('DELETE', `${roles}/${id(8)}`)
  })

  it.each<[string, Loose]>([
    ['an action that is none', role({ permissions: [{ actions: ['all of it'] }] })],
    ['no permissions', role({ permissions: [] })],
    ['a scope outside', role({ assignableScopes: ['/'] })],
    ['the name of a built-in role', role({ roleName: 'owner' })],
    ['no name', role({ roleName: '' })],
  ])('are refused with %s', async (_name, body) => {
    expect((await plane.send('PUT', `${roles}/${id(3)}`, body)).status).toBeGreaterThanOrEqual(400)
    expect((await plane.send('GET', `${roles}/${id(3)}`)).status).toBe(404)
  })

  it('cannot replace a built-in role', async () => {
    const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
    expect((await plane.send('PUT', `${roles}/${reader}`, role())).body.error.code).toBe('CannotModifyBuiltInRole')
    expect((await plane.send('DELETE', `${roles}/${reader}`)).body.error.code).toBe('CannotModifyBuiltInRole')
  })

  it('cannot be made to count where their maker has no rights', async () => {
    const userAccessAdministrator = '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9'
    await assign(group, userAccessAdministrator, 4)
    const at = `${group}/providers/Microsoft.Authorization/roleDefinitions/${id(4)}`
    expect(await asRobot('PUT', at, role({ assignableScopes: [subscription] }))).toBe(403)
    expect(await asRobot('PUT', at, role())).toBe(201)
    await plane.send('DELETE', at)
    await plane.send('DELETE', `${group}/providers/Microsoft.Authorization/roleAssignments/${id(4)}`)
  })
})

describe('an assignment', () => {
  it('goes with the resource it is on: a new one of the name starts without', async () => {
    const nsg = networkPath('networkSecurityGroups', 'mine')
    await plane.send('PUT', nsg, { location: 'westeurope' })
    await assign(nsg, 'b24988ac-6180-42a0-ab88-20f7382dd24c', 5)
    expect(await asRobot('GET', nsg)).toBe(200)
    await plane.send('DELETE', nsg)
    await plane.send('PUT', nsg, { location: 'westeurope' })
    expect(await asRobot('GET', nsg)).toBe(403)
  })

  it('is put on nothing that is not there', async () => {
    expect((await assign(vmPath('none'), 'acdd72a7-3385-48ef-bd42-f606fba81ae7', 6)).body.error.code).toBe(
      'ResourceNotFound',
    )
  })

  it('at the tenant is for nobody who has only the subscription', async () => {
    expect((await assign('', 'acdd72a7-3385-48ef-bd42-f606fba81ae7', 7)).status).toBe(403)
  })
})

describe('locks', () => {
  const lock = (scope: string, name: string): string => `${scope}/providers/Microsoft.Authorization/locks/${name}`
  const set = async (scope: string, level: string): Promise<void> => {
    expect((await plane.send('PUT', lock(scope, 'l'), { properties: { level } })).status).toBeLessThan(300)
  }
  const free = async (scope: string): Promise<void> => void (await plane.send('DELETE', lock(scope, 'l')))
  const code = async (method: string, path: string, body?: object): Promise<unknown> =>
    (await plane.send(method, path, body)).body?.error?.code

  it('keep what lies under them from deletion, the scope above included', async () => {
    await set(vmPath('vm1'), 'CanNotDelete')
    expect(await code('DELETE', vmPath('vm1'))).toBe('ScopeLocked')
    expect(await code('DELETE', group)).toBe('ScopeLocked')
    expect((await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })).status).toBe(200)
    await free(vmPath('vm1'))
    await set(group, 'CanNotDelete')
    expect(await code('DELETE', networkPath('virtualNetworks', 'vnet'))).toBe('ScopeLocked')
    await free(group)
  })

  it('ReadOnly let nothing be written or started, by a deployment neither', async () => {
    await set(group, 'ReadOnly')
    expect(await code('PATCH', vmPath('vm1'), { tags: {} })).toBe('ScopeLocked')
    expect(await code('POST', `${vmPath('vm1')}/restart`)).toBe('ScopeLocked')
    expect(await code('PUT', `${group}/providers/Microsoft.Resources/deployments/d`, {})).toBe('ScopeLocked')
    expect((await plane.send('GET', vmPath('vm1'))).status).toBe(200)
    expect((await plane.send('GET', lock(group, 'l'))).body.properties.level).toBe('ReadOnly')
    await free(group)
  })

  it('of a subscription hold everywhere in it', async () => {
    await set(subscription, 'ReadOnly')
    expect(await code('PUT', `${subscription}/resourceGroups/new`, { location: 'westeurope' })).toBe('ScopeLocked')
    await free(subscription)
    expect((await plane.send('PUT', `${subscription}/resourceGroups/new`, { location: 'westeurope' })).status).toBe(201)
  })

  it('are refused with a level that is none', async () => {
    expect((await plane.send('PUT', lock(group, 'l'), { properties: { level: 'Never' } })).status).toBe(400)
    expect((await plane.send('PUT', lock(group, 'l'), { properties: {} })).status).toBe(400)
    expect((await plane.send('GET', lock(group, 'l'))).body.error.code).toBe('LockNotFound')
  })
})

describe('tags', () => {
  const tags = (scope: string): string => `${scope}/providers/Microsoft.Resources/tags/default`
  const patch = async (scope: string, operation: string, given: object): Promise<unknown> =>
    (await plane.send('PATCH', tags(scope), { operation, properties: { tags: given } })).body.properties?.tags

  it('of a VM are merged, replaced and deleted, and the VM shows them', async () => {
    await plane.send('PUT', tags(vmPath('vm1')), { properties: { tags: { a: '1', B: '2' } } })
    expect(await patch(vmPath('vm1'), 'Merge', { b: '3', c: '4' })).toEqual({ a: '1', b: '3', c: '4' })
    expect(await patch(vmPath('vm1'), 'Delete', { c: '4', a: 'other' })).toEqual({ a: '1', b: '3' })
    expect((await plane.send('GET', vmPath('vm1'))).body.tags).toEqual({ a: '1', b: '3' })
    const found = await plane.send(
      'GET',
      `${subscription}/resources?$filter=tagName%20eq%20'a'%20and%20tagValue%20eq%20'1'`,
    )
    expect(found.body.value.map((each: Loose) => each.name)).toEqual(['vm1'])
    // One tag's name with another tag's value is not a match.
    const mixed = await plane.send('GET', `${subscription}/resources?$filter=tagName eq 'a' and tagValue eq '3'`)
    expect(mixed.body.value).toEqual([])
    expect((await plane.send('DELETE', tags(vmPath('vm1')))).status).toBe(200)
    expect((await plane.send('GET', vmPath('vm1'))).body.tags).toEqual({})
  })

  it('of a subscription and a group are their own', async () => {
    await plane.send('PUT', tags(subscription), { properties: { tags: { who: 'me' } } })
    await plane.send('PUT', tags(group), { properties: { tags: { who: 'you' } } })
    expect((await plane.send('GET', tags(subscription))).body.properties.tags).toEqual({ who: 'me' })
    expect((await plane.send('GET', group)).body.tags).toEqual({ who: 'you' })
    const groups = async (filter: string): Promise<unknown> => {
      const { body } = await plane.send('GET', `${subscription}/resourcegroups?$filter=${filter}`)
      return body.error?.code ?? body.value.map((each: Loose) => each.name)
    }
    expect(await groups("tagname eq 'WHO' and tagvalue eq 'you'")).toEqual(['rg1'])
    expect(await groups("tagname eq 'who' and tagvalue eq 'me'")).toEqual([])
    expect(await groups("name eq 'rg1'")).toBe('InvalidFilterInQueryString')
  })

  it.each<[string, object, string]>([
    ['51 of them', Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, ''])), 'InvalidTags'],
    ['a value that is too long', { a: 'x'.repeat(257) }, 'InvalidTagValueLength'],
    ['a name with a slash', { 'a/b': '' }, 'InvalidTagNameCharacters'],
  ])('are refused: %s', async (_name, given, code) => {
    expect((await plane.send('PUT', tags(group), { properties: { tags: given } })).body.error.code).toBe(code)
  })
})
