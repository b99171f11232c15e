import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { roles } from '../arm/access.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  ownerId,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
} from '../testing/test-plane.ts'

const someone = '0f2a9f3e-0000-4000-8000-00000000dddd'
const root = `/providers/Microsoft.Management/managementGroups/${tenantId}`
const roleId = (name: string): string => `/x/${roles.find((role) => role.name === name)!.id}`
const assignment = (scope: string): string =>
  `${scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001`
const elevation = '/providers/Microsoft.Authorization/elevateAccess'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
})
afterEach(async () => await plane.close())

describe('the tenant and its root group', () => {
  it.each(['', root])(
    'give roles that hold in the subscription below, once their owner has raised himself: %s',
    async (scope) => {
      const give = { properties: { principalId: someone, roleDefinitionId: roleId('Reader') } }
      expect((await plane.send('PUT', assignment(scope), give)).status).toBe(403)
      expect((await plane.send('POST', elevation, undefined, { as: someone })).body.error.code).toBe(
        'AuthorizationFailed',
      )
      expect((await plane.send('POST', elevation)).status).toBe(200)
      expect((await plane.send('POST', elevation)).status).toBe(200)

      expect((await plane.send('GET', `/subscriptions/${subscriptionId}`, undefined, { as: someone })).status).toBe(403)
      const given = await plane.send('PUT', assignment(scope), give)
      expect([given.status, given.body.properties.scope, given.body.id]).toEqual([201, scope || '/', assignment(scope)])
      const all = (await plane.send('GET', assignment(scope).slice(0, assignment(scope).lastIndexOf('/')))).body.value
      expect(all.every(({ id }: Loose) => !String(id).startsWith('//'))).toBe(true)
      expect((await plane.send('GET', `/subscriptions/${subscriptionId}`, undefined, { as: someone })).status).toBe(200)
      expect((await plane.send('PUT', group, { location: 'westeurope' }, { as: someone })).status).toBe(403)
      expect((await plane.send('DELETE', assignment(scope))).status).toBe(200)
      expect((await plane.send('GET', `/subscriptions/${subscriptionId}`, undefined, { as: someone })).status).toBe(403)
    },
  )

  it('have no other group, and say who raised himself', async () => {
    await plane.send('POST', elevation)
    await plane.send('POST', elevation, undefined, { as: someone })
    const other = '/providers/Microsoft.Management/managementGroups/other'
    expect((await plane.send('GET', '/providers/Microsoft.Management/managementGroups')).body.value).toHaveLength(1)
    expect((await plane.send('GET', other)).body.error.code).toBe('ManagementGroupNotFound')
    const give = { properties: { principalId: someone, roleDefinitionId: roleId('Reader') } }
    expect((await plane.send('PUT', assignment(other), give)).body.error.code).toBe('ManagementGroupNotFound')
    const rows = await plane.store.db.selectFrom('activity').selectAll().where('resource_id', '=', elevation).execute()
    expect(rows.map((row) => [row['caller'], Number(row['status'])])).toEqual([
      [ownerId, 200],
      [someone, 403],
    ])
  })
})

describe('a group as a template', () => {
  it('makes the same again in another group', async () => {
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const { template } = (await plane.send('POST', `${group}/exportTemplate`, { resources: ['*'] })).body
    const names = template.resources.map(({ name }: Loose) => name).toSorted()
    expect(names).toEqual(['vm1', 'vm1NSG', 'vm1PublicIP', 'vm1VMNic', 'vnet'])
    expect(JSON.stringify(template)).not.toMatch(/provisioningState|vmId|macAddress/)
    const other = `/subscriptions/${subscriptionId}/resourceGroups/other`
    await plane.send('PUT', other, { location: 'westeurope' })
    const moved = JSON.parse(
      JSON.stringify(template).replaceAll('/resourceGroups/rg1/', '/resourceGroups/other/'),
    ) as Loose
    moved.resources = moved.resources.filter(({ name }: Loose) => name !== 'vm1')
    const networks = moved.resources.filter(({ name }: Loose) => name !== 'vm1VMNic')
    for (const resources of [networks, moved.resources]) {
      const reply = await plane.send('PUT', `${other}/providers/Microsoft.Resources/deployments/d`, {
        properties: { mode: 'Incremental', template: { ...moved, resources } },
      })
      expect((await plane.follow(reply)).error).toBeUndefined()
    }
    expect((await plane.send('GET', `${other}/resources`)).body.value).toHaveLength(4)
  })
})
