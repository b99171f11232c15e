import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { permissionRoutes } from './permissions.ts'
import { ownerId, type Loose } from '../testing/ids.ts'
import { portalConditions } from '../testing/portal-conditions.ts'
import type { RightsPlane } from '../testing/rights-plane.ts'
import {
  alice,
  assignmentAt,
  bob,
  builtIn,
  definition,
  giving,
  group,
  id,
  openRoles,
  other,
  roleAt,
  senderTo,
  subscription,
} from '../testing/role-requests.ts'

/** A delegate is limited by a condition; robot and staff are principals of other types. */
const robot = '0f2a9f3e-0000-4000-8000-000000000b07'
const staff = '0f2a9f3e-0000-4000-8000-000000005afe'
const reader = builtIn('Reader')
const owner = builtIn('Owner')
const everything = id(40)
const harmless = id(41)
const conditionVersion = '2.0'

let rights: RightsPlane
const send = senderTo(() => rights)
const done = async (...args: Parameters<typeof send>): Promise<void> =>
  expect((await send(...args)).status).toBeLessThan(300)
const role = (roleName: string, ...actions: string[]): object => definition({ roleName, permissions: [{ actions }] })

beforeEach(async () => {
  rights = await openRoles(permissionRoutes)
  rights.types.set(alice, 'User').set(bob, 'User').set(robot, 'ServicePrincipal').set(staff, 'Group')
  rights.groups.set(alice, [staff])
  await done('PUT', roleAt(group, everything), role('everything', '*'))
  await done('PUT', roleAt(group, harmless), role('harmless', '*/read'))
  await done('PUT', assignmentAt(group, 10), giving(owner, bob))
  await done('PUT', assignmentAt(group, 11), giving(reader, bob))
  await done('PUT', assignmentAt(group, 12), giving(reader, robot))
})
afterEach(async () => await rights.close())

/** What somebody who wants to be an owner tries, and what delegates are for. */
const attempts: Record<string, (own: object, scope: string) => Parameters<typeof send>> = {
  'Reader to a user': () => ['PUT', assignmentAt(group, 20), giving(reader, alice)],
  'Reader to a service principal': () => ['PUT', assignmentAt(`${group}`, 20), giving(harmless, robot)],
  'Reader to a user that the directory does not know': () => [
    'PUT',
    assignmentAt(group, 20),
    giving(reader, id(70), { principalType: 'User' }),
  ],
  'Owner to itself': () => ['PUT', assignmentAt(group, 20), giving(owner, alice)],
  'Owner to itself, said to be Reader’s': () => [
    'PUT',
    assignmentAt(group, 20),
    { roleDefinitionId: reader, properties: { roleDefinitionId: owner, principalId: alice } },
  ],
  'Owner to another': () => ['PUT', assignmentAt(group, 20), giving(owner, bob)],
  'Owner to a group of its own': () => ['PUT', assignmentAt(group, 20), giving(owner, staff)],
  'Owner by the name of a Reader’s assignment': () => ['PUT', assignmentAt(group, 11), giving(owner, bob)],
  'Reader by the name of an Owner’s assignment': () => ['PUT', assignmentAt(group, 10), giving(reader, alice)],
  'a custom role of everything': () => ['PUT', assignmentAt(group, 20), giving(everything, alice)],
  'its own role by another name': (own) => ['PUT', assignmentAt(group, 20), own],
  'its own assignment without a condition': (own, scope) => ['PUT', assignmentAt(scope, 5), own],
  'its own assignment under another condition': (own, scope) => [
    'PUT',
    assignmentAt(scope, 5),
    { properties: { ...(own as Loose).properties, condition: "ActionMatches{'*'}", conditionVersion } },
  ],
  'its own assignment removed': (_, scope) => ['DELETE', assignmentAt(scope, 5)],
  'an Owner removed': () => ['DELETE', assignmentAt(group, 10)],
  'a Reader removed': () => ['DELETE', assignmentAt(group, 11)],
  'a Reader described': () => ['PUT', assignmentAt(group, 11), giving(reader, bob, { description: 'd' })],
  'a Reader of another type removed': () => ['DELETE', assignmentAt(group, 12)],
  'a role written': () => ['PUT', roleAt(group, 42), role('mine', '*')],
  'a role that it may assign rewritten': () => ['PUT', roleAt(group, harmless), role('harmless', '*')],
  'Reader at the subscription': () => ['PUT', assignmentAt(subscription, 20), giving(reader, alice)],
  'Reader at another group': () => ['PUT', assignmentAt(other, 20), giving(reader, alice)],
}

const conditions = portalConditions({ roles: [reader, harmless], principals: [bob] })
const forReaders = ['Reader to a user', 'a Reader removed', 'a Reader described']
const forTypes = [
  'Reader to a service principal',
  'Reader to a user that the directory does not know',
  'a Reader of another type removed',
]
const allowed: Record<string, string[]> = {
  'selected roles': [...forReaders, ...forTypes],
  'selected roles and principal types': forReaders,
  'selected roles and principals': ['a Reader removed', 'a Reader described'],
  'all but privileged roles': [...forReaders, ...forTypes],
  'of what a later release evaluates': [],
}

