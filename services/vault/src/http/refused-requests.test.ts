import { describeStores, rowCounts } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { startTenant } from '../testing/tenant.ts'
import { principalIds, type TestVault } from '../testing/test-vault.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** From the tree that the web framework prints: a route below another one is indented under it. */
function* routesOf({ service }: TestVault): Iterable<{ method: (typeof methods)[number]; path: string }> {
  const above: string[] = []
  for (const line of service.hosts[0]!.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', served = ''] = /^([│ ]*)[├└]── (\S+) \(([A-Z, ]+)\)$/.exec(line) ?? []
    if (part === '') continue
    above.splice(indent.length / 4, above.length, part)
    for (const method of methods)
      if (served.split(', ').includes(method)) yield { method, path: above.join('').replace(/^\*$/, '/*') }
  }
}

describeStores('requests of a principal without a right in the vault', (open) => {
  it('on every route add rows to no table but the operations log, and few there (attack W51)', async () => {
    const store = await open()
    const { vault, send } = await startTenant(store)
    const before = await rowCounts(store)
    const routes = [...routesOf(vault)].filter(({ path }) => path !== '/openapi.json')
    expect(routes.length).toBeGreaterThan(50)
    let refused = 0
    for (const { method, path } of routes) {
      const at = path.replaceAll(/:\w+/g, 'x1').replaceAll('*', 'x1')
      const { status } = await send(method, at, method === 'GET' ? undefined : {}, 'bob')
      expect(status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
      if (status === 403) refused++
    }
    expect(refused).toBeGreaterThan(50)
    const entries = (await loggedIn(store, 'kv1')).filter(({ objectId }) => objectId === principalIds.bob)
    expect(entries).toHaveLength(50)
    const grown = [...(await rowCounts(store))].filter(([table, rows]) => rows !== before.get(table))
    expect(grown).toEqual([['log_entry', before.get('log_entry')! + 50]])
    await vault.close()
  }, 120_000)
})
