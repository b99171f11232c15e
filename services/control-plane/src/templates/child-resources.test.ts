import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { deploymentBody, deploymentPath, template } from '../testing/templates.ts'
import { group, networkPath, type Loose } from '../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterEach(async () => await plane.close())

const subnet = (name: string, prefix: string, dependsOn: string[] = []): Loose => ({
  type: 'subnets',
  apiVersion: '2023-09-01',
  name,
  dependsOn,
  properties: { addressPrefix: prefix },
})
const network = (resources: Loose[]): Loose => ({
  type: 'Microsoft.Network/virtualNetworks',
  apiVersion: '2023-09-01',
  name: 'net',
  location: 'westeurope',
  properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] } },
  resources,
})

describe('child resources within their parent', () => {
  it('depend on the parent and on each other by name alone', async () => {
    const children = [subnet('b', '10.0.1.0/24', ['net', 'a']), subnet('a', '10.0.0.0/24', ['net'])]
    const { operation } = await plane.run('PUT', deploymentPath(), deploymentBody(template([network(children)])))
    expect(operation).toMatchObject({ status: 'Succeeded' })
    const { body } = await plane.send('GET', networkPath('virtualNetworks', 'net'))
    expect(body.properties.subnets.map(({ name }: Loose) => name)).toEqual(['a', 'b'])
  })

  it('are refused where they depend on a name that none has', async () => {
    const body = deploymentBody(template([network([subnet('a', '10.0.0.0/24', ['et'])])]))
    expect((await plane.send('PUT', deploymentPath(), body)).body.error.message).toContain('is not defined')
  })

  it('may be written with texts over several lines, as az sends a file', async () => {
    const text = JSON.stringify(deploymentBody(template([network([])]))).replace(
      '"westeurope"',
      `"[if(\n\tequals(1, 1),\r\n  resourceGroup().location, 'x')]" // it's here`.concat('\n'),
    )
    const reply = await plane.send('PUT', deploymentPath(), undefined, {
      text,
      headers: { 'content-type': 'application/json' },
    })
    expect([reply.status, reply.body.error]).toEqual([201, undefined])
    expect((await plane.follow(reply)).status).toBe('Succeeded')
  })
})
