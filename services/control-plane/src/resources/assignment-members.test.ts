import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockRoutes } from './locks.ts'
import { managementGroupRoutes } from './management-groups.ts'
import { permissionRoutes } from './permissions.ts'
import { grantsFor } from '../providers/keyvault/vault-grants.ts'
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
  problemsOf,
  roleAt,
  senderTo,
  subscription,
} from '../testing/role-requests.ts'

let rights: RightsPlane
beforeEach(async () => {
  const more = { newId: () => id(90) }
  rights = await openRoles(
    (plane) => [...permissionRoutes(plane), ...lockRoutes(plane), ...managementGroupRoutes(plane)],
    more,
  )
})
afterEach(async () => await rights.close())
const send = senderTo(() => rights)
const admin = builtIn('User Access Administrator')
const condition = "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})"
const conditionVersion = '2.0'

describe('members of a role assignment', () => {
  it('are kept and shown: condition and description, alone and in the list, until they are replaced', async () => {
    const own = { condition, conditionVersion, description: 'only deletes' }
    const made = await send('PUT', assignmentAt(group, 1), giving(admin, alice, own))
    expect([made.status, made.body.properties]).toMatchObject([201, own])
    const listed = async (): Promise<Loose> => {
      const { body } = await send('GET', `${group}/${authorization}/roleAssignments`)
      return body.value.find(({ name }: Loose) => name === id(1))
    }
    expect([await listed(), (await send('GET', assignmentAt(group, 1))).body]).toEqual([made.body, made.body])
    const other = { condition: `${condition} AND ActionMatches{'*'}`, conditionVersion }
    const changed = await send('PUT', assignmentAt(group, 1), giving(admin, alice, other))
    expect([changed.status, changed.body.properties.condition]).toEqual([200, other.condition])
    expect(changed.body.properties).not.toHaveProperty('description')
    expect(await listed()).toEqual(changed.body)
    await send('PUT', assignmentAt(group, 1), giving(admin, alice, { condition: null, conditionVersion: null }))
    expect((await listed()).properties).not.toHaveProperty('condition')
    expect((await listed()).properties).not.toHaveProperty('conditionVersion')
  })

  it('that Azure itself writes are read over: whoever reads an assignment can send it back', async () => {
    const { body } = await send('PUT', assignmentAt(group, 1), giving(admin, alice, { condition, conditionVersion }))
    expect(await send('PUT', assignmentAt(group, 1), body)).toEqual({ status: 200, body })
    const updated = { updatedOn: '2026-01-01T00:00:00Z', updatedBy: ownerId, canDelegate: false }
    const again = { ...body, systemData: {}, properties: { ...body.properties, ...updated } }
    expect((await send('PUT', assignmentAt(group, 1), again)).status).toBe(200)
  })

  it('other than condition and description cannot be changed', async () => {
    await send('PUT', assignmentAt(group, 1), giving(admin, alice, { condition, conditionVersion }))
    for (const body of [giving(builtIn('Reader'), alice), giving(admin, bob)])
      expect(await send('PUT', assignmentAt(group, 1), body)).toMatchObject({
        status: 409,
        code: 'RoleAssignmentUpdateNotPermitted',
      })
  })

  it.each<[string, object, unknown[]]>([
    [
      'another’s identity',
      { delegatedManagedIdentityResourceId: '/x' },
      ['NotSupported', 'delegatedManagedIdentityResourceId'],
    ],
    ['a condition with a typing error', { conditon: condition }, ['NotSupported', 'conditon']],
    ['the old way to delegate', { canDelegate: true }, ['NotSupported', 'canDelegate']],
    ['a time', { endDateTime: '2027-01-01T00:00:00Z' }, ['NotSupported', 'endDateTime']],
    ['a foreign group', { principalType: 'ForeignGroup' }, ['NotSupported', 'principalType']],
    ['a device', { principalType: 'device' }, ['NotSupported', 'principalType']],
    ['another scope', { scope: subscription }, ['InvalidParameter', 'scope']],
    ['a long description', { description: 'x'.repeat(2_049) }, ['InvalidParameter', 'description']],
    ['no version', { condition }, ['InvalidRoleAssignmentCondition', 'conditionVersion']],
    ['another version', { condition, conditionVersion: '1.0' }, ['InvalidRoleAssignmentCondition', 'conditionVersion']],
    ['a version alone', { conditionVersion }, ['InvalidRoleAssignmentCondition', 'conditionVersion']],
    ['a condition that is none', { condition: 'x', conditionVersion }, ['InvalidRoleAssignmentCondition', 'condition']],
    ['an empty condition', { condition: '', conditionVersion }, ['InvalidRoleAssignmentCondition', 'condition']],
    [
      'a condition not evaluated',
      { condition: "SubOperationMatches{'x'}", conditionVersion },
      ['NotSupported', 'condition'],
    ],
    ['a condition that is a list', { condition: [condition] }, ['InvalidRequestContent', 'condition']],
  ])('are refused by name, and nothing is made, with %s', async (_, more, [code, target]) => {
    const reply = await send('PUT', assignmentAt(group, 1), giving(admin, alice, more))
    expect(problemsOf(reply)).toEqual([[400, code, `properties.${target as string}`]])
    expect((await send('GET', assignmentAt(group, 1))).status).toBe(404)
  })

  it('are refused beside the properties too, as many as one answer names', async () => {
    const { properties } = giving(admin) as { properties: object }
    const beside = await send('PUT', assignmentAt(group, 1), { properties, condition, identity: {} })
    expect(problemsOf(beside)).toEqual([
      [400, 'NotSupported', 'condition'],
      [400, 'NotSupported', 'identity'],
    ])
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`m${at}`, 1]))
    expect(problemsOf(await send('PUT', assignmentAt(group, 1), { ...properties, ...many }))).toHaveLength(10)
    expect((await send('PUT', assignmentAt(group, 1), { ...properties, condition, conditionVersion })).status).toBe(201)
  })

  it('limit no data actions: a role with these takes no condition, and one that gets them grants none', async () => {
    const conditional = { condition, conditionVersion }
    const reply = await send(
      'PUT',
      assignmentAt(group, 1),
      giving(builtIn('Key Vault Secrets User'), alice, conditional),
    )
    expect(problemsOf(reply)).toEqual([[400, 'NotSupported', 'properties.condition']])
    const role = (dataActions: string[]): object => definition({ permissions: [{ actions: ['*/read'], dataActions }] })
    await send('PUT', roleAt(group, 1), role([]))
    await send('PUT', assignmentAt(group, 1), giving(id(1), alice, conditional))
    await send('PUT', assignmentAt(group, 2), giving(id(1), bob))
    await send('PUT', roleAt(group, 1), role(['Microsoft.KeyVault/vaults/secrets/*']))
    const vault = `${group}/providers/microsoft.keyvault/vaults/kv`.toLowerCase()
    const granted = grantsFor(vault, await rights.access.list(), await rights.access.customRoles())
    expect(granted.map(({ principalId }) => principalId)).toEqual([bob])
  })
})

