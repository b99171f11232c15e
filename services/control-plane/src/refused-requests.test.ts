import { randomUUID } from 'node:crypto'
import { describeStores, rowCounts } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { mostFailures } from './arm/failed-requests.ts'
import { signedIn } from './arm/router.ts'
import type { Deployments } from './templates/deployments.ts'
import type { Plane } from './types/plane.ts'
import { resourceTypes } from './resource-types.ts'
import { allRoutes } from './routes.ts'
import { openTestPlane, subscriptionId, tenantId } from './testing/test-plane.ts'

describeStores('requests of a principal without a role', (open) => {
  it('on every route add rows to no table but the activity log, and few there (attack W50)', async () => {
    const store = await open()
    const plane = await openTestPlane(store)
    const as = randomUUID()
    const before = await rowCounts(store)
    const routes = allRoutes({ subscriptionId, tenantId, types: resourceTypes } as Plane, {} as Deployments)
    let changes = 0
    for (const { method, path, action } of routes) {
      const at = path.replaceAll('{subscription}', subscriptionId).replaceAll(/\{\w+\}/g, 'x1')
      const { status } = await plane.send(method, at, method === 'GET' ? undefined : {}, { as })
      if (action === signedIn) continue
      expect(status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
      if (!action.toLowerCase().endsWith('/read')) changes++
    }
    expect(changes).toBeGreaterThan(2 * mostFailures)
    const grown = [...(await rowCounts(store))].filter(([table, rows]) => rows !== before.get(table))
    expect(grown).toEqual([['activity', (before.get('activity') ?? 0) + mostFailures]])
    await plane.service.close()
  }, 120_000)
})
