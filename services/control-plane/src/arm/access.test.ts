import type { ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callerOf, openRights, type RightsPlane } from '../testing/rights-plane.ts'
import { ownerId, subscriptionId } from '../testing/ids.ts'
import { covers, roles, subscriptionRead, type AccessChange, type RoleDefinition } from './access.ts'

const subscription = `/subscriptions/${subscriptionId}`
const group = `${subscription}/resourceGroups/rg1`
const vm = `${group}/providers/Microsoft.Compute/virtualMachines/vm1`
const [alice, team] = ['0f2a9f3e-0000-4000-8000-0000000a11ce', '0f2a9f3e-0000-4000-8000-0000000ee111']
const roleId = (name: string): string => roles.find((role) => role.name === name)!.id
const [reader, contributor] = [roleId('Reader'), roleId('Contributor')]
const read = 'Microsoft.Compute/virtualMachines/read'
const asker = { objectId: ownerId, appId: 'app' }

let rights: RightsPlane
beforeEach(async () => void (rights = await openRights(() => [])))
afterEach(async () => await rights.close())

const give = async (
  o: Partial<Parameters<RightsPlane['access']['assign']>[0]> = {},
): ReturnType<RightsPlane['access']['assign']> =>
  await rights.access.assign({
    scope: group,
    name: 'N1',
    principalId: alice,
    principalType: 'User',
    roleId: reader,
    by: ownerId,
    asker,
    ...o,
  })
const fault = async (doing: Promise<unknown>): Promise<unknown[]> => {
  const { status, code, expected, found } = await doing.then(
    () => ({}) as Partial<ServiceError>,
    (error: ServiceError) => error,
  )
  return [status, code, expected, found]
}
const role = (o: Partial<RoleDefinition> = {}): RoleDefinition => ({
  id: 'r1',
  name: 'Mine',
  description: 'd',
  actions: ['*/read'],
  notActions: ['a/read'],
  dataActions: ['b/read'],
  notDataActions: ['c/read'],
  assignableScopes: [group],
  ...o,
})

describe('the reach of a scope', () => {
  it.each([
    ['/', '/anything', true],
    [subscription, subscription, true],
    [subscription, group, true],
    [group, subscription, false],
    [group, `${group}2`, false],
    [`${group}2`, group, false],
    [group, vm, true],
    ['/providers/microsoft.management/managementgroups/root', group, true],
    ['/providers/microsoft.management/managementgroups/root', '/providers/microsoft.x/y', false],
    ['/providers/microsoft.management/managementgroups/root/x', group, false],
    ['/x/providers/microsoft.management/managementgroups/root', group, false],
    ['/providers/microsoft.management/managementgroups/', group, false],
  ])('%s over %s is %s', (scope, path, expected) => {
    expect(covers(scope, path)).toBe(expected)
  })
})

describe('what somebody may', () => {
  it('is what a role says, at its scope and below, and nothing without', async () => {
    const may = async (action: string, path: string): Promise<boolean> =>
      await rights.access.allows(alice, action, path)
    expect(await may(read, vm)).toBe(false)
    await give()
    expect([await may(read, vm), await may(read, group.toUpperCase()), await may(read, `${group}/`)]).toEqual([
      true,
      true,
      true,
    ])
    expect([await may(read, subscription), await may(read, `${group}2`), await may('a/write', vm)]).toEqual([
      false,
      false,
      false,
    ])
    expect(await rights.access.allows(ownerId, read, vm)).toBe(false)
    await give({ name: 'N2', scope: '/', roleId: contributor })
    expect([await may('a/write', vm), await may(read, '/providers/x')]).toEqual([true, true])
  })

  it('shows the subscription’s own record to whoever has a role in it, above it or below, and to nobody else', async () => {
    const may = async (path = subscription, action = subscriptionRead): Promise<boolean> =>
      await rights.access.allows(alice, action, path)
    expect(await may()).toBe(false)
    const managementGroup = '/providers/Microsoft.Management/managementGroups/root'
    for (const scope of ['/', managementGroup, subscription, group, vm]) {
      await give({ scope })
      expect([scope, await may(), await may(subscription.toUpperCase())]).toEqual([scope, true, true])
      await rights.access.remove(asker, scope, 'N1')
      expect([scope, await may()]).toEqual([scope, false])
    }
    await give({ scope: vm })
    const elsewhere = '/subscriptions/0f2a9f3e-0000-4000-8000-000000000bad'
    expect([await may(elsewhere), await may(`${subscription}/providers/x/y/z`), await may(subscription, read)]).toEqual(
      Array(3).fill(false),
    )
  })

  it('is nothing by a deleted role', async () => {
    await give({ roleId: 'none' })
    expect(await rights.access.allows(alice, read, vm)).toBe(false)
  })

  it('is refused by name', async () => {
    const { access } = rights
    expect(await fault(access.require(callerOf(alice), read, vm))).toEqual([
      403,
      'AuthorizationFailed',
      `a role assignment that allows ${read}`,
      undefined,
    ])
    await give()
    expect(await fault(access.require(callerOf(alice), read, vm))).toEqual(Array(4).fill(undefined))
  })

  it('reaches what a request refers to, for every reference that is one', async () => {
    const { access } = rights
    const linked = async (...ids: string[]): Promise<unknown[]> =>
      await fault(
        access.requireLinked(
          callerOf(alice),
          group,
          ids.map((id) => ({ id, action: read })),
        ),
      )
    await give()
    expect(await linked(vm, 'no id', '', '/subscriptions/s', subscription, `x${subscription}/a`)).toEqual(
      Array(4).fill(undefined),
    )
    const other = `${subscription}/resourceGroups/other`
    expect(await linked(vm, other)).toEqual([
      403,
      'LinkedAuthorizationFailed',
      `a role assignment that allows ${read}`,
      other,
    ])
    expect((await linked('no id', other.toUpperCase()))[0]).toBe(403)
    expect(await linked()).toEqual(Array(4).fill(undefined))
  })
})

