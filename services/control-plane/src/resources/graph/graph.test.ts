import { randomUUID } from 'node:crypto'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { group, makeNetwork, networkPath, openTestPlane, subscriptionId, type Loose } from '../../testing/test-plane.ts'

const path = '/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01'
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
const somebody = '0f2a9f3e-0000-4000-8000-00000000eeee'

describeStores('the resource graph', (open) => {
  it('shows what there is to whoever may read it, in pages and tables', async () => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    try {
      await makeNetwork(plane, 'vm1')
      const ask = async (
        query: string,
        o: { options?: Loose; as?: string; subscriptions?: string[] } = {},
      ): Promise<Loose> => {
        const { options, subscriptions = [subscriptionId], as } = o
        const body = { subscriptions, query, ...(options !== undefined && { options }) }
        return (await plane.send('POST', path, body, as === undefined ? {} : { as })).body
      }
      const byType = 'Resources | summarize n = count() by type | order by type asc'
      expect((await ask(byType)).data).toEqual(
        ['networkinterfaces', 'networksecuritygroups', 'publicipaddresses', 'virtualnetworks'].map((type) => ({
          type: `microsoft.network/${type}`,
          n: 1,
        })),
      )
      expect((await ask('ResourceContainers | project name, type')).data).toEqual([
        { name: 'Strongroom', type: 'microsoft.resources/subscriptions' },
        { name: 'rg1', type: 'microsoft.resources/subscriptions/resourcegroups' },
      ])
      const first = await ask('Resources | project name | order by name asc', { options: { $top: 3 } })
      expect([first.count, first.totalRecords]).toEqual([3, 4])
      const second = await ask('Resources | project name | order by name asc', {
        options: { $top: 3, $skipToken: first.$skipToken },
      })
      expect([second.data.length, second.$skipToken]).toEqual([1, undefined])
      const table = await ask(`Resources | where name =~ 'VNET' | project name, location`, {
        options: { resultFormat: 'table' },
      })
      expect(table.data.rows).toEqual([['vnet', 'westeurope']])
      expect((await ask('Resources', { subscriptions: [randomUUID()] })).data).toEqual([])
      expect((await ask('Tables')).error.code).toBe('InvalidQuery')

      // A page is as long as an answer may be, whatever its columns repeat (attack W22).
      const wide = (columns: number): string =>
        `Resources | project ${Array.from({ length: columns }, (_, n) => `a${n}=properties`).join(', ')}`
      const part = await ask(wide(800), { options: { $top: 4 } })
      expect([part.count < 4, part.totalRecords]).toEqual([true, 4])
      expect(JSON.stringify(part.data).length).toBeLessThan(5 * 1024 * 1024)
      const rest = await ask(wide(800), { options: { $top: 4, $skipToken: part.$skipToken } })
      expect([part.count + rest.count, rest.$skipToken]).toEqual([4, undefined])

      // A stranger sees nothing, and a reader of one resource sees that one.
      expect((await ask('Resources', { as: somebody })).data).toEqual([])
      expect((await ask('ResourceContainers', { as: somebody })).data).toEqual([])
      const vnet = networkPath('virtualNetworks', 'vnet')
      const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${reader}`
      const properties = { roleDefinitionId, principalId: somebody, principalType: 'ServicePrincipal' }
      const given = `${vnet}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
      expect((await plane.send('PUT', given, { properties })).status).toBe(201)
      expect((await ask('Resources | project id', { as: somebody })).data).toEqual([{ id: vnet }])
      // A role at one resource shows its subscription, like its list does, but no group.
      expect((await ask('ResourceContainers | project type', { as: somebody })).data).toEqual([
        { type: 'microsoft.resources/subscriptions' },
      ])
      expect(group).toContain('rg1')
      // Assignments: all of them to readers of the subscription's, a resource's to its readers.
      const assigned =
        'authorizationresources | where type =~ "Microsoft.Authorization/RoleAssignments" | project id, scope = properties.scope'
      const all = (await ask(assigned)).data as Loose[]
      expect(all.map(({ scope }) => scope as string).toSorted()).toEqual([`/subscriptions/${subscriptionId}`, vnet])
      expect((await ask(assigned, { as: somebody })).data).toEqual([{ id: given.split('?')[0], scope: vnet }])
      expect((await ask(assigned, { as: randomUUID() })).data).toEqual([])
    } finally {
      await plane.service.close()
    }
  })
})
