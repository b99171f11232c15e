import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { roles } from '../arm/access.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { address, template } from '../testing/templates.ts'
import { group, ownerId, subscriptionId, tenantId, type Loose } from '../testing/test-plane.ts'

const subscription = `/subscriptions/${subscriptionId}`
const schema = (kind: string): string =>
  `https://schema.management.azure.com/schemas/2018-05-01/${kind}DeploymentTemplate.json#`
const stranger = '0f2a9f3e-0000-4000-8000-00000000dddd'
const at = (scope: string, name = 'd1'): string => `${scope}/providers/Microsoft.Resources/deployments/${name}`

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
})
afterEach(async () => await plane.close())

/** As Bicep compiles a subscription's file with a group and a module in it. */
const groupWithModule = (): Loose => ({
  $schema: schema('subscription'),
  contentVersion: '1.0.0.0',
  parameters: { name: { type: 'string' }, where: { type: 'string', defaultValue: '[deployment().location]' } },
  resources: [
    {
      type: 'Microsoft.Resources/resourceGroups',
      apiVersion: '2022-09-01',
      name: "[parameters('name')]",
      location: "[parameters('where')]",
      tags: { made: 'by a template' },
    },
    {
      type: 'Microsoft.Resources/deployments',
      apiVersion: '2022-09-01',
      name: 'inside',
      resourceGroup: "[parameters('name')]",
      properties: {
        mode: 'Incremental',
        expressionEvaluationOptions: { scope: 'inner' },
        parameters: { ip: { value: 'ip1' } },
        template: template([address("[parameters('ip')]")], {
          parameters: { ip: { type: 'string' } },
          outputs: { where: { type: 'string', value: '[resourceGroup().name]' } },
        }),
      },
      dependsOn: ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', parameters('name'))]"],
    },
  ],
  outputs: {
    group: {
      type: 'string',
      value: "[subscriptionResourceId('Microsoft.Resources/resourceGroups', parameters('name'))]",
    },
    inside: {
      type: 'string',
      value:
        "[reference(extensionResourceId(format('/subscriptions/{0}/resourceGroups/{1}', " +
        "subscription().subscriptionId, parameters('name')), 'Microsoft.Resources/deployments', " +
        "'inside')).outputs.where.value]",
    },
  },
})
const body = (t: Loose, more: object = {}): Loose => ({
  location: 'westeurope',
  properties: { mode: 'Incremental', template: t, ...more },
})
const named = { parameters: { name: { value: 'fresh' } } }

describe('a deployment to the subscription', () => {
  it('makes a group and what a template within it puts there', async () => {
    const { operation } = await plane.run('PUT', at(subscription), body(groupWithModule(), named))
    expect(operation.status).toBe('Succeeded')
    const shown = (await plane.send('GET', at(subscription))).body
    expect([shown.location, shown.properties.outputs.group.value, shown.properties.outputs.inside.value]).toEqual([
      'westeurope',
      `${subscription}/resourceGroups/fresh`,
      'fresh',
    ])
    expect((await plane.send('GET', `${subscription}/resourceGroups/fresh`)).body.tags).toEqual({
      made: 'by a template',
    })
    expect((await plane.send('GET', `${subscription}/resourceGroups/fresh/resources`)).body.value[0].name).toBe('ip1')
    expect((await plane.send('GET', at(`${subscription}/resourceGroups/fresh`, 'inside'))).status).toBe(200)
    const list = (await plane.send('GET', `${subscription}/providers/Microsoft.Resources/deployments`)).body.value
    expect(list.map(({ name }: Loose) => name)).toEqual(['d1'])
    expect((await plane.send('GET', `${at(subscription)}/operations`)).body.value).toHaveLength(2)
    expect((await plane.send('DELETE', at(subscription))).status).toBe(204)
  })

  it('says beforehand what it would make, also in a group that is not there yet', async () => {
    const { properties } = (await plane.send('POST', `${at(subscription)}/whatIf`, body(groupWithModule(), named))).body
    expect(properties.changes.map((each: Loose) => [each.changeType, each.resourceId])).toEqual([
      ['Create', `${subscription}/resourceGroups/fresh`],
      ['Create', `${subscription}/resourceGroups/fresh/providers/Microsoft.Network/publicIPAddresses/ip1`],
    ])
    const validated = await plane.send('POST', `${at(subscription)}/validate`, body(groupWithModule(), named))
    expect(validated.body.properties.provisioningState).toBe('Succeeded')
    expect((await plane.send('GET', `${subscription}/resourceGroups/fresh`)).status).toBe(404)
  })

  it.each<[string, Loose, string]>([
    ['without a location', { ...body(groupWithModule(), named), location: null }, 'LocationRequired'],
    ['in complete mode', body(groupWithModule(), { ...named, mode: 'Complete' }), 'InvalidTemplate'],
    ['of a group’s template', body(template([])), 'InvalidTemplate'],
    [
      'with a resource that lives in groups',
      body({ ...groupWithModule(), variables: {}, outputs: {}, resources: [address('ip')] }, named),
      'InvalidResourceType',
    ],
  ])('is refused %s', async (_name, request, code) => {
    const refused = await plane.send('PUT', at(subscription), request)
    expect([refused.status, refused.body.error.code]).toEqual([400, code])
  })

  it('is nothing for whose role is at a group alone', async () => {
    await plane.send('PUT', group, { location: 'westeurope' })
    await plane.send(
      'PUT',
      `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001`,
      {
        properties: {
          principalId: stranger,
          roleDefinitionId: `/x/${roles.find(({ name }) => name === 'Contributor')!.id}`,
        },
      },
    )
    expect((await plane.send('PUT', at(group), body(template([])), { as: stranger })).status).toBe(201)
    expect((await plane.send('PUT', at(subscription), body(groupWithModule(), named), { as: stranger })).status).toBe(
      403,
    )
  })
})

