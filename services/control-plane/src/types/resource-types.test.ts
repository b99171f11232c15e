import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Deployments } from '../templates/deployments.ts'
import type { Plane } from './plane.ts'
import { allRoutes } from '../routes.ts'
import { effects } from '../testing/effects.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../testing/test-plane.ts'
import { resourceTypes } from '../resource-types.ts'
import { ResourceTypes } from './registry.ts'

const location = 'westeurope'

/** Types that a client can PUT into a group, according to the routes. */
const written = [
  ...new Set(
    allRoutes({ subscriptionId, tenantId, types: resourceTypes } as Plane, {} as Deployments).flatMap(
      ({ method, path }) => {
        const parts = /^\/subscriptions\/\{\w+\}\/resourceGroups\/\{\w+\}\/providers\/(.+)$/.exec(path)?.[1]?.split('/')
        if (method !== 'PUT' || parts === undefined) return []
        return [[parts[0], ...parts.slice(1).filter((_, index) => index % 2 === 0)].join('/')]
      },
    ),
  ),
]

describe('the table of resource types', () => {
  it('has each type that a client can write into a group, spelled as its routes spell it', () => {
    // What belongs to any scope, deployments' records, and a VM's extensions and assignments, kept
    // with it, are not resources of a group.
    const anyScope = /^\{namespace\}|^Microsoft\.(Authorization|Resources\/(deployments|tags))/
    const ofVm = /\/(extensions|configurationAssignments)$/
    const elsewhere = (type: string): boolean => anyScope.test(type) || ofVm.test(type)
    expect(written.filter((type) => !elsewhere(type)).toSorted()).toEqual(
      resourceTypes.all.map(({ spelling }) => spelling).toSorted(),
    )
  })

  it('is not made where a type is there twice, or refers to one that is not there', () => {
    const [a, b] = [{ spelling: 'A.B/c' }, { spelling: 'A.B/d', refersTo: ['A.B/e'] }]
    expect(new ResourceTypes([a]).within('A.B')).toEqual(['c'])
    expect(() => new ResourceTypes([a, { spelling: 'a.b/C' }])).toThrow('twice')
    expect(() => new ResourceTypes([a, b])).toThrow('A.B/d refers to A.B/e')
  })

  it('is the page that readers find', async () => {
    const rows = resourceTypes.all.map((type) => {
      const { spelling, movable, inParent, refersTo = [] } = type
      const yes = (value: unknown): string => (value === undefined ? '' : 'yes')
      return (
        `| ${spelling} | ${yes(inParent)} | ${yes(movable)} | ${yes(type.meters === undefined ? undefined : true)} ` +
        `| ${refersTo.join(', ')} | ${effects[spelling]?.[0] ?? 'stored only'} |`
      )
    })
    const page = [
      '# Resource types',
      '',
      'Every type of resource that a client can write into a group, made of the descriptions in `services/control-plane`',
      '(`*.type.ts`) by their test; design 0011 says what each member is for.',
      '',
      'What is stored only: [compatibility.md](compatibility.md#stored-only).',
      '',
      '| type | kept in its parent | moves between groups | metered | refers to | effect shown by |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
    ]
    const path = join(import.meta.dirname, '../../../../docs/reference/resource-types.md')
    await expect(page.join('\n')).toMatchFileSnapshot(path)
  })

  it('puts every type before what it refers to and before what it lies in', () => {
    const all = resourceTypes.all.map(({ spelling }) => ({ type: spelling.toLowerCase() }))
    const order = resourceTypes.inDeletionOrder(all.toReversed())
    const place = (spelling: string): number => order.findIndex(({ type }) => type === spelling.toLowerCase())
    for (const { spelling, refersTo = [] } of resourceTypes.all) {
      for (const other of refersTo) expect(place(spelling), `${spelling} before ${other}`).toBeLessThan(place(other))
      const parent = spelling.split('/').slice(0, -1).join('/')
      if (place(parent) >= 0) expect(place(spelling), `${spelling} before ${parent}`).toBeLessThan(place(parent))
    }
  })
})

