import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { roles } from '../arm/access.ts'
import { type Loose } from '../testing/ids.ts'
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

describe('a role definition', () => {
  it('is made, shown as Azure shows it, changed and deleted', async () => {
    const shown = {
      id: roleAt(subscription, 1),
      name: id(1),
      type: 'Microsoft.Authorization/roleDefinitions',
      properties: {
        roleName: 'Mine',
        type: 'CustomRole',
        description: 'd',
        assignableScopes: [group],
        permissions: [
          {
            actions: ['*/read', 'd/write'],
            notActions: ['a/read'],
            dataActions: ['b/read'],
            notDataActions: ['c/read'],
          },
        ],
      },
    }
    expect(await send('PUT', roleAt(group, 1), definition())).toEqual({ status: 201, body: shown })
    expect(await send('GET', roleAt('', 1))).toMatchObject({ status: 403 })
    expect((await send('GET', roleAt(subscription, 1))).body).toEqual(shown)
    const changed = definition({ description: undefined, assignableScopes: undefined })
    expect((await send('PUT', roleAt(group, 1), changed)).body.properties).toMatchObject({
      description: '',
      assignableScopes: [group],
    })
    expect(await send('DELETE', roleAt(group, 1))).toMatchObject({ status: 200, body: { name: id(1) } })
    expect(await send('DELETE', roleAt(group, 1))).toEqual({ status: 204 })
    expect(await send('GET', roleAt(group, 1))).toMatchObject({ status: 404, code: 'RoleDefinitionDoesNotExist' })
  })

  it('has a name that no other has', async () => {
    await send('PUT', roleAt(group, 1), definition())
    expect(problemsOf(await send('PUT', roleAt(group, 2), definition()))).toEqual([
      [409, 'RoleDefinitionWithSameNameExists', 'properties.roleName'],
    ])
  })

  it('has one id in whatever case that is written', async () => {
    const letters = 'abcdef00-0000-4000-8000-0000000000ff'
    const path = (guid: string): string => roleAt(subscription, guid)
    expect((await send('PUT', path(letters.toUpperCase()), definition())).body.name).toBe(letters)
    expect((await send('PUT', path(letters), definition({ description: 'e' }))).status).toBe(201)
    expect((await send('GET', path(letters.toUpperCase()))).body.properties.description).toBe('e')
  })

  it('is read by anyone who may read definitions and nothing else', async () => {
    const permissions = [{ actions: ['Microsoft.Authorization/roleDefinitions/read'] }]
    await send('PUT', roleAt(group, 1), definition({ permissions }))
    const list = `${group}/${authorization}/roleDefinitions`
    for (const path of [list, roleAt(group, 1)])
      expect([path, (await send('GET', path, undefined, alice)).status]).toEqual([path, 403])
    await send('PUT', assignmentAt(group, 5), giving(id(1)))
    for (const path of [list, roleAt(group, 1)])
      expect([path, (await send('GET', path, undefined, alice)).status ?? 200]).toEqual([path, 200])
    expect((await send('PUT', roleAt(group, 2), definition(), alice)).status).toBe(403)
  })

  it('that is built in shows so, and neither changes nor goes', async () => {
    const reader = builtIn('Reader')
    expect((await send('GET', roleAt(group, reader))).body.properties).toMatchObject({
      roleName: 'Reader',
      type: 'BuiltInRole',
      assignableScopes: ['/'],
      permissions: [{ actions: ['*/read'], notActions: [], dataActions: [], notDataActions: [] }],
    })
    for (const method of ['PUT', 'DELETE'] as const)
      expect(await send(method, roleAt(group, reader), definition())).toMatchObject({
        status: 403,
        code: 'CannotModifyBuiltInRole',
      })
  })

  it.each<[string, string | number, object, unknown[]]>([
    ['an id that is none', 'x', definition(), [400, 'InvalidRoleDefinitionId', 'name']],
    ['an id with more before it', `0${id(1)}`, definition(), [400, 'InvalidRoleDefinitionId', 'name']],
    ['an id with more behind it', `${id(1)}0`, definition(), [400, 'InvalidRoleDefinitionId', 'name']],
    ['no name', 1, definition({ roleName: '' }), [400, 'RoleDefinitionNameInvalid', 'properties.roleName']],
    [
      'a missing name',
      1,
      definition({ roleName: undefined }),
      [400, 'RoleDefinitionNameInvalid', 'properties.roleName'],
    ],
    [
      'a name of 513',
      1,
      definition({ roleName: 'n'.repeat(513) }),
      [400, 'RoleDefinitionNameInvalid', 'properties.roleName'],
    ],
    [
      'no permissions',
      1,
      definition({ permissions: [] }),
      [400, 'RoleDefinitionPermissionsMissing', 'properties.permissions'],
    ],
    ...['/', `${subscription}/x`, `${group}/providers/a/b/c`, `x${subscription}`, `${group}x/y`, `/subscriptions/`].map(
      (scope): [string, number, object, unknown[]] => [
        `the scope ${scope}`,
        1,
        definition({ assignableScopes: [group, scope] }),
        [400, 'InvalidAssignableScope', 'properties.assignableScopes'],
      ],
    ),
    ...[
      'read',
      'a b/read',
      '',
      '1/read',
      'a//read',
      '/read',
      'a/read/',
      'a/read\n',
      ' a/read',
      `a/${'x'.repeat(199)}`,
    ].map((action): [string, number, object, unknown[]] => [
      `the action ${JSON.stringify(action)}`,
      1,
      definition({ permissions: [{ actions: ['a/read', action] }] }),
      [400, 'InvalidActionOrNotAction', 'properties.permissions'],
    ]),
  ])('is refused with %s', async (_name, n, body, expected) => {
    expect(problemsOf(await send('PUT', roleAt(group, n), body))).toEqual([expected])
  })

  it.each(['notActions', 'dataActions', 'notDataActions'])('is refused with %s that are none', async (kind) => {
    expect(problemsOf(await send('PUT', roleAt(group, 1), definition({ permissions: [{ [kind]: ['x'] }] })))).toEqual([
      [400, 'InvalidActionOrNotAction', 'properties.permissions'],
    ])
  })

  it('takes a name of 512 characters, actions of 200 and with stars', async () => {
    const actions = ['*', '*/read', 'Microsoft.A1/*/b*c/read', `a/${'x'.repeat(198)}`, '*.x/y']
    const body = definition({
      roleName: 'n'.repeat(512),
      permissions: [{ actions }],
      assignableScopes: [subscription, group.toUpperCase()],
    })
    expect(await send('PUT', roleAt(group, 1), body)).toMatchObject({
      status: 201,
      body: { properties: { permissions: [{ actions }] } },
    })
  })

  it('is one of two hundred at most, and may change then too', async () => {
    for (let n = 0; n < 200; n++)
      await rights.store.db
        .insertInto('role_definition' as never)
        .values({
          id: `r${n}`,
          role_name: `R${n}`,
          description: '',
          permissions: '{"actions":[],"notActions":[]}',
          assignable_scopes: JSON.stringify([group]),
          created_at: '',
          updated_at: '',
        } as never)
        .execute()
    expect(await send('PUT', roleAt(group, 1), definition())).toMatchObject({
      status: 400,
      code: 'RoleDefinitionLimitExceeded',
    })
    await rights.access.removeRole('r0')
    expect((await send('PUT', roleAt(group, 1), definition())).status).toBe(201)
    expect((await send('PUT', roleAt(group, 1), definition({ description: 'e' }))).status).toBe(201)
  })

  it('changes only where its writer may write, before and after, and where somebody has it', async () => {
    const administrator = builtIn('User Access Administrator')
    await send('PUT', assignmentAt(group, 5), giving(administrator))
    const put = async (scopes: string[], as?: string): Promise<number> =>
      (await send('PUT', roleAt(group, 1), definition({ assignableScopes: scopes }), as)).status
    expect([await put([group, other], alice), await put([subscription], alice), await put([group], alice)]).toEqual([
      403, 403, 201,
    ])
    expect(await put([group, other])).toBe(201)
    expect([await put([group], alice), (await send('DELETE', roleAt(group, 1), undefined, alice)).status]).toEqual([
      403, 403,
    ])
    await send('PUT', assignmentAt(other, 6), giving(id(1), bob))
    expect(await put([group])).toBe(201)
    expect([await put([group], alice), (await send('DELETE', roleAt(group, 1), undefined, alice)).status]).toEqual([
      403, 403,
    ])
    await send('DELETE', assignmentAt(other, 6))
    expect([await put([group], alice), (await send('DELETE', roleAt(group, 1), undefined, alice)).status]).toEqual([
      201, 200,
    ])
  })

  it('is written by anyone who may write all its scopes, in whatever case they stand', async () => {
    // The owner of a group may write only what is assignable in it, named twice.
    await send('PUT', assignmentAt(group, 5), giving(builtIn('User Access Administrator')))
    expect(
      (await send('PUT', roleAt(group, 1), definition({ assignableScopes: [group, `${group.toUpperCase()}`] }), alice))
        .status,
    ).toBe(201)
    expect(
      (await send('PUT', roleAt(group, 2), definition({ roleName: 'B', assignableScopes: [`${group}2`] }), alice))
        .status,
    ).toBe(403)
  })
})

