import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { roles } from './arm/access.ts'
import { roleAllows } from './arm/roles/role-definition.ts'
import { signedIn } from './arm/router.ts'
import type { Deployments } from './templates/deployments.ts'
import type { Plane } from './types/plane.ts'
import { resourceTypes } from './resource-types.ts'
import { allRoutes } from './routes.ts'
import { subscriptionId, tenantId } from './testing/test-plane.ts'

/**
 * Every operation that a route requires against every built-in role, as a file for review: a new route or a changed
 * role appears as a changed line. `vitest -u` rewrites it.
 */
describe('the matrix of operations and roles', () => {
  const actions = [
    ...new Set(
      allRoutes({ subscriptionId, tenantId, types: resourceTypes } as Plane, {} as Deployments).flatMap(({ action }) =>
        action === signedIn ? [] : [action],
      ),
    ),
  ].toSorted((a, b) => a.toLowerCase().localeCompare(b.toLowerCase(), 'en'))

  it('is the one that was reviewed', async () => {
    const lines = actions.map((action) => {
      const allowed = roles.filter((role) => roleAllows(role, action)).map(({ name }) => name)
      return `${action}: ${allowed.join(', ')}`
    })
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(join(import.meta.dirname, 'rbac-matrix.golden.txt'))
  })

  it('lets the owner do everything and the reader change nothing', () => {
    const named = (name: string): (typeof roles)[number] => roles.find((role) => role.name === name)!
    expect(actions.filter((action) => !roleAllows(named('Owner'), action))).toEqual([])
    expect(actions.filter((action) => roleAllows(named('Reader'), action) && !action.endsWith('/read'))).toEqual([])
    expect(
      actions.filter(
        (action) =>
          roleAllows(named('Contributor'), action) && /^Microsoft\.Authorization\/.*\/(write|delete)$/i.test(action),
      ),
    ).toEqual([])
  })
})
