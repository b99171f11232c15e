import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { roles } from '../arm/access.ts'
import { portalConditions } from '../testing/portal-conditions.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { address, deploymentBody, template } from '../testing/templates.ts'
import { group, subscriptionId, type Loose, type TestReply } from '../testing/test-plane.ts'

const subscription = `/subscriptions/${subscriptionId}`
const authorization = 'providers/Microsoft.Authorization'
const other = `${subscription}/resourceGroups/other`
const delegate = '0f2a9f3e-0000-4000-8000-0000000de1e9'
const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`
const builtIn = (name: string): string => roles.find((role) => role.name === name)!.id
const roleId = (name: string): string => `${subscription}/${authorization}/roleDefinitions/${builtIn(name)}`

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane()
  const conditions = portalConditions({ roles: [builtIn('Reader')], principals: [] })
  const limited = { condition: conditions['selected roles'], conditionVersion: '2.0' }
  for (const path of [group, other]) await plane.send('PUT', path, { location: 'westeurope' })
  for (const scope of [group, other])
    for (const [n, name, more] of [
      [1, 'Contributor', {}],
      [2, 'Role Based Access Control Administrator', limited],
    ] as const) {
      const properties = { principalId: delegate, roleDefinitionId: roleId(name), ...more }
      const { status } = await plane.send('PUT', `${scope}/${authorization}/roleAssignments/${id(n)}`, { properties })
      expect(status).toBe(201)
    }
})
afterAll(async () => await plane.close())

const giving = (name: string, more: object = {}, properties: object = {}): Loose => ({
  type: 'Microsoft.Authorization/roleAssignments',
  apiVersion: '2022-04-01',
  name: id(5),
  ...more,
  properties: { principalId: delegate, roleDefinitionId: roleId(name), ...properties },
})
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
const deployments = `${group}/providers/Microsoft.Resources/deployments/d`
const as = { as: delegate }
const assigned = async (): Promise<string[]> => {
  const { body } = await plane.send('GET', `${subscription}/${authorization}/roleAssignments`)
  return body.value
    .filter(({ name }: Loose) => name === id(5))
    .map(({ properties }: Loose) => properties.roleDefinitionId)
}
/** The deployment's operation, or the refusal of its request. */
async function outcome(body: object): Promise<Loose> {
  const reply: TestReply = await plane.send('PUT', deployments, body, as)
  return reply.status < 300 ? await plane.follow(reply) : reply.body
}

describe('a delegate with a condition', () => {
  beforeEach(async () => {
    for (const scope of [group, other]) await plane.send('DELETE', `${scope}/${authorization}/roleAssignments/${id(5)}`)
  })

  const owner = template([giving('Owner')])
  // Only known once the template runs.
  const dns = { publicIPAllocationMethod: 'Static', dnsSettings: { domainNameLabel: 'late' } }
  const late = (name: string): Loose =>
    template([
      address('late', { properties: dns }),
      giving(
        name,
        { dependsOn: ['late'] },
        { roleDefinitionId: `[concat(reference('late').dnsSettings.fqdn, '/x/${builtIn(name)}')]` },
      ),
    ])
  const inner = { expressionEvaluationOptions: { scope: 'inner' } }
  const inVariable = template([giving('Owner', {}, { roleDefinitionId: "[variables('r')]" })], {
    variables: { r: "[concat('/x/', toLower('8E3AF657-A8FF-443C-A75C-2FE8C4BCB635'))]" },
  })

  it.each<[string, Loose]>([
    ['a template', owner],
    ['a template that computes the role', inVariable],
    ['a template at another scope', template([giving('Owner', { scope: other })])],
    ['a template within', nested(owner)],
    ['a template within with its own names', nested(owner, {}, inner)],
    ['a template within for another group', nested(owner, { resourceGroup: 'other' })],
  ])('gets no other role by %s, neither deployed nor in a what-if (attack W44)', async (_, t) => {
    expect(JSON.stringify(await outcome(deploymentBody(t)))).toContain('AuthorizationFailed')
    const { status, body } = await plane.send('POST', `${deployments}/whatIf`, deploymentBody(t), as)
    expect([status, body.error?.code]).toEqual([403, 'AuthorizationFailed'])
    expect(await assigned()).toEqual([])
  })

  it('gets none by what a template knows only while it runs, or by a template spec (attack W44)', async () => {
    const operation = await outcome(deploymentBody(late('Owner')))
    expect(operation.error.details[0].code).toBe('AuthorizationFailed')
    const spec = `${group}/providers/Microsoft.Resources/templateSpecs/s`
    await plane.send('PUT', spec, { location: 'westeurope', properties: {} }, as)
    const version = { location: 'westeurope', properties: { mainTemplate: owner } }
    expect((await plane.send('PUT', `${spec}/versions/1`, version, as)).status).toBe(201)
    const linked = { properties: { mode: 'Incremental', templateLink: { id: `${spec}/versions/1` } } }
    expect(JSON.stringify(await outcome(linked))).toContain('AuthorizationFailed')
    expect(await assigned()).toEqual([])
  })

  it('deploys what its condition allows, to whoever is only known while the template runs', async () => {
    expect((await outcome(deploymentBody(template([giving('Reader')])))).status).toBe('Succeeded')
    expect(await assigned()).toEqual([roleId('Reader')])
    await plane.send('DELETE', `${group}/${authorization}/roleAssignments/${id(5)}`)
    expect((await outcome(deploymentBody(late('Reader')))).status).toBe('Succeeded')
    expect(await assigned()).toEqual([roleId('Reader')])
    const { status, body } = await plane.send(
      'POST',
      `${deployments}/whatIf`,
      deploymentBody(template([giving('Reader')])),
      as,
    )
    expect([status, body.properties.changes[0].changeType]).toEqual([200, 'Create'])
    await plane.send('DELETE', `${group}/${authorization}/roleAssignments/${id(5)}`)
    const identity = {
      type: 'Microsoft.ManagedIdentity/userAssignedIdentities',
      apiVersion: '2023-01-31',
      name: 'robot',
      location: 'westeurope',
    }
    const principalId = "[reference('robot').principalId]"
    const both = template([identity, giving('Reader', { dependsOn: ['robot'] }, { principalId })])
    const made = await outcome(deploymentBody(both))
    expect([made.status, made.error]).toEqual(['Succeeded', undefined])
    expect(await assigned()).toEqual([roleId('Reader')])
  })
})