describe('a list of role definitions', () => {
  it('has the built-in ones and those of its scope, above it and below', async () => {
    for (const [n, scope] of [
      [1, group],
      [2, other],
      [3, subscription],
    ] as const)
      expect(
        (await send('PUT', roleAt(subscription, n), definition({ roleName: `R${n}`, assignableScopes: [scope] })))
          .status,
      ).toBe(201)
    const names = async (scope: string, filter?: string): Promise<string[]> =>
      (await send('GET', `${scope}/${authorization}/roleDefinitions`, undefined, undefined, filter)).body.value.map(
        ({ properties }: Loose) => properties.roleName,
      )
    const custom = (list: string[]): string[] => list.filter((name) => /^R\d$/.test(name))
    expect([custom(await names(group)), custom(await names(other)), custom(await names(subscription))]).toEqual([
      ['R1', 'R3'],
      ['R2', 'R3'],
      ['R1', 'R2', 'R3'],
    ])
    const both = definition({ roleName: 'R4', assignableScopes: [other, group] })
    expect((await send('PUT', roleAt(subscription, 4), both)).status).toBe(201)
    expect([custom(await names(group)), custom(await names(other))]).toEqual([
      ['R1', 'R3', 'R4'],
      ['R2', 'R3', 'R4'],
    ])
    expect((await send('DELETE', roleAt(subscription, 4))).status).toBe(200)
    expect((await names(group)).slice(0, roles.length)).toEqual(roles.map(({ name }) => name))
    expect(await names(group, "roleName eq 'READER'")).toEqual(['Reader'])
    expect(await names(group, "roleName eq 'R1' and type eq 'CustomRole'")).toEqual(['R1'])
    expect(await names(group, "type eq 'customrole'")).toEqual(['R1', 'R3'])
    expect(await names(group, "type eq 'BuiltInRole'")).toEqual(roles.map(({ name }) => name))
    for (const filter of ["roleName eq 'Read'", "type eq 'Other'", "roleName eq ''"])
      expect([filter, await names(group, filter)]).toEqual([filter, []])
  })
})
