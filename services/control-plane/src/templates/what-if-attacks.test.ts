import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { roles } from '../arm/access.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { address, deploymentBody, network, template } from '../testing/templates.ts'
import { group, subscriptionId, type Loose, type TestReply } from '../testing/test-plane.ts'

const subscription = `/subscriptions/${subscriptionId}`
const own = `${subscription}/resourceGroups/own`
const authorization = 'providers/Microsoft.Authorization'
const [contributor, tagger, writer] = ['a77a', 'a77b', 'a77c'].map((end) => `0f2a9f3e-0000-4000-8000-00000000${end}`)
const hidden = 'what only rg1 knows'
const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  const made = async (path: string, body: object): Promise<void> =>
    expect((await plane.send('PUT', path, body)).status).toBe(201)
  const give = async (n: number, scope: string, principalId: string, role: string): Promise<void> =>
    await made(`${scope}/${authorization}/roleAssignments/${id(n)}`, {
      properties: { principalId, roleDefinitionId: `${subscription}/${authorization}/roleDefinitions/${role}` },
    })
  const builtIn = (name: string): string => roles.find((role) => role.name === name)!.id
  for (const path of [group, own]) await made(path, { location: 'westeurope' })
  const target = `${group}/providers/Microsoft.Network/publicIPAddresses/secret`
  await made(target, { location: 'westeurope', tags: { hidden } })
  const actions = ['Microsoft.Network/publicIPAddresses/write', 'Microsoft.Resources/deployments/*']
  await made(`${subscription}/${authorization}/roleDefinitions/${id(9)}`, {
    properties: { roleName: 'Writes unseen', permissions: [{ actions }], assignableScopes: [subscription] },
  })
  await give(1, own, contributor!, builtIn('Contributor'))
  await give(2, group, tagger!, builtIn('Tag Contributor'))
  await give(3, group, writer!, id(9))
})
afterAll(async () => await plane.close())

const whatIf = async (as: string, at: string, t: Loose, more: object = {}): Promise<TestReply> =>
  await plane.send('POST', `${at}/providers/Microsoft.Resources/deployments/d/whatIf`, deploymentBody(t, more), { as })
const nested = (t: Loose, more: object = {}, properties: object = {}): Loose =>
  template([
    {
      type: 'Microsoft.Resources/deployments',
      apiVersion: '2022-09-01',
      name: 'inside',
      ...more,
      properties: { mode: 'Incremental', template: t, ...properties },
    },
  ])
const there = template([address('secret', { location: 'westeurope', tags: { hidden: 'guess' } })])
const elsewhere = template([address('secret', { location: 'westeurope', scope: group, tags: { hidden: 'guess' } })])
const within = { resourceGroup: 'rg1' }
const inner = { expressionEvaluationOptions: { scope: 'inner' } }

describe('a what-if', () => {
  it.each([
    ['named by its scope', elsewhere],
    ['in a template within', nested(elsewhere)],
    ['in a template within that sees its own names alone', nested(elsewhere, {}, inner)],
    ['in a template within for its group', nested(there, within)],
    ['in a template within one within', nested(nested(there, within))],
    ['in a template within one within, each with its own names', nested(nested(there, within, inner), {}, inner)],
    ['at the fourth depth', nested(nested(nested(elsewhere)))],
  ])('shows nothing of a group in which its caller has no role, %s (attack W20)', async (_, t) => {
    for (const whatIfSettings of [{ resultFormat: 'FullResourcePayloads' }, { resultFormat: 'ResourceIdOnly' }]) {
      const { status, body } = await whatIf(contributor!, own, t, { whatIfSettings })
      expect([status, body.error.code]).toEqual([403, 'AuthorizationFailed'])
      expect(JSON.stringify(body)).not.toContain(hidden)
    }
  })

  it('shows nothing of its own group either that its caller may not read (attack W20)', async () => {
    for (const mode of ['Incremental', 'Complete']) {
      const { status, body } = await whatIf(tagger!, group, template([]), { mode })
      expect([status, body.properties.changes]).toEqual([200, []])
    }
    const { body } = await whatIf(writer!, group, there)
    expect(body.properties.changes).toEqual([
      { resourceId: `${group}/providers/Microsoft.Network/publicIPAddresses/secret`, changeType: 'Deploy' },
    ])
  })

  it('shows who may read it what a template within would change', async () => {
    const owner = await plane.send(
      'POST',
      `${own}/providers/Microsoft.Resources/deployments/d/whatIf`,
      deploymentBody(nested(nested(there, within))),
    )
    expect(owner.body.properties.changes).toMatchObject([{ changeType: 'Modify', before: { tags: { hidden } } }])
    const { body } = await whatIf(contributor!, own, nested(template([network('n', '10.1.0.0/24')])))
    expect(body.properties.changes).toMatchObject([{ changeType: 'Create' }])
  })
})
