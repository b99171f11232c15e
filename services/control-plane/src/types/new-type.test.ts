import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ok } from '../arm/request.ts'
import { resourceTypes } from '../resource-types.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group, ownerId, subscriptionId, type TestPlane } from '../testing/test-plane.ts'
import { members } from './members.ts'
import { ResourceTypes } from './registry.ts'
import type { ResourceType } from './resource-type.ts'
import { retag } from './retag.ts'

const location = 'westeurope'
const forgotten: string[] = []
let locked = false

/** As in CONTRIBUTING.md's walk-through: everything written for a new type. */
const boxes: ResourceType = {
  spelling: 'Microsoft.Planted/boxes',
  refersTo: ['Microsoft.ManagedIdentity/userAssignedIdentities'],
  members: members({}),
  movable: true,
  emptiedFirst: true,
  create: async (plane, request, parent) => {
    const body = { properties: { provisioningState: 'Succeeded' } }
    const made = await plane.resources.transaction(
      async (tx) => await plane.resources.insert(tx, { id: request.path, location: parent.location, body }),
    )
    return { status: 201, body: { id: made.id } }
  },
  change: async (plane, request, existing) => ok({ tags: (await retag(plane, request, existing)).body.tags }),
  actions: { open: async (_plane, request, { name }) => ok({ opened: name, by: request.caller.objectId }) },
  reads: { contents: async (_plane, _request, { name }) => ok({ value: [name] }) },
  assertUnused: async () => {
    if (locked) throw new TypeError('in use')
  },
  forget: async (_plane, _asker, { name }) => void forgotten.push(name),
}
const { emptiedFirst: _, ...plain } = boxes
const lids: ResourceType = { ...plain, spelling: 'Microsoft.Planted/boxes/lids', refersTo: [] }

describe('a new resource type', () => {
  let plane: TestPlane & { close(): Promise<void> }
  const box = `${group}/providers/Microsoft.Planted/boxes/one`
  const lid = `${box}/lids/top`
  const status = async (method: string, path: string, body?: object): Promise<number> =>
    (await plane.send(method, path, body)).status
  beforeAll(async () => {
    plane = await openSqlitePlane({ types: new ResourceTypes([...resourceTypes.all, boxes, lids]) })
    for (const path of [group, group.replace('rg1', 'rg2')]) await plane.send('PUT', path, { location })
  })
  afterAll(async () => await plane.close())

  it('has routes, lists and a place in the provider list by its description alone', async () => {
    expect(await status('PUT', lid, {})).toBe(404)
    expect(await status('PUT', box, {})).toBe(201)
    expect(await status('PUT', lid, {})).toBe(201)
    expect((await plane.send('PATCH', box, { tags: { a: 'b' } })).body.tags).toEqual({ a: 'b' })
    const { body } = await plane.send('GET', box.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions'))
    expect(body).toMatchObject({ name: 'one', type: 'Microsoft.Planted/boxes', tags: { a: 'b' } })
    for (const list of [`${group}/resources`, `${group}/providers/Microsoft.Planted/boxes`, `${box}/lids`])
      expect((await plane.send('GET', list)).body.value.length, list).toBeGreaterThan(0)
    const { resourceTypes: offered } = (
      await plane.send('GET', `/subscriptions/${subscriptionId}/providers/Microsoft.Planted`)
    ).body
    expect(offered.map(({ resourceType }: { resourceType: string }) => resourceType)).toEqual(['boxes', 'boxes/lids'])
    const exported = await plane.send('POST', `${group}/exportTemplate`, { resources: ['*'] })
    expect(exported.body.template.resources).toEqual(
      expect.arrayContaining([expect.objectContaining({ type: 'Microsoft.Planted/boxes/lids', name: 'one/top' })]),
    )
  })

  it('answers its actions and reads at an existing resource, to callers with the right, at each level', async () => {
    for (const [path, name] of [
      [box, 'one'],
      [lid, 'top'],
    ] as const) {
      expect((await plane.send('POST', `${path}/OPEN`)).body).toEqual({ opened: name, by: ownerId })
      expect((await plane.send('GET', `${path}/contents`)).body).toEqual({ value: [name] })
      for (const method of ['POST', 'GET']) {
        const at = (id: string): string => `${id}/${method === 'POST' ? 'open' : 'contents'}`
        const missing = (await plane.send(method, at(`${path}x`))).body
        expect(missing.error.code).toBe('ResourceNotFound')
        const as = '0f2a9f3e-0000-4000-8000-00000000dddd'
        const refused = (await plane.send(method, at(path), undefined, { as })).body.error
        const verb = method === 'POST' ? 'open/action' : 'contents/read'
        const type = path === box ? 'Microsoft.Planted/boxes' : 'Microsoft.Planted/boxes/lids'
        expect(refused).toMatchObject({
          code: 'AuthorizationFailed',
          innererror: { expected: `a role assignment that allows ${type}/${verb}` },
        })
      }
    }
  })

  it('is judged by roles and by ETags', async () => {
    const as = '0f2a9f3e-0000-4000-8000-00000000dddd'
    expect((await plane.send('DELETE', box, undefined, { as })).status).toBe(403)
    expect((await plane.send('DELETE', box, undefined, { headers: { 'if-match': 'W/"x"' } })).status).toBe(412)
    expect((await plane.send('PUT', box, {}, { headers: { 'if-none-match': '*' } })).status).toBe(412)
  })

  it('moves, is emptied first, and goes with its group when nothing uses it', async () => {
    const target = group.replace('rg1', 'rg2')
    expect(await status('POST', `${group}/moveResources`, { resources: [box], targetResourceGroup: target })).toBe(204)
    const moved = box.replace('rg1', 'rg2')
    expect((await plane.send('DELETE', moved)).body.error.code).toBe('CannotDeleteResource')
    locked = true
    expect((await plane.run('DELETE', target)).operation.status).toBe('Failed')
    expect(await status('GET', moved)).toBe(200)
    locked = false
    expect((await plane.run('DELETE', target)).operation.status).toBe('Succeeded')
    expect(forgotten.toSorted()).toEqual(['one', 'top'])
    expect(await status('GET', moved)).toBe(404)
  })
})
