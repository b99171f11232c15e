import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { storedOnly } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { substituteFor } from '../arm/substitutes.ts'
import type { Deployments } from '../templates/deployments.ts'
import type { Plane } from './plane.ts'
import { resourceTypes } from '../resource-types.ts'
import { allRoutes } from '../routes.ts'
import { effects } from '../testing/effects.ts'
import { subscriptionId, tenantId } from '../testing/test-plane.ts'

const root = join(import.meta.dirname, '../../../..')

/** The type that a path names: of its last provider, else of the resource manager itself. */
function typeOf(path: string): string {
  const [, provider] = /.*\/providers\/(.+)$/.exec(path) ?? []
  const [namespace, ...rest] = (provider ?? path.replace(/^\/subscriptions\/\{\w+\}/, 'Microsoft.Resources')).split('/')
  return [namespace, ...rest.filter((_, index) => index % 2 === 0)].join('/')
}

/** Every type that a client can PUT, at any scope, and those that come with another. */
const types = new Set([
  ...resourceTypes.all.map(({ spelling }) => spelling),
  ...allRoutes({ subscriptionId, tenantId, types: resourceTypes } as Plane, {} as Deployments)
    .filter(({ method }) => method === 'PUT')
    .map(({ path }) => typeOf(path)),
])

describe('every resource type', () => {
  it('names the test that shows its effect, or is listed as stored only', () => {
    expect([...Object.keys(effects), ...Object.keys(storedOnly)].toSorted()).toEqual([...types].toSorted())
  })

  it.each(Object.entries(effects))('%s names a test that is there', (_, [file, test]) => {
    expect(readFileSync(join(root, file), 'utf8')).toContain(test)
  })

  it('that is stored only is of the network that clients send, or one of five', () => {
    const others = Object.keys(storedOnly).filter((type) => !type.startsWith('Microsoft.Network/'))
    expect(others.length).toBeLessThanOrEqual(5)
    for (const type of Object.keys(storedOnly)) expect(substituteFor(type), type).toBeUndefined()
  })

  it('that is stored only is in the page of compatibility', () => {
    const page = readFileSync(join(root, 'docs/reference/compatibility.md'), 'utf8')
    const section = page.split(/^## /m).find((part) => part.startsWith('Stored only')) ?? ''
    const rows = Object.entries(storedOnly).map(([type, why]) => `| ${type} | ${why} |`)
    expect(section.split('\n').filter((line) => line.startsWith('| Microsoft'))).toEqual(rows)
  })
})