/** What an attempt that succeeded changed. */
async function restore(): Promise<void> {
  for (const n of [5, 20]) await done('DELETE', assignmentAt(group, n))
  await done('PUT', assignmentAt(group, 10), giving(owner, bob))
  await done('PUT', assignmentAt(group, 11), giving(reader, bob))
  await done('PUT', assignmentAt(group, 12), giving(reader, robot))
}

const rows = async (): Promise<string[]> =>
  (await rights.access.list()).map((row) => JSON.stringify({ ...row, created_at: '' })).toSorted()

describe('a delegate', () => {
  const holders = [
    ['User Access Administrator', alice],
    ['User Access Administrator', staff],
    ['Role Based Access Control Administrator', alice],
    ['Owner', alice],
    ['custom', staff],
  ] as const
  const delegations = Object.keys(allowed).flatMap((condition) => holders.map((held) => [condition, ...held] as const))

  it.each(delegations)(
    'limited to %s, as %s by %s, does that and no more (attack W44)',
    async (condition, held, to) => {
      if (held === 'custom') await done('PUT', roleAt(group, 43), role('custom', 'Microsoft.Authorization/*'))
      const own = giving(held === 'custom' ? id(43) : builtIn(held), to)
      const limited = conditions[condition] ?? conditions['selected roles']
      const body = { properties: { ...(own as Loose).properties, condition: limited, conditionVersion } }
      const limit = async (): Promise<void> => {
        await done('PUT', assignmentAt(group, 5), body)
        if (conditions[condition] !== undefined) return
        const later = rights.resources.db.updateTable('role_assignment').set({ condition: 'later' })
        await later.where('name', '=', id(5)).execute()
      }
      await limit()
      const before = await rows()
      const through: string[] = []
      for (const [name, attempt] of Object.entries(attempts)) {
        const [method, path, sent] = attempt(own, group)
        const reply = await send(method, path, sent, alice)
        if (reply.status !== 403) {
          through.push(name)
          await restore()
          await limit()
        } else expect([name, reply.code]).toEqual([name, 'AuthorizationFailed'])
      }
      expect(through.toSorted()).toEqual(allowed[condition]!.toSorted())
      expect(await rows()).toEqual(before)
    },
  )

  it('does all of this without a condition, except what lies elsewhere', async () => {
    const own = giving(builtIn('User Access Administrator'))
    const refused: Record<string, [number, string]> = {
      'Reader at the subscription': [403, 'AuthorizationFailed'],
      'Reader at another group': [403, 'AuthorizationFailed'],
      'Owner by the name of a Reader’s assignment': [409, 'RoleAssignmentExists'],
      'Reader by the name of an Owner’s assignment': [409, 'RoleAssignmentUpdateNotPermitted'],
      'Owner to another': [409, 'RoleAssignmentExists'],
      'its own role by another name': [409, 'RoleAssignmentExists'],
      'Owner to itself, said to be Reader’s': [400, 'NotSupported'],
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      await done('PUT', assignmentAt(group, 5), own)
      const [method, path, sent] = attempt(own, group)
      const { status, code } = await send(method, path, sent, alice)
      if (refused[name] === undefined) expect([name, status < 300]).toEqual([name, true])
      else expect([name, status, code]).toEqual([name, ...refused[name]])
      await restore()
    }
  })

  it('sees its condition among its permissions', async () => {
    const condition = conditions['selected roles']
    const limited = giving(builtIn('User Access Administrator'), alice, { condition, conditionVersion })
    await done('PUT', assignmentAt(group, 5), limited)
    await done('PUT', assignmentAt(group, 6), giving(reader, alice))
    const { body } = await send('GET', `${group}/providers/Microsoft.Authorization/permissions`, undefined, alice)
    expect(body.value.map((each: Loose) => [each.actions, each.condition, each.conditionVersion])).toEqual([
      [['*/read', 'Microsoft.Authorization/*'], condition, '2.0'],
      [['*/read'], undefined, undefined],
    ])
  })
})

describe('an owner with a condition', () => {
  const conditional = { condition: conditions['all but privileged roles'], conditionVersion }

  it('is not the owner that a subscription keeps', async () => {
    await done('PUT', assignmentAt(subscription, 1), giving(owner, alice, conditional))
    const own = { ...(giving(owner, ownerId, conditional) as object) }
    for (const reply of [
      await send('DELETE', assignmentAt(subscription, 0)),
      await send('PUT', assignmentAt(subscription, 0), own),
    ])
      expect(reply).toMatchObject({ status: 409, code: 'LastOwnerCannotBeRemoved' })
    await done('PUT', assignmentAt(subscription, 1), giving(owner, alice))
    await done('PUT', assignmentAt(subscription, 0), own)
  })

  it('does not decide by what is not about assignments', async () => {
    await done('PUT', assignmentAt(group, 1), giving(owner, alice, conditional))
    const may = async (action: string): Promise<boolean> => await rights.access.allows(alice, action, group)
    expect([
      await may('Microsoft.Compute/virtualMachines/write'),
      await may('Microsoft.Resources/subscriptions/read'),
      // The right to choose a vault's permission model, or to move a vault: no attributes, no right.
      await may('Microsoft.Authorization/roleAssignments/write'),
    ]).toEqual([true, true, false])
    expect(await rights.access.scopesAllowing(alice, 'Microsoft.Resources/subscriptions/resourceGroups/read')).toEqual([
      group.toLowerCase(),
    ])
  })
})