describe('a group', () => {
  let plane: TestPlane & { close(): Promise<void> }
  const other = group.replace(/[^/]+$/, 'rg2')
  const inOther = (path: string): string => path.replace(group, other)
  beforeAll(async () => {
    plane = await openSqlitePlane({ compute: 'simulated' })
    await makeNetwork(plane, 'vm1')
    await plane.send('PUT', other, { location })
  })
  afterAll(async () => await plane.close())

  const put = async (path: string, body: object): Promise<void> => {
    const reply = await plane.send('PUT', path, { location, ...body })
    expect([200, 201, 202], JSON.stringify(reply.body)).toContain(reply.status)
    if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
  }
  const typesOf = async (path: string): Promise<string[]> =>
    ((await plane.send('GET', `${path}/resources`)).body.value as { type: string }[]).map(({ type }) => type)
  const specs = `${other}/providers/Microsoft.Resources/templateSpecs/spec`

  it('lists and exports every type in its own spelling', async () => {
    const provider = `${other}/providers`
    await put(`${provider}/Microsoft.ManagedIdentity/userAssignedIdentities/who`, {})
    await put(`${provider}/Microsoft.Compute/galleries/gal`, { properties: {} })
    await put(`${provider}/Microsoft.Compute/galleries/gal/images/def`, {
      properties: {
        osType: 'Linux',
        osState: 'Generalized',
        hyperVGeneration: 'V2',
        identifier: { publisher: 'me', offer: 'app', sku: 'def' },
      },
    })
    await put(specs, { properties: {} })
    const types = await typesOf(other)
    expect(types.toSorted()).toEqual([
      'Microsoft.Compute/galleries',
      'Microsoft.Compute/galleries/images',
      'Microsoft.ManagedIdentity/userAssignedIdentities',
      'Microsoft.Resources/templateSpecs',
    ])
    const exported = await plane.send('POST', `${other}/exportTemplate`, { resources: ['*'] })
    const names = exported.body.template.resources.map(({ type }: Loose) => type as string)
    expect(names).toEqual(names.map((type: string) => resourceTypes.spellingOf(type.toLowerCase())))
    expect(names).toContain('Microsoft.ManagedIdentity/userAssignedIdentities')
  })

  it('is emptied by a deployment in complete mode, a gallery with what is in it', async () => {
    const reply = await plane.send('PUT', `${other}/providers/Microsoft.Resources/deployments/empty`, {
      properties: {
        mode: 'Complete',
        template: {
          $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
          contentVersion: '1.0.0.0',
          resources: [],
        },
      },
    })
    expect(await plane.follow(reply)).toMatchObject({ status: 'Succeeded' })
    expect(await typesOf(other)).toEqual([])
  })

  it('frees the public address of another group when it is deleted with the interface that held it', async () => {
    const publicAddress = networkPath('publicIPAddresses', 'shared')
    await put(publicAddress, { sku: { name: 'Standard' }, properties: { publicIPAllocationMethod: 'Static' } })
    const subnet = `${networkPath('virtualNetworks', 'vnet')}/subnets/default`
    const properties = { subnet: { id: subnet }, publicIPAddress: { id: publicAddress } }
    await put(inOther(networkPath('networkInterfaces', 'nic')), {
      properties: { ipConfigurations: [{ name: 'ipconfig1', properties }] },
    })
    expect((await plane.send('DELETE', publicAddress)).body.error.code).toBe('PublicIPAddressCannotBeDeleted')
    expect((await plane.run('DELETE', other)).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', publicAddress)).body.properties.ipConfiguration).toBeUndefined()
    expect((await plane.send('DELETE', publicAddress)).status).toBe(200)
  })

  it('is not deleted while another group uses what is in it, and names that', async () => {
    await put(other, {})
    const request = vmRequest('vm1')
    const nic = inOther(networkPath('networkInterfaces', 'nic'))
    const subnet = `${networkPath('virtualNetworks', 'vnet')}/subnets/default`
    await put(nic, {
      properties: { ipConfigurations: [{ name: 'ipconfig1', properties: { subnet: { id: subnet } } }] },
    })
    request.properties.networkProfile.networkInterfaces[0].id = nic
    expect((await plane.run('PUT', vmPath('vm1'), request)).operation.status).toBe('Succeeded')
    const { operation } = await plane.run('DELETE', other)
    expect(operation).toMatchObject({
      status: 'Failed',
      error: { code: 'ResourceGroupDeletionBlocked', details: [{ code: 'NicInUse', target: nic }] },
    })
    expect((await plane.send('GET', nic)).status).toBe(200)
    expect((await plane.send('GET', other)).body.properties.provisioningState).toBe('Succeeded')
  })
})
