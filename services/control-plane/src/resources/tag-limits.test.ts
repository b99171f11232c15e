import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tagProblems } from '../arm/tag-limits.ts'
import { resourceTypes } from '../resource-types.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'

const subscription = `/subscriptions/${subscriptionId}`
let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane()
  await plane.send('PUT', group, { location: 'westeurope', tags: of(50) })
})
afterAll(() => plane?.close())

const of = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, '']))
const codes = ({ body }: TestReply): string[] => [
  body.error?.code,
  ...(body.error?.details ?? []).map(({ code }: Loose) => code),
]

/** Types whose resources lie in a group and take tags. */
const types = resourceTypes.all
  .filter((type) => type.create !== undefined && type.spelling.split('/').length === 2)
  .map(({ spelling }) => spelling)

describe('the limits on tags', () => {
  it('are those of Azure, with its codes', () => {
    const found = (tags: Record<string, string>): string[] => tagProblems(tags, 'tags').map(({ code }) => code)
    expect(found(of(50))).toEqual([])
    expect(found(of(51))).toEqual(['InvalidTags'])
    expect(found({ ['n'.repeat(512)]: 'v'.repeat(256) })).toEqual([])
    expect(found({ ['n'.repeat(513)]: '' })).toEqual(['InvalidTagName'])
    expect(found({ '': '' })).toEqual(['InvalidTagName'])
    expect(found({ n: 'v'.repeat(257) })).toEqual(['InvalidTagValueLength'])
    for (const character of ['<', '>', '%', '&', '\\', '?', '/', '\n', '\u007F'])
      expect(found({ [`a${character}b`]: '' })).toEqual(['InvalidTagNameCharacters'])
    expect(found({ 'hidden-link:/subscriptions/s/a': 'Resource', 'a.b-c_d:e é': '' })).toEqual([])
  })

  it.each(types)('hold for %s', async (type) => {
    const path = `${group}/providers/${type}/taglimits`
    const reply = await plane.send('PUT', path, { location: 'westeurope', properties: {}, tags: of(51) })
    expect(reply.status, JSON.stringify(reply.body)).toBe(400)
    expect(codes(reply)).toContain('InvalidTags')
  })

  it('hold for groups, their changes, and tags as a resource at each scope', async () => {
    const other = `${group.replace(/[^/]+$/, 'other')}`
    const tags = '/providers/Microsoft.Resources/tags/default'
    const requests: [string, string, Loose][] = [
      ['PUT', other, { location: 'westeurope', tags: of(51) }],
      ['PATCH', group, { tags: of(51) }],
      ...[group, subscription].map((scope): [string, string, Loose] => [
        'PUT',
        `${scope}${tags}`,
        { properties: { tags: of(51) } },
      ]),
      ['PATCH', `${group}${tags}`, { operation: 'Merge', properties: { tags: { another: '' } } }],
    ]
    for (const [method, path, body] of requests) {
      const reply = await plane.send(method, path, body)
      expect([method, path, reply.status, codes(reply)[0]]).toEqual([method, path, 400, 'InvalidTags'])
    }
    expect((await plane.send('GET', other)).status).toBe(404)
    expect(Object.keys((await plane.send('GET', group)).body.tags)).toHaveLength(50)
  })
})

describe('a resource without tags', () => {
  it('shows an empty map where Azure does, and is asked with one by az', async () => {
    await makeNetwork(plane, 'vm1')
    const { tags: _, ...vm } = vmRequest('vm1')
    await plane.run('PUT', vmPath('vm1'), vm)
    const location = 'westeurope'
    for (const [path, body] of [
      ['Microsoft.ManagedIdentity/userAssignedIdentities/identity1', { location }],
      ['Microsoft.Network/networkSecurityGroups/nsg', { location, tags: {}, properties: {} }],
      [
        'Microsoft.Compute/disks/disk',
        { location, tags: {}, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 } },
      ],
    ] as const)
      expect((await plane.send('PUT', `${group}/providers/${path}`, body)).status, path).toBeLessThan(300)
    const shown = async (path: string): Promise<unknown> => (await plane.send('GET', path)).body.tags
    expect(await shown(vmPath('vm1'))).toEqual({})
    for (const path of [
      'Microsoft.ManagedIdentity/userAssignedIdentities/identity1',
      'Microsoft.Network/networkSecurityGroups/nsg',
      'Microsoft.Compute/disks/disk',
    ])
      expect([path, await shown(`${group}/providers/${path}`)]).toEqual([path, {}])
  })
})