describe('a deployment to the tenant', () => {
  const nested = (kind: string): Loose => ({
    $schema: schema(kind),
    contentVersion: '1.0.0.0',
    resources: [
      {
        type: 'Microsoft.Resources/deployments',
        apiVersion: '2022-09-01',
        name: 'below',
        subscriptionId: "[parameters('subscription')]",
        location: 'westeurope',
        properties: {
          mode: 'Incremental',
          expressionEvaluationOptions: { scope: 'inner' },
          parameters: { name: { value: 'deep' } },
          template: groupWithModule(),
        },
      },
    ],
    parameters: { subscription: { type: 'string' } },
  })
  const owner = async (): Promise<void> => {
    // The subscription's owner has no right to elevate: the test writes the row that an installation may have.
    await plane.store.db
      .insertInto('role_assignment')
      .values({
        scope: '/',
        name: '00000000-0000-4000-8000-000000000009',
        display_scope: '/',
        principal_id: stranger,
        principal_type: 'ServicePrincipal',
        role_id: roles[0]!.id,
        created_at: '2026-01-01T00:00:00.000Z',
        created_by: stranger,
      })
      .execute()
  }

  it.each([
    ['', 'tenant'],
    [`/providers/Microsoft.Management/managementGroups/${tenantId}`, 'managementGroup'],
  ])('reaches the subscription below %s', async (scope, kind) => {
    const request = body(nested(kind), { parameters: { subscription: { value: subscriptionId } } })
    expect((await plane.send('PUT', at(scope), request)).status).toBe(403)
    await owner()
    const reply = await plane.send('PUT', at(scope), request, { as: stranger })
    expect(reply.status).toBe(201)
    const url = new URL(reply.headers['azure-asyncoperation']!)
    const poll = async (as: string): Promise<Loose> =>
      (await plane.send('GET', url.pathname + url.search, undefined, { as })).body
    expect((await poll(ownerId)).error.code).toBe('OperationNotFound')
    while ((await poll(stranger)).status === 'InProgress') await sleep(10)
    const shown = await plane.send('GET', at(scope), undefined, { as: stranger })
    expect(shown.body.properties.provisioningState).toBe('Succeeded')
    expect((await plane.send('GET', `${subscription}/resourceGroups/deep/resources`)).body.value).toHaveLength(1)
  })
})

describe('a template spec', () => {
  const spec = `${group}/providers/Microsoft.Resources/templateSpecs/web`
  const nestedBy = (link: Loose): Loose => ({
    type: 'Microsoft.Resources/deployments',
    apiVersion: '2022-09-01',
    name: 'beside',
    properties: { mode: 'Incremental', templateLink: link },
  })
  beforeEach(async () => {
    await plane.send('PUT', group, { location: 'westeurope' })
    expect((await plane.send('PUT', `${spec}/versions/1.0`, { location: 'westeurope' })).status).toBe(400)
    await plane.send('PUT', spec, { location: 'westeurope', properties: { description: 'web' } })
    const version = await plane.send('PUT', `${spec}/versions/1.0`, {
      location: 'westeurope',
      properties: {
        mainTemplate: template([address('main'), nestedBy({ relativePath: 'parts/ip.json' })]),
        linkedTemplates: [{ path: 'parts/ip.json', template: template([address('part')]) }],
      },
    })
    expect(version.status).toBe(201)
  })

  it('is deployed by its id, with the templates beside it, as who may read it', async () => {
    const request = { properties: { mode: 'Incremental', templateLink: { id: `${spec}/versions/1.0` } } }
    const { operation } = await plane.run('PUT', at(group), request)
    expect(operation.status).toBe('Succeeded')
    const names = (await plane.send('GET', `${group}/resources`)).body.value.map(({ name }: Loose) => name)
    expect(names).toEqual(['main', 'part', 'web', '1.0'])
    expect((await plane.send('GET', at(group))).body.properties.templateLink.id).toBe(`${spec}/versions/1.0`)
    expect((await plane.send('GET', `${spec}?$expand=versions`)).body.properties.versions['1.0']).toBeDefined()

    const other = `${subscription}/resourceGroups/other`
    await plane.send('PUT', other, { location: 'westeurope' })
    const roleId = `/x/${roles.find(({ name }) => name === 'Contributor')!.id}`
    await plane.send(
      'PUT',
      `${other}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000002`,
      {
        properties: { principalId: stranger, roleDefinitionId: roleId },
      },
    )
    const refused = await plane.send('PUT', at(other), request, { as: stranger })
    expect(refused.body.error.code).toBe('LinkedAuthorizationFailed')
  })

  it('is the only thing that a link may name', async () => {
    for (const link of [{ uri: 'http://127.0.0.1/t.json' }, { relativePath: 'x.json' }, { id: `${spec}` }]) {
      const refused = await plane.send('PUT', at(group), { properties: { mode: 'Incremental', templateLink: link } })
      expect([refused.status, refused.body.error.code]).toEqual([400, 'InvalidTemplateLink'])
    }
    expect((await plane.send('DELETE', spec)).status).toBe(200)
    expect((await plane.send('GET', `${spec}/versions/1.0`)).status).toBe(404)
  })
})
