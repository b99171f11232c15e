import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group, subscriptionId, type TestReply } from '../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'
const loner = '0f2a9f3e-0000-4000-8000-00000000abce'
const team = '0f2a9f3e-0000-4000-8000-0000000ee111'
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
const subscription = `/subscriptions/${subscriptionId}`
const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001`

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterAll(async () => await plane.close())

describe('roles that a group has', () => {
  const asRobot = async (method: string, path: string): Promise<number> =>
    (await plane.send(method, path, undefined, { as: robot })).status
  const seen = async (): Promise<unknown[]> => {
    const { body } = await plane.send('GET', '/subscriptions', undefined, { as: robot })
    return [body.value.map(({ id }: { id: string }) => id), await asRobot('GET', subscription)]
  }
  const give = async (more: object = {}): Promise<TestReply> =>
    await plane.send('PUT', assignment, {
      properties: {
        principalId: team,
        ...more,
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${reader}`,
      },
    })

  it('are its members’ while they are members, at the scope and with the actions of the role alone', async () => {
    plane.wire.principalTypes.set(team, 'Group')
    expect((await give({ principalType: 'User' })).body.error.code).toBe('UnmatchedPrincipalType')
    // Omitted groups are read from the directory.
    expect((await give()).body.properties.principalType).toBe('Group')
    expect(await asRobot('GET', group)).toBe(403)
    plane.wire.groups.set(robot, ['0f2a9f3e-0000-4000-8000-0000000ee222', team])
    expect(await asRobot('GET', group)).toBe(200)
    expect(await asRobot('DELETE', group)).toBe(403)
    // Anyone with a role in a subscription sees it: sign-in looks for one.
    expect(await seen()).toEqual([[subscription], 200])
    plane.wire.groups.set(robot, [])
    expect(await seen()).toEqual([[], 403])
    expect(await asRobot('GET', group)).toBe(403)
  })

  it('at one resource group list that group, and at none list nothing', async () => {
    const other = `${subscription}/resourceGroups/other`
    await plane.send('PUT', other, { location: 'westeurope', tags: { a: 'b' } })
    plane.wire.groups.set(robot, [team])
    const listed = async (query = ''): Promise<unknown> => {
      const { status, body } = await plane.send('GET', `${subscription}/resourceGroups${query}`, undefined, {
        as: robot,
      })
      return body.value?.map(({ id }: { id: string }) => id) ?? status
    }
    expect(await listed()).toEqual([group])
    // A page is filled with what the caller may read.
    expect(await listed('?$top=1')).toEqual([group])
    expect(await listed(`?$filter=${encodeURIComponent("tagName eq 'a' and tagValue eq 'b'")}`)).toEqual([])
    expect((await plane.send('GET', `${subscription}/resourceGroups`)).body.value).toHaveLength(2)
    // A role at a resource in a group, or one that cannot read groups, is none.
    const at = (scope: string, role: string): Promise<TestReply> =>
      plane.send(
        'PUT',
        `${scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000002`,
        {
          properties: {
            principalId: loner,
            principalType: 'User',
            roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
          },
        },
      )
    const seenBy = async (as: string): Promise<number> =>
      (await plane.send('GET', `${subscription}/resourceGroups`, undefined, { as })).status
    expect(await seenBy(loner)).toBe(403)
    await at(`${group}/providers/Microsoft.Network/virtualNetworks/net`, reader)
    expect(await seenBy(loner)).toBe(403)
    plane.wire.groups.set(robot, [])
    expect(await listed()).toBe(403)
  })

  it('count as assigned to a member where a client asks for that', async () => {
    plane.wire.groups.set(robot, [team])
    const list = async (filter: string): Promise<number> =>
      (
        await plane.send(
          'GET',
          `${group}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=${encodeURIComponent(filter)}`,
        )
      ).body.value.length as number
    expect(await list(`assignedTo('${robot}')`)).toBe(1)
    expect(await list(`principalId eq '${robot}'`)).toBe(0)
    expect(await list(`principalId eq '${team}'`)).toBe(1)
  })

  it('are not anybody’s who calls himself by the group’s id, and end with the assignment', async () => {
    await plane.send('DELETE', assignment)
    expect(await asRobot('GET', group)).toBe(403)
  })
})
