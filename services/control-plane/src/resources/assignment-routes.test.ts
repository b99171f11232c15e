import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownerId, type Loose } from '../testing/ids.ts'
import type { RightsPlane } from '../testing/rights-plane.ts'
import {
  alice,
  assignmentAt,
  authorization,
  bob,
  builtIn,
  definition,
  giving,
  group,
  id,
  managementGroup,
  openRoles,
  other,
  problemsOf,
  roleAt,
  senderTo,
  subscription,
} from '../testing/role-requests.ts'

let rights: RightsPlane
beforeEach(async () => void (rights = await openRoles()))
afterEach(async () => await rights.close())
const send = senderTo(() => rights)

describe('a role assignment', () => {
  it('is made once, shown as Azure shows it, and deleted', async () => {
    const reader = builtIn('Reader')
    const made = await send('PUT', assignmentAt(group, 1), giving(reader))
    expect(made).toMatchObject({
      status: 201,
      body: {
        id: assignmentAt(group, 1),
        name: id(1),
        type: 'Microsoft.Authorization/roleAssignments',
        properties: {
          roleDefinitionId: roleAt(subscription, reader),
          principalId: alice,
          principalType: 'ServicePrincipal',
          scope: group,
          createdOn: expect.any(String),
          createdBy: ownerId,
        },
      },
    })
    expect(await send('PUT', assignmentAt(group, 1), giving(reader))).toEqual({ status: 200, body: made.body })
    expect((await send('GET', assignmentAt(group, 1))).body).toEqual(made.body)
    expect(await send('GET', assignmentAt(other, 1))).toMatchObject({ status: 404, code: 'RoleAssignmentNotFound' })
    expect(await send('DELETE', assignmentAt(group, 1))).toEqual({ status: 200, body: made.body })
    expect(await send('DELETE', assignmentAt(group, 1))).toEqual({ status: 204 })
  })

  it('is taken with its properties at the top, as older clients send them', async () => {
    const { properties } = giving(builtIn('Reader')) as { properties: object }
    expect((await send('PUT', assignmentAt(group, 1), properties)).status).toBe(201)
    expect(problemsOf(await send('PUT', assignmentAt(group, 2), {}))).toEqual([
      [400, 'RoleDefinitionDoesNotExist', 'roleDefinitionId'],
      [400, 'InvalidPrincipalId', 'principalId'],
    ])
  })

  it.each<[string, string | number, object, unknown[]]>([
    ['a name that is not an id', 'x', giving(builtIn('Reader')), [400, 'InvalidRoleAssignmentId', 'name']],
    ['more before its id', `0${id(1)}`, giving(builtIn('Reader')), [400, 'InvalidRoleAssignmentId', 'name']],
    ['a role that is none', 1, giving(id(9)), [400, 'RoleDefinitionDoesNotExist', 'properties.roleDefinitionId']],
    [
      'a principal that is none',
      1,
      giving(builtIn('Reader'), `${alice}0`),
      [400, 'InvalidPrincipalId', 'properties.principalId'],
    ],
    [
      'a type that is none',
      1,
      giving(builtIn('Reader'), alice, { principalType: 'Robot' }),
      [400, 'BadRequest', 'properties.principalType'],
    ],
  ])('is refused with %s', async (_name, n, body, expected) => {
    expect(problemsOf(await send('PUT', assignmentAt(group, n), body))).toEqual([expected])
  })

  it('has the type that the directory knows, else the one that is said', async () => {
    const typeOf = async (n: number, principal: string, principalType?: string): Promise<unknown> => {
      const reply = await send('PUT', assignmentAt(group, n), giving(builtIn('Reader'), principal, { principalType }))
      return reply.code === undefined ? reply.body.properties.principalType : problemsOf(reply)
    }
    expect(await typeOf(1, alice, 'user')).toBe('User')
    rights.types.set(bob, 'Group')
    expect([await typeOf(2, bob, 'User'), await typeOf(2, bob, 'group')]).toEqual([
      [[400, 'UnmatchedPrincipalType', 'properties.principalType']],
      'Group',
    ])
    expect(await typeOf(4, id(9), 'serviceprincipal')).toBe('ServicePrincipal')
    rights.types.set(ownerId, 'User')
    expect(await typeOf(3, ownerId)).toBe('User')
  })

  it('takes the right to what is asked of it, and no other', async () => {
    const action = 'Microsoft.Authorization/roleAssignments'
    const list = `${group}/${authorization}/roleAssignments`
    const reader = giving(builtIn('Reader'), bob)
    for (const [n, right, allowed] of [
      [1, 'read', ['list', 'one']],
      [2, 'write', ['made']],
      [3, 'delete', ['deleted']],
    ] as const) {
      const permissions = [{ actions: [`${action}/${right}`] }]
      await send('PUT', roleAt(group, n), definition({ roleName: right, permissions }))
      await send('PUT', assignmentAt(group, 5), giving(id(n)))
      await send('PUT', assignmentAt(group, 6), reader)
      const tried = {
        list: await send('GET', list, undefined, alice),
        one: await send('GET', assignmentAt(group, 6), undefined, alice),
        made: await send('PUT', assignmentAt(group, 6), reader, alice),
        deleted: await send('DELETE', assignmentAt(group, 6), undefined, alice),
      }
      const through = Object.entries(tried).filter(([, { status }]) => status !== 403)
      expect([right, through.map(([name]) => name)]).toEqual([right, allowed])
      await send('DELETE', assignmentAt(group, 5))
    }
  })

  it('of a custom role is made at its scopes and below alone', async () => {
    await send('PUT', roleAt(group, 1), definition())
    for (const scope of [other, subscription])
      expect(await send('PUT', assignmentAt(scope, 1), giving(id(1)))).toMatchObject({
        status: 400,
        code: 'RoleDefinitionNotAssignableAtScope',
      })
    expect(
      (
        await send(
          'PUT',
          assignmentAt(group.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions'), 1),
          giving(id(1)),
        )
      ).status,
    ).toBe(201)
  })

  it('of a custom role is made at each of its scopes', async () => {
    await send('PUT', roleAt(group, 1), definition({ assignableScopes: [group, other] }))
    for (const scope of [group, other])
      expect((await send('PUT', assignmentAt(scope, 1), giving(id(1)))).status).toBe(201)
  })

  it('is made on nothing that is not there', async () => {
    for (const scope of [
      `${subscription}/resourceGroups/none`,
      `${group}/providers/Microsoft.Compute/virtualMachines/none`,
    ])
      expect((await send('PUT', assignmentAt(scope, 1), giving(builtIn('Reader')))).status).toBe(404)
  })

  it('at the tenant takes a right there', async () => {
    expect((await send('PUT', assignmentAt('', 1), giving(builtIn('Reader')))).status).toBe(403)
    const owner = { scope: '/', name: id(7), principalId: ownerId, principalType: 'User', by: ownerId }
    await rights.access.assign({ ...owner, roleId: builtIn('Owner'), asker: undefined })
    expect((await send('GET', assignmentAt('', 7))).body).toMatchObject({
      id: assignmentAt('', 7),
      properties: { scope: '/' },
    })
    const made = await send('PUT', assignmentAt('', 1), giving(builtIn('Reader')))
    expect(made.body).toMatchObject({ id: assignmentAt('', 1), properties: { scope: '/' } })
    expect((await send('PUT', assignmentAt(managementGroup, 2), giving(builtIn('Reader'), bob))).status).toBe(201)
  })

  it('that makes the last owner of the subscription stays', async () => {
    expect(await send('DELETE', assignmentAt(subscription, 0))).toMatchObject({
      status: 409,
      code: 'LastOwnerCannotBeRemoved',
    })
    const owner = builtIn('Owner')
    // Owners of a group, and other roles at the subscription, do not count.
    await send('PUT', assignmentAt(group, 1), giving(owner))
    await send('PUT', assignmentAt(subscription, 2), giving(builtIn('Contributor')))
    await send('PUT', assignmentAt(other, 0), giving(owner))
    expect((await send('DELETE', assignmentAt(other, 0))).status).toBe(200)
    expect((await send('DELETE', assignmentAt(subscription, 0))).status).toBe(409)
    expect([
      (await send('DELETE', assignmentAt(group, 1))).status,
      (await send('DELETE', assignmentAt(subscription, 2))).status,
    ]).toEqual([200, 200])
    await send('PUT', assignmentAt(subscription, 3), giving(owner))
    expect((await send('DELETE', assignmentAt(subscription, 0))).status).toBe(200)
  })
})

describe('a list of role assignments', () => {
  it('has those at its scope, above it and below, or at it and above alone', async () => {
    const reader = builtIn('Reader')
    await send('PUT', assignmentAt(group, 1), giving(reader))
    await send('PUT', assignmentAt(other, 2), giving(reader, bob))
    const names = async (scope: string, filter?: string): Promise<number[]> =>
      (await send('GET', `${scope}/${authorization}/roleAssignments`, undefined, undefined, filter)).body.value
        .map(({ name }: Loose) => Number(name.slice(-2)))
        .toSorted((a: number, b: number) => a - b)
    expect([await names(group), await names(other), await names(subscription)]).toEqual([
      [0, 1],
      [0, 2],
      [0, 1, 2],
    ])
    expect(await names(subscription, 'atScope()')).toEqual([0])
    expect(await names(subscription, `principalId eq '${alice.toUpperCase()}'`)).toEqual([1])
    expect(await names(subscription, `principalId eq'${bob}' and atScope()`)).toEqual([])
    rights.groups.set(alice, [bob])
    expect(await names(subscription, `assignedTo('${alice}')`)).toEqual([1, 2])
    expect(await names(group, `assignedTo( '${alice}' )`)).toEqual([1])
    expect(await names(subscription, "principalId eq ''")).toEqual([])
  })
})