describe('members of a role definition', () => {
  const withPermission = (more: object): object => definition({ permissions: [{ actions: ['*/read'], ...more }] })

  it.each<[string, object, string]>([
    ['a condition', withPermission({ condition, conditionVersion }), 'properties.permissions[0].condition'],
    ['a list with a typing error', withPermission({ notAction: ['*/write'] }), 'properties.permissions[0].notAction'],
    ['another member', definition({ notActions: ['*'] }), 'properties.notActions'],
    ['a member beside', { ...definition(), scope: group }, 'scope'],
  ])('are refused by name with %s', async (_, body, target) => {
    const reply = await send('PUT', roleAt(group, 1), body)
    expect(problemsOf(reply)[0]).toEqual([400, 'NotSupported', target])
    expect((await send('GET', roleAt(group, 1))).status).toBe(404)
  })

  it('are refused with the type of Azure’s own, and sent back as they were read', async () => {
    expect(problemsOf(await send('PUT', roleAt(group, 1), definition({ type: 'BuiltInRole' })))).toEqual([
      [400, 'BadRequest', 'properties.type'],
    ])
    const { body } = await send('PUT', roleAt(group, 1), definition({ type: 'CustomRole' }))
    expect(await send('PUT', roleAt(group, 1), body)).toEqual({ status: 201, body })
  })
})

describe('what else Microsoft.Authorization has', () => {
  it('is refused by its path: nothing of it is accepted', async () => {
    for (const type of [
      'denyAssignments',
      'roleEligibilityScheduleRequests',
      'roleAssignmentScheduleRequests',
      'roleManagementPolicyAssignments',
      'policyAssignments',
      'policyDefinitions',
      'accessReviewScheduleDefinitions',
      'diagnosticSettings',
    ])
      for (const scope of ['', managementGroup, subscription, group]) {
        const { status } = await send('PUT', `${scope}/${authorization}/${type}/${id(1)}`, { properties: {} })
        expect([type, status]).toEqual([type, type === 'denyAssignments' && scope.startsWith('/sub') ? 405 : 404])
      }
  })

  it('has locks without owners', async () => {
    const reply = await send('PUT', `${group}/${authorization}/locks/l`, {
      properties: { level: 'ReadOnly', owners: [{ applicationId: alice }] },
    })
    expect(problemsOf(reply)).toEqual([[400, 'NotSupported', 'properties.owners']])
  })

  it('gives the installation’s owner access to the tenant in full, whatever limited it before', async () => {
    const limited = { scope: '/', name: id(7), principalId: ownerId, principalType: 'User', by: ownerId, condition }
    await rights.access.assign({ ...limited, roleId: admin, asker: undefined })
    expect((await send('PUT', assignmentAt('', 1), giving(builtIn('Reader')))).status).toBe(403)
    expect((await send('POST', '/providers/Microsoft.Authorization/elevateAccess')).status).toBe(200)
    expect((await send('PUT', assignmentAt('', 1), giving(builtIn('Reader')))).status).toBe(201)
  })
})