describe('what a group has', () => {
  it('is its members’, as the directory has them now', async () => {
    const { access, groups } = rights
    await give({ principalId: team, principalType: 'Group' })
    expect(await access.allows(alice, read, vm)).toBe(false)
    groups.set(alice, ['another', team])
    expect([await access.allows(alice, read, vm), await access.allows(alice, read, subscription)]).toEqual([
      true,
      false,
    ])
    expect((await access.heldBy(alice)).map(({ principal_id: id }) => id)).toEqual([team])
    expect(await access.identitiesOf(alice.toUpperCase())).toEqual([alice])
    expect(await access.identitiesOf(alice)).toEqual([alice, 'another', team])
    // Another group with the right, which he is not in, takes nothing away.
    await give({ name: 'N2', principalId: ownerId, principalType: 'Group' })
    expect(await access.allows(alice, read, vm)).toBe(true)
    groups.set(alice, ['another'])
    expect([await access.allows(alice, read, vm), await access.heldBy(alice)]).toEqual([false, []])
  })

  it('is looked for in the directory only where a group has the right', async () => {
    const { access, groups } = rights
    const asked: string[] = []
    groups.get = (id) => void asked.push(id)
    expect([await access.allows(alice, read, vm), await access.heldBy(alice)]).toEqual([false, []])
    await give({ principalId: team, principalType: 'Group' })
    expect(await access.allows(alice, 'a/write', vm)).toBe(false)
    expect(asked).toEqual([])
    await access.allows(alice, read, vm)
    expect(asked).toEqual([alice])
  })

  it('is not what a user has, though his id were a group’s', async () => {
    await give({ principalId: team, principalType: 'User' })
    rights.groups.set(alice, [team])
    expect([await rights.access.allows(alice, read, vm), await rights.access.heldBy(alice)]).toEqual([false, []])
  })

  it('is held beside your own', async () => {
    await give()
    await give({ name: 'N2', principalId: team, principalType: 'Group' })
    rights.groups.set(alice, [team])
    expect((await rights.access.heldBy(alice)).map(({ name }) => name)).toEqual(['n1', 'n2'])
  })
})

describe('assignments', () => {
  it('are kept as written and found in any case, at the tenant too', async () => {
    const made = await give({ name: 'ABC', principalId: alice.toUpperCase(), scope: `${group}/` })
    expect(made).toMatchObject({
      created: true,
      assignment: {
        scope: group.toLowerCase(),
        name: 'abc',
        display_scope: `${group}/`,
        principal_id: alice,
        principal_type: 'User',
        role_id: reader,
        created_by: ownerId,
      },
    })
    expect(await rights.access.find(group.toUpperCase(), 'Abc')).toEqual(made.assignment)
    expect(await rights.access.find(subscription, 'abc')).toBeUndefined()
    expect(await rights.access.find(group, 'abd')).toBeUndefined()
    for (const scope of ['', '/']) {
      const { assignment } = await give({
        name: `T${scope.length}`,
        scope,
        roleId: scope === '' ? reader : contributor,
      })
      expect([assignment.scope, await rights.access.find('', assignment.name)]).toEqual(['/', assignment])
    }
    expect((await rights.access.list()).map(({ name }) => name).toSorted()).toEqual(['abc', 't0', 't1'])
    expect(await rights.access.assignmentsOf(alice.toUpperCase())).toHaveLength(3)
  })

  it('are the same one by the same name, and no second one of the same meaning', async () => {
    const first = await give()
    expect(await give()).toEqual({ ...first, created: false })
    expect(await fault(give({ name: 'N2' }))).toEqual([409, 'RoleAssignmentExists', undefined, undefined])
    for (const change of [{ roleId: contributor }, { principalId: team }])
      expect(await fault(give(change))).toEqual([409, 'RoleAssignmentUpdateNotPermitted', undefined, undefined])
    // A name counts at its scope.
    expect((await give({ scope: subscription })).created).toBe(true)
    expect(await rights.access.list()).toHaveLength(2)
  })

  it('are not changed into another one, though somebody has that elsewhere', async () => {
    await give()
    await give({ scope: subscription, roleId: contributor })
    expect(await fault(give({ scope: subscription }))).toEqual([
      409,
      'RoleAssignmentUpdateNotPermitted',
      undefined,
      undefined,
    ])
  })

  it('end by their removal, and no other with them', async () => {
    await give()
    await give({ name: 'N2', roleId: contributor })
    await give({ scope: subscription })
    await rights.access.remove(asker, `${group}/`, 'n1')
    const left = (await rights.access.list()).map(({ scope, name }) => [scope, name])
    expect(left.toSorted((a, b) => a[1]!.localeCompare(b[1]!))).toEqual([
      [subscription.toLowerCase(), 'n1'],
      [group.toLowerCase(), 'n2'],
    ])
    await give({ scope: '/' })
    await rights.access.remove(asker, '', 'N1')
    expect(await rights.access.find('/', 'n1')).toBeUndefined()
  })

  it('are told to services that hold rights by them: after they are written, before they are gone', async () => {
    const told: [AccessChange, number][] = []
    rights.access.onChange(async (change) => void told.push([change, (await rights.access.list()).length]))
    await give()
    await give()
    await rights.access.remove(asker, group, 'N1')
    const scope = group.toLowerCase()
    expect(told).toEqual([
      [{ scope, asker }, 1],
      [{ scope, asker }, 1],
      [{ scope, asker, gone: { scope, name: 'n1' } }, 1],
    ])
    expect(await rights.access.list()).toEqual([])
  })

  it('stay where a service does not hear that they are to go', async () => {
    await give()
    rights.access.onChange(() => Promise.reject(new Error('down')))
    await expect(rights.access.remove(asker, group, 'N1')).rejects.toThrow('down')
    expect(await rights.access.list()).toHaveLength(1)
  })
})

describe('custom roles', () => {
  it('are kept whole, and found in any case beside the built-in ones', async () => {
    const { access } = rights
    await access.putRole(asker, role(), undefined)
    await access.putRole(asker, role({ id: 'r0', name: 'Another' }), undefined)
    expect(await access.role('R1')).toEqual(role())
    expect([await access.role(reader.toUpperCase()), await access.role('none')]).toEqual([
      roles.find(({ id }) => id === reader),
      undefined,
    ])
    expect((await access.customRoles()).map(({ name }) => name)).toEqual(['Another', 'Mine'])
    await access.removeRole('r0')
    expect((await access.customRoles()).map(({ name }) => name)).toEqual(['Mine'])
  })

  it('take no name that another has, in any case, and keep their own', async () => {
    const { access } = rights
    await access.putRole(asker, role(), undefined)
    for (const [id, name, found] of [
      ['r2', 'MINE', 'Mine'],
      ['r2', 'oWNER', 'Owner'],
    ])
      expect(await fault(access.putRole(asker, role({ id: id!, name: name! }), undefined))).toEqual([
        409,
        'RoleDefinitionWithSameNameExists',
        undefined,
        found,
      ])
    await expect(access.putRole(asker, role({ id: 'r2' }), undefined)).rejects.toMatchObject({
      target: 'properties.roleName',
    })
    await access.putRole(asker, role({ description: 'other', name: 'mine' }), role())
    expect(await access.role('r1')).toEqual(role({ description: 'other', name: 'mine' }))
  })

  it('change only from what their writer has seen', async () => {
    const { access } = rights
    expect(await fault(access.putRole(asker, role(), role()))).toEqual([409, 'Conflict', undefined, undefined])
    await access.putRole(asker, role(), undefined)
    for (const before of [undefined, role({ actions: ['*'] })])
      expect(await fault(access.putRole(asker, role({ description: 'x' }), before))).toEqual([
        409,
        'Conflict',
        undefined,
        undefined,
      ])
    expect(await access.role('r1')).toEqual(role())
  })

  it('tell every service that rights have changed, wherever', async () => {
    const told: AccessChange[] = []
    rights.access.onChange(async (change) => void told.push(change))
    await rights.access.putRole(asker, role(), undefined)
    expect(told).toEqual([{ scope: '/', asker }])
  })

  it('stay while somebody has them', async () => {
    await rights.access.putRole(asker, role(), undefined)
    await give({ roleId: 'r1' })
    expect(await fault(rights.access.removeRole('r1'))).toEqual([400, 'RoleDefinitionHasAssignments', undefined, 'n1'])
    await rights.access.remove(asker, group, 'n1')
    await rights.access.removeRole('r1')
    expect(await rights.access.role('r1')).toBeUndefined()
  })
})
